// SPDX-License-Identifier: GPL-2.0-only
/* nbdtab(5): which line is used, what its fields mean, and what the command line changes. */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

#include "base/error.h"
#include "base/log.h"
#include "verbs/attach-args.h"
#include "verbs/nbdtab.h"
#include "verbs/verbs.h"

static char warnings[4096];

static void keep_warning(enum log_level level, const char *text)
{
	if (level == LOG_LEVEL_WARNING) {
		strcat(warnings, text);
		strcat(warnings, "\n");
	}
}

/**
 * struct found - what a table has for nbd1
 * @line: 0 for nothing, negative for an error in that line
 * @says: the cause of the error
 */
struct found {
	const char *text;
	int line;
	const char *host;
	const char *export;
	const char *options;
	const char *says;
};

static const struct found found[] = {
	{ "", 0, NULL, NULL, NULL, NULL },
	{ "nbd1 h e", 1, "h", "e", NULL, NULL },
	{ "nbd1 h e\n", 1, "h", "e", NULL, NULL },
	{ "/dev/nbd1 h e\r\n", 1, "h", "e", NULL, NULL },
	{ " \t nbd1\t\th   e  persist,swap  \t\n", 1, "h", "e", "persist,swap", NULL },
	{ "# nbd1 h e\n\n#\nnbd10 x x\nnbd01 x x\nnbd1p1 x x\nnbd1 h e # persist\n", 7, "h", "e",
	  NULL, NULL },
	{ "nbd1 h e persist # bs=512", 1, "h", "e", "persist", NULL },
	{ "nbd1 h a#b c#d", 1, "h", "a#b", "c#d", NULL },
	/* The first line counts; lines of other devices may be bad. */
	{ "nbd0\nnbd2 h e o x y z\nnbd1 h e\nnbd1 other e\n", 3, "h", "e", NULL, NULL },
	{ "nbd1 nbd://h/x", 1, "nbd://h/x", NULL, NULL, NULL },
	{ "nbd1 nbd://h/x - timeout=3", 1, "nbd://h/x", NULL, "timeout=3", NULL },
	{ "nbd1 h -", 1, "h", "-", NULL, NULL },
	{ "nbd1 h a,b=c", 1, "h", "a,b=c", NULL, NULL },
	{ "nbd1", -1, NULL, NULL, NULL, "missing host" },
	{ "\nnbd1 # h e", -2, NULL, NULL, NULL, "missing host" },
	{ "nbd1 h\n", -1, NULL, NULL, NULL, "missing export" },
	{ "nbd1 h #e\n", -1, NULL, NULL, NULL, "missing export" },
	{ "nbd1 h e o x", -1, NULL, NULL, NULL, "four fields" },
	{ "nbd1 nbd://h/x x", -1, NULL, NULL, NULL, "must be \"-\"" },
	{ "nbd1 h \xff\n", -1, NULL, NULL, NULL, "not UTF-8" },
};

static void check(const struct found *want, struct nbdtab_entry *entry)
{
	/* Without the NUL, so that ASan sees a read beyond the text */
	size_t length = strlen(want->text);
	char *text = malloc(length);
	struct error err = { 0 };
	int rc;

	memcpy(text, want->text, length);
	rc = nbdtab_find(text, length, 1, entry, &err);
	free(text);
	if (rc != (want->line > 0 ? 1 : want->line < 0 ? -1 : 0))
		fail_msg("\"%s\": %d, %s", want->text, rc, err.cause);
	if (want->line)
		assert_int_equal(entry->line, abs(want->line));
	if (rc < 0 && !strstr(err.cause, want->says))
		fail_msg("\"%s\": %s", want->text, err.cause);
	if (rc <= 0)
		return;
	assert_string_equal(entry->host, want->host);
	assert_string_equal(entry->export ?: "none", want->export ?: "none");
	assert_string_equal(entry->options ?: "none", want->options ?: "none");
}

static void test_lines(void **state)
{
	struct nbdtab_entry *entry = malloc(sizeof(*entry));
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(found); i++)
		check(&found[i], entry);
	free(entry);
}

