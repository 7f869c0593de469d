// SPDX-License-Identifier: GPL-2.0-only
/* The handshake against servers that follow a script, good and hostile: its order and its end. */
#include <errno.h>
#include <string.h>

#include "unit.h"

#include "attach.h"

static uint32_t wire_u32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
}

static void check_client_flags(uint32_t flags)
{
	assert_true(script->out_length >= 4);
	assert_int_equal(wire_u32(script->out), flags);
}

static void check_options(const uint32_t *options, unsigned int n)
{
	const uint8_t *data;
	uint32_t length;
	unsigned int i;

	for (i = 0; i < n; i++)
		assert_int_equal(script_option(script, i, &data, &length), options[i]);
	assert_int_equal(script_option(script, n, &data, &length), 0);
}

static void test_order(void **state)
{
	static const uint32_t options[] = { STRUCTURED, SET, GO };
	const uint8_t *data;
	uint32_t length;

	(void)state;
	say_start();
	script_context(script, SET, 7, "base:allocation");
	script_context(script, SET, 0xfffffffe, two_contexts[1]);
	script_ack(script, SET);
	script_info_block(script, GO, 1, 4096, 33554432);
	say_go();
	attach_well(&with_contexts);
	check_client_flags(FIXED | NO_ZEROES);
	check_options(options, 3);

	script_option(script, 0, &data, &length);
	assert_int_equal(length, 0);
	/* Both names in one option, in whole, whatever spaces and colons they hold */
	script_option(script, 1, &data, &length);
	assert_int_equal(length, 4 + 4 + 4 + 4 + 15 + 4 + 23);
	assert_memory_equal(data, "\0\0\0\4disk\0\0\0\2\0\0\0\17base:allocation", 31);
	assert_memory_equal(data + 31, "\0\0\0\27qemu:dirty-bitmap:b 0:x", 27);
	/* The same name, and the block size is asked for */
	script_option(script, 2, &data, &length);
	assert_int_equal(length, 4 + 4 + 2 + 2);
	assert_memory_equal(data, "\0\0\0\4disk\0\1\0\3", length);

	assert_true(exported.structured);
	assert_int_equal(exported.size, SIZE);
	assert_int_equal(exported.flags, FLAGS);
	assert_int_equal(exported.minimum, 1);
	assert_int_equal(exported.maximum, 33554432);
	assert_int_equal(exported.n_contexts, 2);
	assert_int_equal(export_find_context(&exported, "base:allocation")->id, 7);
	assert_int_equal(export_find_context(&exported, two_contexts[1])->id, 0xfffffffe);
}

static void test_driver_without_structured(void **state)
{
	static const uint32_t options[] = { GO };
	const struct handshake_request request = { .export = "" };

	(void)state;
	script_greeting(script, FIXED);
	say_go();
	attach_well(&request);
	check_options(options, 1);
	assert_false(exported.structured);
}

/* "base" flags of the server are echoed, and only those. */
static void test_client_flags(void **state)
{
	(void)state;
	script_greeting(script, 0xffff);
	script_ack(script, STRUCTURED);
	say_go();
	attach_well(&plain);
	check_client_flags(FIXED | NO_ZEROES);
}

static void test_no_zeroes_not_offered(void **state)
{
	(void)state;
	script_greeting(script, FIXED);
	script_ack(script, STRUCTURED);
	say_go();
	attach_well(&plain);
	check_client_flags(FIXED);
}

static void say_export_name(bool zeroes)
{
	static const uint8_t zero[NBD_EXPORT_NAME_ZEROES];

	script_u64(script, SIZE);
	script_u16(script, FLAGS);
	if (zeroes)
		script_raw(script, zero, sizeof(zero));
}

static void test_not_fixed(void **state)
{
	static const uint32_t options[] = { NBD_OPT_EXPORT_NAME };

	(void)state;
	script_greeting(script, 0);
	say_export_name(true);
	attach_well(&with_contexts);
	check_client_flags(0);
	check_options(options, 1);
	assert_int_equal(exported.size, SIZE);
	assert_false(exported.structured);
	assert_int_equal(exported.n_contexts, 0);
}

static void test_not_fixed_no_zeroes(void **state)
{
	(void)state;
	script_greeting(script, NO_ZEROES);
	say_export_name(false);
	attach_well(&plain);
	check_client_flags(NO_ZEROES);
}

