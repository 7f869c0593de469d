// SPDX-License-Identifier: GPL-2.0-only
/* Which units nbd-attach-generator makes of a table, and from where they are started. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

#include "base/error.h"
#include "verbs/verbs.h"

/* Links that start the unit of a device */
#define DEVICE(n)	"dev-nbd" #n ".device.wants/nbd-attach@nbd" #n ".service "
#define REMOTE(n)	"remote-fs.target.wants/nbd-attach@nbd" #n ".service "

static char work[32];

static void new_work(void)
{
	strcpy(work, "/tmp/generator.XXXXXX");
}

/* Runs the generator with a table of @text. Returns its exit status. */
static int generate(const char *text, struct error *err)
{
	char table[64], dir[64], *argv[7] = {
		"nbd-attach-generator", "--table", table, dir, "/nosuch/early", "/nosuch/late", NULL
	};
	FILE *file;

	new_work();
	assert_non_null(mkdtemp(work));
	snprintf(table, sizeof(table), "%s/table", work);
	snprintf(dir, sizeof(dir), "%s/units", work);
	assert_int_equal(mkdir(dir, 0755), 0);
	file = fopen(table, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	optind = 0;
	memset(err, 0, sizeof(*err));
	return generator_verb.run(&generator_verb, 6, argv, err);
}

/* What was made: "TARGET.wants/UNIT " in order of names */
static void made(char *list, size_t room)
{
	char command[200];
	FILE *pipe;
	size_t n;

	snprintf(command, sizeof(command),
		 "cd %s/units && find . -type l | cut -c3- | sort | tr '\\n' ' '; rm -r %s", work,
		 work);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	n = fread(list, 1, room - 1, pipe);
	list[n] = '\0';
	assert_int_equal(pclose(pipe), 0);
}

static void expect(const char *text, const char *want)
{
	struct error err;
	char list[1000];

	if (generate(text, &err))
		fail_msg("%s", err.cause);
	made(list, sizeof(list));
	assert_string_equal(list, want);
}

static void test_units(void **state)
{
	(void)state;
	expect("", "");
	expect("# nbd0 h e\nsda h e\n", "");
	expect("nbd3 h e\n", DEVICE(3) REMOTE(3));
	/* One of a bad line fails with the reason. */
	expect("nbd1 h\n/dev/nbd2 h e bs=0", DEVICE(1) DEVICE(2) REMOTE(1) REMOTE(2));
}

static void test_noauto(void **state)
{
	(void)state;
	expect("nbd1 h e noauto\nnbd2 h e conns=2,noauto,swap\nnbd3 h e _noauto\n",
	       DEVICE(3) REMOTE(3));
	/* The first line of a device counts. */
	expect("nbd1 h e noauto\nnbd1 h e\n", "");
}

static void test_no_table(void **state)
{
	char *argv[5] = { "nbd-attach-generator", "--table", "/nosuch/table", "/nosuch", NULL };
	struct error err;

	(void)state;
	optind = 0;
	assert_int_equal(generator_verb.run(&generator_verb, 4, argv, &err), 0);
}

static void test_no_directory(void **state)
{
	char *argv[5] = { "nbd-attach-generator", "--table", work, "/nosuch", NULL };
	struct error err;
	FILE *file;

	(void)state;
	new_work();
	file = fdopen(mkstemp(work), "w");
	assert_non_null(file);
	fputs("nbd0 h e\n", file);
	fclose(file);
	optind = 0;
	assert_int_equal(generator_verb.run(&generator_verb, 4, argv, &err), -1);
	assert_int_equal(err.code, EXIT_SYSTEM);
	unlink(work);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_noauto),
		cmocka_unit_test(test_no_table),
		cmocka_unit_test(test_no_directory),
	};

	return cmocka_run_group_tests_name("helper_generator", tests, NULL, NULL);
}
