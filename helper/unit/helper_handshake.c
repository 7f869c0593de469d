// SPDX-License-Identifier: GPL-2.0-only
/* The handshake against servers that follow a script, good and hostile. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "../error.h"
#include "../handshake.h"
#include "script.h"

#define FIXED		NBD_FLAG_FIXED_NEWSTYLE
#define NO_ZEROES	NBD_FLAG_NO_ZEROES
#define FLAGS		(NBD_TFLAG_HAS_FLAGS | NBD_TFLAG_SEND_FLUSH)
#define SIZE		1048576
#define STRUCTURED	NBD_OPT_STRUCTURED_REPLY
#define SET		NBD_OPT_SET_META_CONTEXT
#define GO		NBD_OPT_GO

static const char *const two_contexts[] = { "base:allocation", "qemu:dirty-bitmap:b 0:x" };

static const struct handshake_request plain = { .export = "disk", .structured = true };
static const struct handshake_request with_contexts = {
	.export = "disk",
	.structured = true,
	.contexts = two_contexts,
	.n_contexts = 2,
};

static struct script *script;
static struct export export;
static struct error err;

static int setup(void **state)
{
	(void)state;
	script = malloc(sizeof(*script));
	script_init(script);
	memset(&err, 0, sizeof(err));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	export_free(&export);
	free(script);
	return 0;
}

/* Nothing of what follows the handshake may be taken from the stream. */
static void attach_well(const struct handshake_request *request)
{
	size_t length = script->in_length;

	script_raw(script, "transmission", 12);
	if (handshake_attach(&script->transport, request, &export, &err))
		fail_msg("%s", err.cause);
	assert_int_equal(script->at, length);
}

static void attach_badly(const struct handshake_request *request, enum exit_code code,
			 const char *says)
{
	assert_int_equal(handshake_attach(&script->transport, request, &export, &err), -1);
	if (err.code != code || !strstr(err.cause, says))
		fail_msg("%u: %s", err.code, err.cause);
	assert_int_equal(export.n_contexts, 0);
}

static void say_go(void)
{
	script_info_export(script, GO, SIZE, FLAGS);
	script_ack(script, GO);
}

static void say_start(void)
{
	script_greeting(script, FIXED | NO_ZEROES);
	script_ack(script, STRUCTURED);
}

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
	/* Both names in one option, in whole, whatever blanks and colons they hold */
	script_option(script, 1, &data, &length);
	assert_int_equal(length, 4 + 4 + 4 + 4 + 15 + 4 + 23);
	assert_memory_equal(data, "\0\0\0\4disk\0\0\0\2\0\0\0\17base:allocation", 31);
	assert_memory_equal(data + 31, "\0\0\0\27qemu:dirty-bitmap:b 0:x", 27);
	/* The same name, and the block size is asked for */
	script_option(script, 2, &data, &length);
	assert_int_equal(length, 4 + 4 + 2 + 2);
	assert_memory_equal(data, "\0\0\0\4disk\0\1\0\3", length);

	assert_true(export.structured);
	assert_int_equal(export.size, SIZE);
	assert_int_equal(export.flags, FLAGS);
	assert_int_equal(export.minimum, 1);
	assert_int_equal(export.maximum, 33554432);
	assert_int_equal(export.n_contexts, 2);
	assert_int_equal(export_find_context(&export, "base:allocation")->id, 7);
	assert_int_equal(export_find_context(&export, two_contexts[1])->id, 0xfffffffe);
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
	assert_false(export.structured);
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
	assert_int_equal(export.size, SIZE);
	assert_false(export.structured);
	assert_int_equal(export.n_contexts, 0);
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
	assert_true(export.structured);
	assert_int_equal(export.minimum, 1);
	assert_int_equal(export.maximum, 32 << 20);
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
		{ NBD_REP_ERR_INVALID, EXIT_PROTOCOL, "invalid" },
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
		assert_non_null(strstr(err.cause, "a\\x1bb"));
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
		assert_false(export.structured);
		export_free(&export);
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