static void test_go_unsup(void **state)
{
	static const uint32_t options[] = { STRUCTURED, GO, NBD_OPT_EXPORT_NAME };
	const uint8_t *data;
	uint32_t length;

	(void)state;
	say_start();
	script_reply(script, GO, NBD_REP_ERR_UNSUP, "", 0);
	say_export_name(false);
	attach_well(&plain);
	check_options(options, 3);
	script_option(script, 2, &data, &length);
	assert_int_equal(length, 4);
	assert_memory_equal(data, "disk", 4);
	assert_true(exported.structured);
	assert_int_equal(exported.minimum, 1);
	assert_int_equal(exported.maximum, 32 << 20);
}

static void test_go_unsup_zeroes(void **state)
{
	(void)state;
	script_greeting(script, FIXED);
	script_ack(script, STRUCTURED);
	script_reply(script, GO, NBD_REP_ERR_UNSUP, "", 0);
	say_export_name(true);
	attach_well(&plain);
}

static void test_export_name_hang_up(void **state)
{
	(void)state;
	script_greeting(script, 0);
	attach_badly(&plain, EXIT_EXPORT, "closed the connection");
}

static void test_export_name_short(void **state)
{
	(void)state;
	script_greeting(script, 0);
	say_export_name(false);
	attach_badly(&plain, EXIT_EXPORT, "closed the connection");
}

/* Any other refusal of GO must not lead to EXPORT_NAME. */
static void test_go_refused(void **state)
{
	static const struct { uint32_t type; enum exit_code code; const char *says; } table[] = {
		{ NBD_REP_ERR_POLICY, EXIT_EXPORT, "policy" },
		{ NBD_REP_ERR_INVALID, EXIT_EXPORT, "invalid" },
		{ NBD_REP_ERR_PLATFORM, EXIT_EXPORT, "platform" },
		{ NBD_REP_ERR_TLS_REQD, EXIT_TLS, "TLS" },
		{ NBD_REP_ERR_UNKNOWN, EXIT_EXPORT, "no such export" },
		{ NBD_REP_ERR_SHUTDOWN, EXIT_REACH, "shutting down" },
		{ NBD_REP_ERR_BLOCK_SIZE_REQD, EXIT_PROTOCOL, "block size" },
		{ NBD_REP_ERR_TOO_BIG, EXIT_PROTOCOL, "too big" },
		{ NBD_REP_ERR_EXT_HEADER_REQD, EXIT_MODULE, "extended headers" },
		{ 0x80001234, EXIT_PROTOCOL, "0x80001234" },
	};
	static const uint32_t options[] = { STRUCTURED, GO, NBD_OPT_ABORT };
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(table); i++) {
		script_init(script);
		say_start();
		script_reply(script, GO, table[i].type, "a\033b", 3);
		attach_badly(&plain, table[i].code, table[i].says);
		/* The server's words, harmless */
		assert_non_null(strstr(failure.cause, "a\\x1bb"));
		/* and a soft disconnect */
		check_options(options, 3);
	}
}

static void test_structured_refused(void **state)
{
	static const uint32_t options[] = { STRUCTURED, GO };
	static const uint32_t types[] = {
		NBD_REP_ERR_UNSUP, NBD_REP_ERR_POLICY, NBD_REP_ERR_INVALID, 0x80ffffff,
	};
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(types); i++) {
		script_init(script);
		script_greeting(script, FIXED | NO_ZEROES);
		script_reply(script, STRUCTURED, types[i], "no", 2);
		say_go();
		attach_well(&with_contexts);
		/* No contexts without structured replies */
		check_options(options, 2);
		assert_false(exported.structured);
		export_free(&exported);
	}
}

static void test_final_refusals(void **state)
{
	static const struct { uint32_t type; enum exit_code code; } table[] = {
		{ NBD_REP_ERR_TLS_REQD, EXIT_TLS },
		{ NBD_REP_ERR_SHUTDOWN, EXIT_REACH },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(table); i++) {
		script_init(script);
		script_greeting(script, FIXED);
		script_reply(script, STRUCTURED, table[i].type, "", 0);
		attach_badly(&plain, table[i].code, "");
		script_init(script);
		say_start();
		script_reply(script, SET, table[i].type, "", 0);
		attach_badly(&with_contexts, table[i].code, "");
	}
}