/* A NUL ends neither a line nor the file. */
static void test_nul(void **state)
{
	static const char before[] = "nbd0\0\nnbd1 h e", inside[] = "nbd1 h e\0 x";
	static const char name[] = "nbd1\0 h e";
	struct nbdtab_entry *entry = malloc(sizeof(*entry));
	struct error err;

	(void)state;
	assert_int_equal(nbdtab_find(before, sizeof(before) - 1, 1, entry, &err), 1);
	assert_int_equal(entry->line, 2);
	assert_int_equal(nbdtab_find(inside, sizeof(inside) - 1, 1, entry, &err), -1);
	assert_int_equal(nbdtab_find(name, sizeof(name) - 1, 1, entry, &err), 0);
	free(entry);
}

static void test_long_line(void **state)
{
	struct nbdtab_entry *entry = malloc(sizeof(*entry));
	char *text = malloc(NBDTAB_LINE_MAX + 20);
	struct error err;

	(void)state;
	memset(text, 'x', NBDTAB_LINE_MAX + 20);
	memcpy(text, "nbd1 h ", 7);
	assert_int_equal(nbdtab_find(text, NBDTAB_LINE_MAX, 1, entry, &err), 1);
	assert_int_equal(strlen(entry->export), NBDTAB_LINE_MAX - 7);
	assert_int_equal(nbdtab_find(text, NBDTAB_LINE_MAX + 1, 1, entry, &err), -1);
	/* That of another device does not matter. */
	text[3] = '0';
	memcpy(text + NBDTAB_LINE_MAX + 10, "\nnbd1 h e ", 10);
	assert_int_equal(nbdtab_find(text, NBDTAB_LINE_MAX + 20, 1, entry, &err), 1);
	assert_int_equal(entry->line, 2);
	free(text);
	free(entry);
}

static void test_options(void **state)
{
	static const char text[] = "nbd1 h e ,a=1,,b,=,c=d=e,";
	struct nbdtab_entry *entry = malloc(sizeof(*entry));
	char got[100] = "", *key, *value;
	struct error err;

	(void)state;
	assert_int_equal(nbdtab_find(text, strlen(text), 1, entry, &err), 1);
	while (nbdtab_next(entry, &key, &value))
		sprintf(got + strlen(got), "[%s:%s]", key, value ?: "none");
	assert_string_equal(got, "[a:1][b:none][:][c:d=e]");
	assert_int_equal(nbdtab_find("nbd1 h e", 8, 1, entry, &err), 1);
	assert_false(nbdtab_next(entry, &key, &value));
	free(entry);
}

/* All lines that are not blank or comments, those that cannot be used, too. */
static void test_all_lines(void **state)
{
	static const char text[] =
		"# c\n\n\t \r\nnbd3 h e\nsda h e\nnbd4 h\n /dev/nbd5 h e # x\n#\nnbd3 x y";
	struct nbdtab_entry *entry = malloc(sizeof(*entry));
	struct nbdtab tab = { text, strlen(text), 0 };
	char got[200] = "";
	struct error err;
	uint32_t index;
	int rc;

	(void)state;
	while ((rc = nbdtab_entry(&tab, &index, entry, &err)))
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "[%u:%d%s]", entry->line,
			 (int)index, rc > 0 ? "" : strstr(err.cause, "export") ?: "?");
	assert_string_equal(got, "[4:3][5:-1?][6:4export][7:5][9:3]");
	assert_string_equal(entry->host, "x");
	assert_int_equal(tab.line, 9);
	free(entry);
}

