// SPDX-License-Identifier: GPL-2.0-only
/* LIST, INFO and LIST_META_CONTEXT, and how a connection is left. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "base/error.h"
#include "negotiate/handshake.h"
#include "script.h"

#define LIST		NBD_OPT_LIST
#define INFO		NBD_OPT_INFO
#define LIST_CONTEXTS	NBD_OPT_LIST_META_CONTEXT
#define FLAGS		NBD_FLAG_HAS_FLAGS

static struct script *script;
static struct handshake *hs;
static struct export export;
static struct error err;
static char seen[256];

static int setup(void **state)
{
	(void)state;
	script = malloc(sizeof(*script));
	hs = malloc(sizeof(*hs));
	script_init(script);
	script_greeting(script, NBD_FLAG_FIXED_NEWSTYLE);
	memset(&err, 0, sizeof(err));
	export_init(&export);
	seen[0] = '\0';
	assert_int_equal(handshake_open(hs, &script->transport, &err), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	export_free(&export);
	free(hs);
	free(script);
	return 0;
}

static int entry(void *context, const char *name, size_t name_length, const char *description,
		 size_t description_length, struct error *e)
{
	char *at = context;

	(void)e;
	at += strlen(at);
	snprintf(at, seen + sizeof(seen) - at, "[%.*s|%.*s]", (int)name_length, name,
		 (int)description_length, description);
	return 0;
}

static int fail_entry(void *context, const char *name, size_t name_length,
		      const char *description, size_t description_length, struct error *e)
{
	(void)context;
	(void)name;
	(void)name_length;
	(void)description;
	(void)description_length;
	return error_set(e, EXIT_SYSTEM, "full");
}

static void test_list(void **state)
{
	(void)state;
	script_server(script, "", "");
	script_server(script, "a b", "some text");
	script_ack(script, LIST);
	assert_int_equal(handshake_list(hs, entry, seen, &err), 0);
	assert_string_equal(seen, "[|][a b|some text]");
	assert_int_equal(script->at, script->in_length);
}

static void test_list_refused(void **state)
{
	(void)state;
	script_reply(script, LIST, NBD_REP_ERR_POLICY, "", 0);
	assert_int_equal(handshake_list(hs, entry, seen, &err), -1);
	assert_int_equal(err.code, EXIT_EXPORT);
	/* Options may continue. */
	assert_int_equal(hs->phase, HANDSHAKE_HAGGLING);
}

static void list_badly(void)
{
	assert_int_equal(handshake_list(hs, entry, seen, &err), -1);
	assert_int_equal(err.code, EXIT_PROTOCOL);
	assert_int_equal(hs->phase, HANDSHAKE_DEAD);
}

static void test_list_malformed(void **state)
{
	static const struct { const char *bytes; uint32_t n; } table[] = {
		{ "", 0 },
		{ "\0\0\0", 3 },
		{ "\0\0\0\1", 4 },
		{ "\0\0\0\5name", 8 },
		{ "\xff\xff\xff\xffname", 8 },
	};
	size_t i;

	for (i = 0; i < N_ELEMENTS(table); i++) {
		script_reply(script, LIST, NBD_REP_SERVER, table[i].bytes, table[i].n);
		list_badly();
		teardown(state);
		setup(state);
	}
	script_reply(script, LIST, NBD_REP_INFO, "\0\0\0\0", 4);
	list_badly();
}

static void test_list_name_too_long(void **state)
{
	char data[4 + NBD_STRING_MAX + 1] = { 0, 0, 0x10, 1 };

	(void)state;
	script_reply(script, LIST, NBD_REP_SERVER, data, sizeof(data));
	list_badly();
}

static void test_list_endless(void **state)
{
	char name[4000];

	(void)state;
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	script_repeat(script);
	script_server(script, name, "");
	list_badly();
	/* Long names end it before their number does. */
	assert_true(hs->chat.replies <= HANDSHAKE_LIST_BYTES_MAX / sizeof(name) + 2);
}

