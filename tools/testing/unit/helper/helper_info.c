// SPDX-License-Identifier: GPL-2.0-only
/* What a server reports of an export in its replies to GO. */
#include "unit.h"

#include "attach.h"

static void test_info_endless(void **state)
{
	(void)state;
	say_start();
	script_repeat(script);
	script_info_export(script, GO, SIZE, FLAGS);
	attach_badly(&plain, EXIT_PROTOCOL, "more than 10000 replies");
}

static void test_info_malformed(void **state)
{
	static const struct { const char *bytes; uint32_t n; const char *says; } table[] = {
		{ "", 0, "0 bytes" },
		{ "\0", 1, "1 bytes" },
		{ "\0\0", 2, "size and flags" },
		{ "\0\0\0\0\0\0\0\0\0\0", 10, "size and flags" },
		{ "\0\0\0\0\0\0\0\0\0\0\0\1x", 13, "size and flags" },
		{ "\0\3\0\0\0\1\0\0\x10\0", 10, "block sizes" },
		{ "\0\3\0\0\0\1\0\0\x10\0\2\0\0\0x", 15, "block sizes" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(table); i++) {
		script_init(script);
		say_start();
		script_reply(script, GO, NBD_REP_INFO, table[i].bytes, table[i].n);
		attach_badly(&plain, EXIT_PROTOCOL, table[i].says);
	}
}

static void test_info_string_too_long(void **state)
{
	char info[2 + NBD_STRING_MAX + 1] = { 0, NBD_INFO_DESCRIPTION };

	(void)state;
	say_start();
	script_reply(script, GO, NBD_REP_INFO, info, sizeof(info));
	attach_badly(&plain, EXIT_PROTOCOL, "a string of 4097 bytes");
}

static void test_info_unknown(void **state)
{
	(void)state;
	say_start();
	script_reply(script, GO, NBD_REP_INFO, "\200\1future", 8);
	script_reply(script, GO, NBD_REP_INFO, "\0\1canonical", 11);
	script_reply(script, GO, NBD_REP_INFO, "\0\2text\xff", 7);
	say_go();
	attach_well(&plain);
	assert_string_equal(exported.canonical, "canonical");
	assert_string_equal(exported.description, "text\\xff");
}

static void test_info_missing(void **state)
{
	(void)state;
	say_start();
	script_info_block(script, GO, 1, 4096, 33554432);
	script_ack(script, GO);
	attach_badly(&plain, EXIT_PROTOCOL, "no size and flags");
}

static void test_info_twice(void **state)
{
	(void)state;
	say_start();
	script_info_export(script, GO, SIZE, FLAGS);
	say_go();
	attach_well(&plain);
	export_free(&exported);
	script_init(script);
	say_start();
	script_info_export(script, GO, SIZE + 512, FLAGS);
	say_go();
	attach_badly(&plain, EXIT_PROTOCOL, "two different sizes");
}

static void test_has_flags(void **state)
{
	(void)state;
	say_start();
	script_info_export(script, GO, SIZE, NBD_FLAG_SEND_FLUSH);
	script_ack(script, GO);
	attach_badly(&plain, EXIT_PROTOCOL, "flags");
}

static void test_unknown_flags(void **state)
{
	(void)state;
	say_start();
	script_info_export(script, GO, SIZE, 0xe201 | FLAGS);
	script_ack(script, GO);
	attach_well(&plain);
	assert_int_equal(exported.flags, 0xe201 | FLAGS);
}

static void test_block_sizes(void **state)
{
	static const struct { uint32_t min, pref, max; bool good; } table[] = {
		{ 1, 512, 512, true },
		{ 1, 4096, 33554432, true },
		{ 512, 512, 0xffffffff, true },
		{ 65536, 65536, 65536, true },
		{ 4096, 4096, 5000000, true },
		{ 0, 4096, 33554432, false },
		{ 513, 4096, 33554432, false },
		{ 131072, 131072, 33554432, false },
		{ 1, 256, 33554432, false },
		{ 1, 5000, 33554432, false },
		{ 1, 0, 33554432, false },
		{ 8192, 4096, 33554432, false },
		{ 1, 4096, 0, false },
		{ 1, 4096, 2048, false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(table); i++) {
		script_init(script);
		say_start();
		script_info_block(script, GO, table[i].min, table[i].pref, table[i].max);
		say_go();
		if (!table[i].good) {
			attach_badly(&plain, EXIT_PROTOCOL, "impossible block sizes");
			continue;
		}
		attach_well(&plain);
		assert_int_equal(exported.minimum, table[i].min);
		assert_int_equal(exported.preferred, table[i].pref);
		assert_int_equal(exported.maximum, table[i].max);
		assert_true(exported.has_block_size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(info_endless),
		TEST(info_malformed),
		TEST(info_string_too_long),
		TEST(info_unknown),
		TEST(info_missing),
		TEST(info_twice),
		TEST(has_flags),
		TEST(unknown_flags),
		TEST(block_sizes),
	};

	return cmocka_run_group_tests_name("helper_info", tests, NULL, NULL);
}