static void test_greetings(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		enum exit_code code;
		const char *says;
	} table[] = {
		{ "", 0, EXIT_REACH, "closed the connection" },
		{ "NBDMAG", 6, EXIT_REACH, "closed the connection" },
		{ "HTTP/1.1 400 Bad Request\r\n", 26, EXIT_PROTOCOL, "not an NBD server" },
		{ "NBDMAGICIHAVEOPX\0\3", 18, EXIT_PROTOCOL, "unknown style" },
		{ "NBDMAGICIHAVEOPT\0", 17, EXIT_REACH, "closed the connection" },
		{ "NBDMAGIC\0\0\x42\x02\x81\x86\x12\x53", 16, EXIT_PROTOCOL, "oldstyle" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(table); i++) {
		script_init(script);
		script_raw(script, table[i].bytes, table[i].n);
		attach_badly(&plain, table[i].code, table[i].says);
		/* Such a peer is sent nothing at all. */
		assert_int_equal(script->out_length, 0);
	}
}

static void test_time_runs_out(void **state)
{
	(void)state;
	script->end = -ETIMEDOUT;
	attach_badly(&plain, EXIT_TIMEOUT, "took too long");
	say_start();
	attach_badly(&plain, EXIT_TIMEOUT, "GO: the server took too long");
}

static void test_reply_headers(void **state)
{
	static const uint32_t options[] = { STRUCTURED };

	(void)state;
	script_greeting(script, FIXED);
	script_u64(script, NBD_OPTION_REPLY_MAGIC + 1);
	script_raw(script, "\0\0\0\10\0\0\0\1\0\0\0\0", 12);
	attach_badly(&plain, EXIT_PROTOCOL, "magic");
	/* A violation ends in a hard disconnect: no ABORT. */
	check_options(options, 1);
	script_init(script);
	script_greeting(script, FIXED);
	script_ack(script, GO);
	attach_badly(&plain, EXIT_PROTOCOL, "for option 7");
	script_init(script);
	script_greeting(script, FIXED);
	script_reply(script, STRUCTURED, NBD_REP_ACK, "x", 1);
	attach_badly(&plain, EXIT_PROTOCOL, "ACK with 1 bytes");
	script_init(script);
	script_greeting(script, FIXED);
	script_reply(script, STRUCTURED, 99, "", 0);
	attach_badly(&plain, EXIT_PROTOCOL, "reply type 99");
	script_init(script);
	say_start();
	script_reply(script, GO, 5, "", 0);
	attach_badly(&plain, EXIT_PROTOCOL, "reply type 5");
}

static void test_reply_lengths(void **state)
{
	static const uint32_t lengths[] = { NBD_OPTION_REPLY_MAX + 1, 0x7fffffff, 0xffffffff };
	static const uint32_t types[] = { NBD_REP_ACK, NBD_REP_INFO, NBD_REP_ERR_POLICY };
	size_t i, j;

	(void)state;
	for (i = 0; i < N_ELEMENTS(lengths); i++)
		for (j = 0; j < N_ELEMENTS(types); j++) {
			script_init(script);
			say_start();
			script_u64(script, NBD_OPTION_REPLY_MAGIC);
			script_u32(script, GO);
			script_u32(script, types[j]);
			script_u32(script, lengths[i]);
			attach_badly(&plain, EXIT_PROTOCOL, "bytes long");
		}
}

/* However a good handshake is cut off, it fails and leaves nothing. */
static void test_cut_anywhere(void **state)
{
	size_t length;

	(void)state;
	say_start();
	script_context(script, SET, 1, "base:allocation");
	script_ack(script, SET);
	script_info_block(script, GO, 1, 4096, 33554432);
	say_go();
	for (length = script->in_length; length-- > 0;) {
		script->in_length = length;
		script->at = 0;
		script->out_length = 0;
		assert_int_equal(handshake_attach(&script->transport, &with_contexts, &exported,
						  &failure), -1);
		assert_int_equal(failure.code, EXIT_REACH);
		assert_int_equal(exported.n_contexts, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(order),
		TEST(driver_without_structured),
		TEST(client_flags),
		TEST(no_zeroes_not_offered),
		TEST(not_fixed),
		TEST(not_fixed_no_zeroes),
		TEST(go_unsup),
		TEST(go_unsup_zeroes),
		TEST(export_name_hang_up),
		TEST(export_name_short),
		TEST(go_refused),
		TEST(structured_refused),
		TEST(final_refusals),
		TEST(greetings),
		TEST(time_runs_out),
		TEST(reply_headers),
		TEST(reply_lengths),
		TEST(cut_anywhere),
	};

	return cmocka_run_group_tests_name("helper_handshake", tests, NULL, NULL);
}