/* Parses the words of @line as those of nbd-attach, with a table of @text. */
static int attach(struct attach_args *args, struct error *err, const char *text, const char *line)
{
	static char copy[300], path[] = "/tmp/nbdtab.XXXXXX";
	char *argv[32] = { "nbd-attach", "--table", path }, *rest = copy;
	int fd, argc = 3, rc;

	strcpy(path + strlen(path) - 6, "XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	strcpy(copy, line);
	while ((argv[argc] = strsep(&rest, " ")))
		argc++;
	optind = 0;
	*warnings = '\0';
	memset(err, 0, sizeof(*err));
	rc = attach_parse(&attach_verb, argc, argv, args, err);
	unlink(path);
	return rc;
}

static void test_entry(void **state)
{
	struct attach_args *args = malloc(sizeof(*args));
	struct error err;

	(void)state;
	assert_int_equal(attach(args, &err, "nbd1 example.com disk1\n", "nbd1"), 0);
	assert_true(args->has_device);
	assert_int_equal(args->device, 1);
	assert_int_equal(args->target.kind, TARGET_TCP);
	assert_string_equal(args->target.host, "example.com");
	assert_int_equal(args->target.port, 10809);
	assert_string_equal(args->target.export, "disk1");
	assert_int_equal(args->dead_time, 120000);
	assert_int_equal(args->n_contexts, 1);
	assert_int_equal(attach(args, &err, "nbd1 /run/s disk1 unix\n", "/dev/nbd1"), 0);
	assert_int_equal(args->target.kind, TARGET_UNIX);
	assert_string_equal(args->target.path, "/run/s");
	assert_string_equal(args->target.export, "disk1");
	assert_int_equal(attach(args, &err, "nbd1 nbd+vsock://2/e - conns=2\n", "nbd1"), 0);
	assert_int_equal(args->target.kind, TARGET_VSOCK);
	assert_string_equal(args->target.export, "e");
	/* An export may have the name of a device, or of an option. */
	assert_int_equal(attach(args, &err, "nbd1 h nbd2\n", "nbd1"), 0);
	assert_string_equal(args->target.export, "nbd2");
	assert_int_equal(args->device, 1);
	free(args);
}

static void test_keys(void **state)
{
	static const char text[] =
		"nbd1 h e bs=1024,conns=3,timeout=10,dead-timeout=20,port=99,readonly,_x,_y=z\n";
	static const char own[] =
		"nbd1 h e connect-timeout=4,peer-timeout=5,queue-size=6,identifier=a=b";
	static const char contexts[] = "nbd1 h e context=x:y,context=x:z,require-context\n";
	static const char ignored[] = "nbd1 h e persist,swap,no_optgo,noauto\n";
	struct attach_args *args = malloc(sizeof(*args));
	struct error err;

	(void)state;
	assert_int_equal(attach(args, &err, text, "nbd1"), 0);
	assert_string_equal(warnings, "");
	assert_int_equal(args->block_size, 1024);
	assert_int_equal(args->connections, 3);
	assert_true(args->connections_at_most);
	assert_int_equal(args->request_timeout, 10000);
	assert_int_equal(args->dead_time, 20000);
	assert_int_equal(args->target.port, 99);
	assert_true(args->read_only);
	assert_int_equal(attach(args, &err, own, "nbd1"), 0);
	assert_string_equal(warnings, "");
	assert_int_equal(args->connect_timeout, 4000);
	assert_int_equal(args->peer_timeout, 5000);
	assert_int_equal(args->queue_depth, 6);
	assert_string_equal(args->identifier, "a=b");
	assert_int_equal(attach(args, &err, contexts, "nbd1"), 0);
	assert_string_equal(warnings, "");
	assert_int_equal(args->n_contexts, 2);
	assert_string_equal(args->contexts[1], "x:z");
	assert_true(args->require_context);
	assert_int_equal(attach(args, &err, "nbd1 h e no-contexts", "nbd1"), 0);
	assert_int_equal(args->n_contexts, 0);
	assert_int_equal(attach(args, &err, ignored, "nbd1"), 0);
	assert_string_equal(warnings, "");
	assert_int_equal(args->keep, ATTACH_KEEP_BACKGROUND);
	/* The command line has precedence, wherever the device stands. */
	assert_int_equal(attach(args, &err, text, "-C 2 nbd1 -t 0 -T off --port 98 -N f -F"), 0);
	assert_int_equal(args->connections, 2);
	assert_false(args->connections_at_most);
	assert_int_equal(args->request_timeout, 0);
	assert_int_equal(args->dead_time, 0);
	assert_int_equal(args->target.port, 98);
	assert_string_equal(args->target.export, "f");
	assert_int_equal(args->keep, ATTACH_KEEP_FOREGROUND);
	assert_int_equal(attach(args, &err, text, "--context a:b nbd1"), 0);
	assert_int_equal(args->n_contexts, 1);
	free(args);
}

static void test_unknown(void **state)
{
	struct attach_args *args = malloc(sizeof(*args));
	struct error err;

	(void)state;
	assert_int_equal(attach(args, &err, "nbd0 h e x\nnbd1 h e nosuch=1,\033\n", "nbd1"), 0);
	assert_non_null(strstr(warnings, ": line 2: unknown option \"nosuch\"\n"));
	assert_non_null(strstr(warnings, ": line 2: unknown option \"\\x1b\"\n"));
	assert_null(strstr(warnings, "line 1"));
	free(args);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *line, *says;
		enum exit_code code;
	} refused[] = {
		{ "nbd0 h e\n", "nbd1", ": no entry for nbd1", EXIT_USAGE },
		{ "\nnbd1 h\n", "nbd1", ": line 2: missing export", EXIT_USAGE },
		{ "nbd1 h e conns=0", "nbd1", ": line 1: bad number of conn", EXIT_USAGE },
		{ "nbd1 h e bs=1000", "nbd1", "bad block size \"1000\"", EXIT_USAGE },
		{ "nbd1 h e bs=0", "nbd1", "bad block size \"0\"", EXIT_USAGE },
		{ "nbd1 h e timeout=x", "nbd1", ": line 1: bad time \"x\"", EXIT_USAGE },
		{ "nbd1 h e timeout", "nbd1", "\"timeout\" needs a value", EXIT_USAGE },
		{ "nbd1 h e persist=1", "nbd1", "\"persist\" takes no value", EXIT_USAGE },
		{ "nbd1 h e unix=1", "nbd1", "\"unix\" takes no value", EXIT_USAGE },
		{ "nbd1 h e sdp", "nbd1", "SDP", EXIT_USAGE },
		{ "nbd1 h e preinit", "nbd1", "handshake", EXIT_USAGE },
		{ "nbd1 h e tls", "nbd1", ": line 1: TLS is not built in", EXIT_TLS },
		{ "nbd1 h e certfile=/c", "nbd1", "TLS is not built in", EXIT_TLS },
		{ "nbd1 h e priority=NORMAL", "nbd1", "TLS is not built in", EXIT_TLS },
		{ "nbd1 nbds://h/e", "nbd1", "TLS is not built in", EXIT_TLS },
		{ "nbd1 nbd://h/e - unix", "nbd1", "cannot be combined", EXIT_USAGE },
		{ "nbd1 nbd://h/e", "nbd1 -N x", "cannot be combined", EXIT_USAGE },
		/* A host, or an option that names a server: the table is not read. */
		{ "nbd1 h e\n", "nbd01", "--table requires", EXIT_USAGE },
		{ "nbd1 h e\n", "host nbd1", "--table requires", EXIT_USAGE },
		{ "nbd1 h e\n", "-u /s nbd1", "--table requires", EXIT_USAGE },
		{ "nbd1 h e\n", "--vsock 2 nbd1", "--table requires", EXIT_USAGE },
		{ "nbd1 h e\n", "--adopt nbd1", "only for a new disk", EXIT_USAGE },
	};
	struct attach_args *args = malloc(sizeof(*args));
	struct error err;
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(refused); i++) {
		if (!attach(args, &err, refused[i].text, refused[i].line))
			fail_msg("\"%s\" %s is accepted", refused[i].text, refused[i].line);
		if (!strstr(err.cause, refused[i].says))
			fail_msg("\"%s\" %s: %s", refused[i].text, refused[i].line, err.cause);
		assert_int_equal(err.code, refused[i].code);
	}
	free(args);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_all_lines),
		cmocka_unit_test(test_entry),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_refused),
	};

	log_divert(keep_warning);
	return cmocka_run_group_tests_name("helper_nbdtab", tests, NULL, NULL);
}