static void test_contexts_missing(void **state)
{
	(void)state;
	say_start();
	script_context(script, SET, 3, two_contexts[1]);
	script_ack(script, SET);
	say_go();
	attach_well(&with_contexts);
	assert_int_equal(export.n_contexts, 1);
	assert_null(export_find_context(&export, "base:allocation"));
}

static void test_contexts_none(void **state)
{
	(void)state;
	say_start();
	script_ack(script, SET);
	say_go();
	attach_well(&with_contexts);
	assert_int_equal(export.n_contexts, 0);
}

/* They are selected on this connection, so the driver has to know them. */
static void test_contexts_extra(void **state)
{
	(void)state;
	say_start();
	script_context(script, SET, 1, "x-test:extra");
	script_context(script, SET, 2, "base:allocation");
	script_ack(script, SET);
	say_go();
	attach_well(&with_contexts);
	assert_int_equal(export.n_contexts, 2);
	assert_int_equal(export_find_context(&export, "x-test:extra")->id, 1);
}

static void test_contexts_repeated(void **state)
{
	(void)state;
	say_start();
	script_context(script, SET, 1, "base:allocation");
	script_context(script, SET, 1, "base:allocation");
	script_ack(script, SET);
	say_go();
	attach_well(&with_contexts);
	assert_int_equal(export.n_contexts, 1);
}

/* What came before the error is void. */
static void test_contexts_then_error(void **state)
{
	(void)state;
	say_start();
	script_context(script, SET, 1, "base:allocation");
	script_reply(script, SET, NBD_REP_ERR_TOO_BIG, "", 0);
	say_go();
	attach_well(&with_contexts);
	assert_int_equal(export.n_contexts, 0);
	assert_true(export.structured);
}

static void say_one_context(uint32_t id, const char *name)
{
	script_context(script, SET, id, name);
}

static void test_contexts_ambiguous(void **state)
{
	(void)state;
	say_start();
	say_one_context(1, "base:allocation");
	say_one_context(1, two_contexts[1]);
	attach_badly(&with_contexts, EXIT_PROTOCOL, "not unique");
	script_init(script);
	say_start();
	say_one_context(1, "base:allocation");
	say_one_context(2, "base:allocation");
	attach_badly(&with_contexts, EXIT_PROTOCOL, "not unique");
}

static void test_contexts_malformed(void **state)
{
	char name[NBD_STRING_MAX + 2];

	(void)state;
	say_start();
	script_reply(script, SET, NBD_REP_META_CONTEXT, "\0\0\0", 3);
	attach_badly(&with_contexts, EXIT_PROTOCOL, "3 bytes");
	script_init(script);
	say_start();
	script_reply(script, SET, NBD_REP_META_CONTEXT, "\0\0\0\1", 4);
	attach_badly(&with_contexts, EXIT_PROTOCOL, "4 bytes");
	script_init(script);
	say_start();
	say_one_context(1, "base:\xff");
	attach_badly(&with_contexts, EXIT_PROTOCOL, "not UTF-8");
	script_init(script);
	say_start();
	script_reply(script, SET, NBD_REP_META_CONTEXT, "\0\0\0\1a:\0b", 8);
	attach_badly(&with_contexts, EXIT_PROTOCOL, "not UTF-8");
	script_init(script);
	say_start();
	memset(name, 'x', sizeof(name));
	name[NBD_STRING_MAX + 1] = '\0';
	say_one_context(1, name);
	attach_badly(&with_contexts, EXIT_PROTOCOL, "4101 bytes");
	script_init(script);
	say_start();
	script_info_export(script, SET, SIZE, FLAGS);
	attach_badly(&with_contexts, EXIT_PROTOCOL, "reply type 3");
}

static void test_contexts_longest(void **state)
{
	char name[NBD_STRING_MAX + 1];

	(void)state;
	memset(name, 'x', sizeof(name));
	name[1] = ':';
	name[NBD_STRING_MAX] = '\0';
	say_start();
	say_one_context(1, name);
	script_ack(script, SET);
	say_go();
	attach_well(&with_contexts);
	assert_string_equal(export.contexts[0].name, name);
}