/* Short names end it by their number. */
static void test_list_many(void **state)
{
	(void)state;
	script_repeat(script);
	script_server(script, "", "");
	list_badly();
	assert_int_equal(hs->chat.replies, OPTION_MAX_REPLIES + 2);
}

static void test_list_stopped(void **state)
{
	(void)state;
	script_server(script, "a", "");
	script_ack(script, LIST);
	assert_int_equal(handshake_list(hs, fail_entry, NULL, &err), -1);
	assert_string_equal(err.cause, "full");
}

static void test_info(void **state)
{
	const uint8_t *data;
	uint32_t length;
	bool known;

	(void)state;
	script_reply(script, INFO, NBD_REP_INFO, "\0\2words", 7);
	script_info_block(script, INFO, 512, 4096, 65536);
	script_info_export(script, INFO, 1024, FLAGS);
	script_ack(script, INFO);
	assert_int_equal(handshake_info(hs, "x", &export, &known, &err), 0);
	assert_true(known);
	assert_string_equal(export.description, "words");
	assert_int_equal(export.size, 1024);
	assert_int_equal(script_option(script, 0, &data, &length), INFO);
	/* Three different kinds of information */
	assert_memory_equal(data, "\0\0\0\1x\0\3\0\1\0\2\0\3", 13);
	assert_int_equal(hs->phase, HANDSHAKE_HAGGLING);
}

static void test_info_unknown_export(void **state)
{
	bool known = true;

	(void)state;
	script_reply(script, INFO, NBD_REP_ERR_UNKNOWN, "", 0);
	assert_int_equal(handshake_info(hs, "x", &export, &known, &err), 0);
	assert_false(known);
	assert_int_equal(err.code, EXIT_EXPORT);
}

static void test_list_contexts(void **state)
{
	const struct handshake_request request = { .export = "x" };
	const uint8_t *data;
	uint32_t length;

	(void)state;
	script_ack(script, NBD_OPT_STRUCTURED_REPLY);
	/* Ids mean nothing here. */
	script_context(script, LIST_CONTEXTS, 0, "base:allocation");
	script_context(script, LIST_CONTEXTS, 0, "qemu:dirty-bitmap:");
	script_ack(script, LIST_CONTEXTS);
	assert_int_equal(handshake_structured(hs, &err), 0);
	assert_int_equal(handshake_contexts(hs, LIST_CONTEXTS, &request, &export, &err), 0);
	assert_int_equal(export.n_contexts, 2);
	assert_int_equal(script_option(script, 1, &data, &length), LIST_CONTEXTS);
	assert_int_equal(length, 9);
	assert_memory_equal(data, "\0\0\0\1x\0\0\0\0", 9);
}

static void test_leave_haggling(void **state)
{
	const uint8_t *data;
	uint32_t length;

	(void)state;
	handshake_leave(hs);
	assert_int_equal(script_option(script, 0, &data, &length), NBD_OPT_ABORT);
	assert_int_equal(length, 0);
}

static void test_leave_transmission(void **state)
{
	size_t before;

	(void)state;
	script_info_export(script, NBD_OPT_GO, 1024, FLAGS);
	script_ack(script, NBD_OPT_GO);
	assert_int_equal(handshake_go(hs, "x", &export, &err), 0);
	before = script->out_length;
	handshake_leave(hs);
	assert_int_equal(script->out_length - before, 28);
	assert_memory_equal(script->out + before,
			    "\x25\x60\x95\x13\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 28);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(list),
		TEST(list_refused),
		TEST(list_malformed),
		TEST(list_name_too_long),
		TEST(list_endless),
		TEST(list_many),
		TEST(list_stopped),
		TEST(info),
		TEST(info_unknown_export),
		TEST(list_contexts),
		TEST(leave_haggling),
		TEST(leave_transmission),
	};

	return cmocka_run_group_tests_name("helper_listing", tests, NULL, NULL);
}
