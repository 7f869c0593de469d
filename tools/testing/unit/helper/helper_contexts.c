// SPDX-License-Identifier: GPL-2.0-only
/* The contexts that a server selects, or not, or says it does. */
#include <stdio.h>
#include <string.h>

#include "unit.h"

#include "attach.h"

static void test_contexts_missing(void **state)
{
	(void)state;
	say_start();
	script_context(script, SET, 3, two_contexts[1]);
	script_ack(script, SET);
	say_go();
	attach_well(&with_contexts);
	assert_int_equal(exported.n_contexts, 1);
	assert_null(export_find_context(&exported, "base:allocation"));
}

static void test_contexts_none(void **state)
{
	(void)state;
	say_start();
	script_ack(script, SET);
	say_go();
	attach_well(&with_contexts);
	assert_int_equal(exported.n_contexts, 0);
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
	assert_int_equal(exported.n_contexts, 2);
	assert_int_equal(export_find_context(&exported, "x-test:extra")->id, 1);
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
	assert_int_equal(exported.n_contexts, 1);
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
	assert_int_equal(exported.n_contexts, 0);
	assert_true(exported.structured);
}

static void test_contexts_ambiguous(void **state)
{
	(void)state;
	say_start();
	script_context(script, SET, 1, "base:allocation");
	script_context(script, SET, 1, two_contexts[1]);
	attach_badly(&with_contexts, EXIT_PROTOCOL, "not unique");
	script_init(script);
	say_start();
	script_context(script, SET, 1, "base:allocation");
	script_context(script, SET, 2, "base:allocation");
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
	script_context(script, SET, 1, "base:\xff");
	attach_badly(&with_contexts, EXIT_PROTOCOL, "not UTF-8");
	script_init(script);
	say_start();
	script_reply(script, SET, NBD_REP_META_CONTEXT, "\0\0\0\1a:\0b", 8);
	attach_badly(&with_contexts, EXIT_PROTOCOL, "not UTF-8");
	script_init(script);
	say_start();
	memset(name, 'x', sizeof(name));
	name[NBD_STRING_MAX + 1] = '\0';
	script_context(script, SET, 1, name);
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
	script_context(script, SET, 1, name);
	script_ack(script, SET);
	say_go();
	attach_well(&with_contexts);
	assert_string_equal(exported.contexts[0].name, name);
}

static void test_contexts_many(void **state)
{
	char name[16];
	unsigned int i;

	(void)state;
	say_start();
	for (i = 0; i <= EXPORT_MAX_CONTEXTS; i++) {
		snprintf(name, sizeof(name), "x-a:%u", i);
		script_context(script, SET, i, name);
	}
	attach_badly(&with_contexts, EXIT_PROTOCOL, "more than 64 contexts");
}

static void test_contexts_endless(void **state)
{
	(void)state;
	say_start();
	script_repeat(script);
	script_context(script, SET, 1, "base:allocation");
	attach_badly(&with_contexts, EXIT_PROTOCOL, "more than 10000 replies");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	return cmocka_run_group_tests_name("helper_contexts", tests, NULL, NULL);
}