static void test_contexts_many(void **state)
{
	char name[16];
	unsigned int i;

	(void)state;
	say_start();
	for (i = 0; i <= EXPORT_MAX_CONTEXTS; i++) {
		snprintf(name, sizeof(name), "x-a:%u", i);
		say_one_context(i, name);
	}
	attach_badly(&with_contexts, EXIT_PROTOCOL, "more than 64 contexts");
}

static void test_contexts_endless(void **state)
{
	(void)state;
	say_start();
	script_repeat(script);
	say_one_context(1, "base:allocation");
	attach_badly(&with_contexts, EXIT_PROTOCOL, "more than 10000 replies");
}

static void test_info_endless(void **state)
{
	(void)state;
	say_start();
	script_repeat(script);
	script_info_export(script, GO, SIZE, FLAGS);
	attach_badly(&plain, EXIT_PROTOCOL, "more than 10000 replies");
}

static void test_greetings(void **state)
{
	static const struct { const char *bytes; size_t n; enum exit_code code; const char *says; }
	table[] = {
		{ "", 0, EXIT_REACH, "closed the connection" },
		{ "NBDMAG", 6, EXIT_REACH, "closed the connection" },
		{ "HTTP/1.1 400 Bad Request\r\n", 26, EXIT_PROTOCOL, "no NBD server" },
		{ "NBDMAGICIHAVEOPX\0\3", 18, EXIT_PROTOCOL, "unknown style" },
		{ "NBDMAGICIHAVEOPT\0", 17, EXIT_REACH, "closed the connection" },
		{ "NBDMAGIC\0\0\x42\x02\x81\x86\x12\x53", 16, EXIT_PROTOCOL, "old style" },
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
	assert_string_equal(export.canonical, "canonical");
	assert_string_equal(export.description, "text\\xff");
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
	export_free(&export);
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
	script_info_export(script, GO, SIZE, NBD_TFLAG_SEND_FLUSH);
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
	assert_int_equal(export.flags, 0xe201 | FLAGS);
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
		assert_int_equal(export.minimum, table[i].min);
		assert_int_equal(export.preferred, table[i].pref);
		assert_int_equal(export.maximum, table[i].max);
		assert_true(export.has_block_size);
	}
}

/* However a good handshake is cut off, it fails and leaves nothing. */
static void test_cut_anywhere(void **state)
{
	size_t length;

	(void)state;
	say_start();
	say_one_context(1, "base:allocation");
	script_ack(script, SET);
	script_info_block(script, GO, 1, 4096, 33554432);
	say_go();
	for (length = script->in_length; length-- > 0;) {
		script->in_length = length;
		script->at = 0;
		script->out_length = 0;
		assert_int_equal(handshake_attach(&script->transport, &with_contexts, &export,
						  &err), -1);
		assert_int_equal(err.code, EXIT_REACH);
		assert_int_equal(export.n_contexts, 0);
	}
}

#define TEST(name)	cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

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
		TEST(contexts_missing),
		TEST(contexts_none),
		TEST(contexts_extra),
		TEST(contexts_repeated),
		TEST(contexts_then_error),
		TEST(contexts_ambiguous),
		TEST(contexts_malformed),
		TEST(contexts_longest),
		TEST(contexts_many),
		TEST(contexts_endless),
		TEST(info_endless),
		TEST(greetings),
		TEST(time_runs_out),
		TEST(reply_headers),
		TEST(reply_lengths),
		TEST(info_malformed),
		TEST(info_string_too_long),
		TEST(info_unknown),
		TEST(info_missing),
		TEST(info_twice),
		TEST(has_flags),
		TEST(unknown_flags),
		TEST(block_sizes),
		TEST(cut_anywhere),
	};

	return cmocka_run_group_tests_name("helper_handshake", tests, NULL, NULL);
}
