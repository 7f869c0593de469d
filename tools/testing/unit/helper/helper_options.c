// SPDX-License-Identifier: GPL-2.0-only
/* The option tables against --help, the manual pages, the completion and the parser. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

#include "base/error.h"
#include "kernel/kernel.h"
#include "verbs/attach-args.h"
#include "verbs/metrics.h"
#include "verbs/opts.h"
#include "verbs/verbs.h"

/* Room for the options of a verb, written "-x --long" and sorted */
#define LIST_ROOM	4096

static const struct verb *const verbs[] = {
	&attach_verb, &detach_verb, &map_verb, &list_verb, &info_verb, &client_verb,
	&generator_verb,
};

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorts the words of @list. */
static void sort(char *list)
{
	char *copy = strdup(list), *words[200], *word, *rest = copy;
	size_t n = 0, i;

	while ((word = strsep(&rest, "\n ")))
		if (*word && n < N_ELEMENTS(words))
			words[n++] = word;
	qsort(words, n, sizeof(words[0]), compare);
	*list = '\0';
	for (i = 0; i < n; i++) {
		strcat(list, words[i]);
		strcat(list, " ");
	}
	free(copy);
}

static void add_table(char *list, const struct opt *opts)
{
	for (; opts->id; opts++) {
		if (opts->id < 256)
			sprintf(list + strlen(list), "-%c ", opts->id);
		sprintf(list + strlen(list), "--%s ", opts->name);
	}
}

static void wanted(const struct verb *verb, char *list)
{
	*list = '\0';
	add_table(list, verb->opts);
	add_table(list, opts_common);
	sort(list);
}

/* Adds each option in @line, a letter or a long name, to @list. */
static void add_options(char *list, const char *line)
{
	const char *at = line;
	size_t n;

	while ((at = strchr(at, '-'))) {
		n = strspn(at, "-");
		n += strspn(at + n, n == 2 ? "abcdefghijklmnopqrstuvwxyz-" :
			    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
		if (n > 1)
			sprintf(list + strlen(list), "%.*s ", (int)n, at);
		at += n;
	}
}

/* In the pages an option stands on the line behind .TP. */
static void of_page(const struct verb *verb, char *list)
{
	char line[512], path[300];
	int heading = 0;
	FILE *page;
	char *from, *to;

	snprintf(path, sizeof(path), "%s/Documentation/man/%s.8", TOP, verb->name);
	page = fopen(path, "re");
	assert_non_null(page);
	*list = '\0';
	while (fgets(line, sizeof(line), page)) {
		for (from = to = line; *from; from++)
			if (*from != '\\')
				*to++ = *from;
		*to = '\0';
		if (heading && !strncmp(line, ".BR -", 5))
			add_options(list, line);
		heading = !strcmp(line, ".TP\n");
	}
	fclose(page);
	sort(list);
}

static void of_command(const char *command, char *list, int only_options)
{
	char line[512];
	FILE *pipe = popen(command, "r");

	assert_non_null(pipe);
	*list = '\0';
	while (fgets(line, sizeof(line), pipe)) {
		if (!only_options) {
			strcat(list, line);
		} else if (!strncmp(line, "  -", 3) || !strncmp(line, "      --", 8)) {
			/* Behind the names comes the help, which may have dashes. */
			line[29] = '\0';
			add_options(list, line);
		}
	}
	assert_int_equal(pclose(pipe), 0);
	sort(list);
}

static void test_pages(void **state)
{
	char want[LIST_ROOM], have[LIST_ROOM];
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(verbs); i++) {
		wanted(verbs[i], want);
		of_page(verbs[i], have);
		assert_string_equal(have, want);
	}
}

static void test_completion(void **state)
{
	char want[LIST_ROOM], have[LIST_ROOM], command[400];
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(verbs); i++) {
		wanted(verbs[i], want);
		snprintf(command, sizeof(command),
			 "bash -c '. %s/helper/completion/nbd-attach.bash; _nbd_options %s'", TOP,
			 verbs[i]->name);
		of_command(command, have, 0);
		assert_string_equal(have, want);
	}
}

/*
 * Options with an argument are the ones that completion has an answer for. An optional one does not
 * follow as a word.
 */
static void test_completion_arguments(void **state)
{
	static const char script[] =
		"bash -c '. %s/helper/completion/nbd-attach.bash; compopt() { :; }; %s %s --%s'";
	char command[400];
	const struct opt *opt;
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(verbs); i++)
		for (opt = verbs[i]->opts; opt->id; opt++) {
			snprintf(command, sizeof(command), script, TOP, "cur=; _nbd_argument",
				 verbs[i]->name, opt->name);
			if (!system(command) != (opt->argument && *opt->argument != '['))
				fail_msg("%s --%s", verbs[i]->name, opt->name);
		}
}

/* Those of other shells take their options from --help. */
static void completes(const char *shell)
{
	char want[LIST_ROOM], have[LIST_ROOM], command[400];
	const char *tools = getenv("TOOLS") ?: TOP "/helper/build";
	size_t i;

	snprintf(command, sizeof(command), "command -v %s >/dev/null", shell);
	if (system(command))
		skip_as("%s is not installed", shell);
	for (i = 0; i < N_ELEMENTS(verbs); i++) {
		/* which is not called by hand */
		if (verbs[i] == &generator_verb)
			continue;
		wanted(verbs[i], want);
		snprintf(command, sizeof(command),
			 "PATH=%s:%s/client:$PATH %s/tools/testing/unit/helper/completion %s %s",
			 tools, tools, TOP, shell, verbs[i]->name);
		of_command(command, have, 0);
		assert_string_equal(have, want);
	}
}

static void test_zsh(void **state)
{
	(void)state;
	completes("zsh");
}

static void test_fish(void **state)
{
	(void)state;
	completes("fish");
}

static void test_help(void **state)
{
	char want[LIST_ROOM], have[LIST_ROOM], command[400];
	const char *tools = getenv("TOOLS") ?: TOP "/helper/build";
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(verbs); i++) {
		wanted(verbs[i], want);
		snprintf(command, sizeof(command), "PATH=%s:%s/client:$PATH %s --help", tools,
			 tools, verbs[i]->name);
		of_command(command, have, 1);
		assert_string_equal(have, want);
	}
}

/* Each line of usage is one, and only those. */
static void test_usage(void **state)
{
	size_t i, n;

	(void)state;
	for (i = 0; i < N_ELEMENTS(verbs); i++) {
		for (n = 0; n < N_ELEMENTS(verbs[i]->synopsis) && verbs[i]->synopsis[n]; n++)
			assert_ptr_not_equal(verbs[i]->synopsis[n], verbs[i]->summary);
		if (n == N_ELEMENTS(verbs[i]->synopsis))
			fail_msg("%s has no end of its synopsis", verbs[i]->name);
	}
}

/* Columns of nbd-list are the same in its page, in --help and in the completion. */
static void test_columns(void **state)
{
	static const char page[] =
		"sed -n '/^.SH COL/,/^.SH METR/{/^[.]TP/{n;s/^[.]BR* //;s/[\\,\"]//g;p}}' %s";
	static const char completion[] =
		"bash -c '. %s/helper/completion/nbd-attach.bash; echo $_nbd_columns'";
	static const char help[] =
		"PATH=%s:$PATH nbd-list --help | sed -n '/^Col/,/^$/s/^  \\([^ ]*\\)  .*/\\1/p'";
	char want[LIST_ROOM], have[LIST_ROOM], command[600];
	char *argv[4] = { "nbd-list", "--output", "none", NULL };
	struct error err;

	(void)state;
	optind = 0;
	assert_int_equal(list_verb.run(&list_verb, 3, argv, &err), -1);
	assert_int_equal(err.code, EXIT_USAGE);
	strcpy(want, err.hint);
	sort(want);
	snprintf(command, sizeof(command), page, TOP "/Documentation/man/nbd-list.8");
	of_command(command, have, 0);
	assert_string_equal(have, want);
	snprintf(command, sizeof(command), completion, TOP);
	of_command(command, have, 0);
	assert_string_equal(have, want);
	snprintf(command, sizeof(command), help, getenv("TOOLS") ?: TOP "/helper/build");
	of_command(command, have, 0);
	assert_string_equal(have, want);
}

/* Metrics of nbd-list are those of its page. */
static void test_metrics(void **state)
{
	static const char page[] = "sed -n '/^.SH METRICS/,/^.SH EXIT/{/^[.]TP/{n;"
		"s/^[.]BR* //;s/[\\,\"]//g;p}}' " TOP "/Documentation/man/nbd-list.8";
	static struct kernel_device device = { .n_slots = 1 };
	char want[LIST_ROOM], have[LIST_ROOM], *line, *at = have, *text = NULL, *rest;
	struct metrics metrics;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	(void)state;
	assert_int_equal(metrics_init(&metrics), 0);
	metrics_add(&metrics, &device);
	assert_int_equal(metrics_print(&metrics, out), 0);
	metrics_free(&metrics);
	fclose(out);
	*have = '\0';
	for (rest = text; (line = strsep(&rest, "\n"));)
		if (!strncmp(line, "# HELP ", 7))
			at += sprintf(at, "%.*s ", (int)strcspn(line + 7, " "), line + 7);
	free(text);
	sort(have);
	of_command(page, want, 0);
	assert_string_equal(have, want);
}

/* Letters and long names are unique, and there is room for all in the tables. */
static void test_unique(void **state)
{
	const struct opt *all[2 * OPTS_MAX], *opt;
	size_t i, j, k, n;

	(void)state;
	for (i = 0; i < N_ELEMENTS(verbs); i++) {
		n = 0;
		for (opt = verbs[i]->opts; opt->id; opt++)
			all[n++] = opt;
		for (opt = opts_common; opt->id; opt++)
			all[n++] = opt;
		assert_true(n <= OPTS_MAX);
		for (j = 0; j < n; j++)
			for (k = 0; k < j; k++) {
				assert_int_not_equal(all[j]->id, all[k]->id);
				assert_string_not_equal(all[j]->name, all[k]->name);
			}
	}
}

static int attach(struct attach_args *args, struct error *err, const char *line)
{
	char *copy = strdup(line), *argv[32] = { "nbd-attach" }, *rest = copy;
	int argc = 1, rc;

	/* Words are separated by tabs, as contexts may hold spaces. */
	while ((argv[argc] = strsep(&rest, "\t")))
		argc++;
	optind = 0;
	memset(err, 0, sizeof(*err));
	rc = attach_parse(&attach_verb, argc, argv, args, err);
	if (!rc) {
		/* What points into the line is looked at while it is there. */
		assert_true(args->n_contexts <= EXPORT_MAX_CONTEXTS);
		if (args->own_contexts)
			assert_string_equal(args->contexts[0], "qemu:dirty-bitmap:a b:c");
	}
	free(copy);
	return rc;
}

static void test_attach(void **state)
{
	struct attach_args *args = malloc(sizeof(*args));
	struct error err;

	(void)state;
	assert_int_equal(attach(args, &err, "h"), 0);
	assert_int_equal(args->connections, 0);
	assert_int_equal(args->n_contexts, 1);
	assert_string_equal(args->contexts[0], "base:allocation");
	assert_int_equal(args->connect_timeout, 30000);
	assert_int_equal(args->request_timeout, 0);
	assert_int_equal(args->dead_time, 120000);
	assert_int_equal(args->peer_timeout, 30000);
	assert_int_equal(args->keep, ATTACH_KEEP_BACKGROUND);
	assert_int_equal(args->task, ATTACH_TASK_ATTACH);
	assert_int_equal(attach(args, &err, "--no-contexts\th"), 0);
	assert_int_equal(args->n_contexts, 0);
	/* Named ones take the place of the default; each counts once. */
	assert_int_equal(attach(args, &err, "--context\tqemu:dirty-bitmap:a b:c\t"
				"--context=qemu:dirty-bitmap:a b:c\t--context\tx:y\th"), 0);
	assert_int_equal(args->n_contexts, 2);
	assert_int_equal(attach(args, &err, "-C4\t-t\t1.5\t-T\tforever\t-Q\t7\t-r\th\te\tnbd2"), 0);
	assert_int_equal(args->connections, 4);
	assert_int_equal(args->request_timeout, 1500);
	assert_int_equal(args->dead_time, UINT32_MAX);
	assert_int_equal(args->queue_depth, 7);
	assert_true(args->read_only);
	assert_true(args->has_device);
	assert_int_equal(args->device, 2);
	assert_int_equal(attach(args, &err, "-T\toff\t-C\tauto\th"), 0);
	assert_int_equal(args->dead_time, 0);
	free(args);
}

/* A keeper would not get to know a URI that the driver cannot keep. */
static void test_long_uri(void **state)
{
	struct attach_args *args = malloc(sizeof(*args));
	char line[TARGET_EXPORT_MAX + 20];
	struct error err;

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line, "h\t", 2);
	line[TARGET_EXPORT_MAX - 20] = '\0';
	assert_int_equal(attach(args, &err, line), 0);
	assert_int_equal(args->keep, ATTACH_KEEP_BACKGROUND);
	line[TARGET_EXPORT_MAX - 20] = 'x';
	line[TARGET_EXPORT_MAX + 1] = '\0';
	assert_int_equal(attach(args, &err, line), 0);
	assert_int_equal(args->keep, ATTACH_KEEP_NOT);
	assert_int_equal(args->dead_time, 0);
	memcpy(line, "-F\th\t", 5);
	assert_int_equal(attach(args, &err, line), -1);
	assert_int_equal(err.code, EXIT_USAGE);
	free(args);
}

/* Who reconnects, and how long requests wait for that. */
static void test_keep(void **state)
{
	struct attach_args *args = malloc(sizeof(*args));
	struct error err;

	(void)state;
	assert_int_equal(attach(args, &err, "--no-reconnect\th"), 0);
	assert_int_equal(args->keep, ATTACH_KEEP_NOT);
	assert_int_equal(args->dead_time, 0);
	assert_int_equal(attach(args, &err, "-T\t5\t--no-reconnect\t--peer-timeout\t0\th"), 0);
	assert_int_equal(args->dead_time, 5000);
	assert_int_equal(args->peer_timeout, 0);
	assert_int_equal(attach(args, &err, "-F\th\te\tnbd1"), 0);
	assert_int_equal(args->keep, ATTACH_KEEP_FOREGROUND);
	assert_int_equal(args->dead_time, 120000);
	assert_int_equal(attach(args, &err, "--adopt\tnbd3"), 0);
	assert_int_equal(args->task, ATTACH_TASK_ADOPT);
	assert_false(args->has_target);
	assert_int_equal(args->device, 3);
	assert_int_equal(attach(args, &err, "--adopt\tnbd://h/e\t/dev/nbd4"), 0);
	assert_true(args->has_target);
	assert_string_equal(args->target.export, "e");
	assert_int_equal(args->device, 4);
	assert_false(args->force);
	assert_int_equal(attach(args, &err, "--adopt\t--force\th\te\tnbd4"), 0);
	assert_true(args->force);
	assert_int_equal(attach(args, &err, "--adopt\t-F\t-u\t/s\tnbd5"), 0);
	assert_true(args->has_target);
	assert_int_equal(args->target.kind, TARGET_UNIX);
	assert_int_equal(args->target.path_length, 2);
	/* What is reconnected to must not depend on where we were. */
	assert_int_equal(attach(args, &err, "-u\ts o"), 0);
	assert_int_equal(args->target.path[0], '/');
	assert_string_equal(args->target.path + args->target.path_length - 4, "/s o");
	assert_int_equal(attach(args, &err, "-u\t@s"), 0);
	assert_int_equal(args->target.path_length, 2);
	assert_int_equal(attach(args, &err, "--resize\tnbd6"), 0);
	assert_int_equal(args->task, ATTACH_TASK_RESIZE);
	assert_int_equal(args->device, 6);
	free(args);
}

static void test_attach_refused(void **state)
{
	static const char *const lines[] = {
		"", "-C\t0\th", "-C\t129\th", "-C\tmany\th", "-t\tx\th", "-t\t-1\th",
		"--connect-timeout\t0\th", "-T\tnever\th", "-Q\t0\th", "-Q\tx\th", "-i\t\th",
		"--context\tbase\th", "--context\tbase:\th", "--context\t:x\th", "--context\t\th",
		"--context\ta:\xff\th", "--no-contexts\t--context\tqemu:dirty-bitmap:a b:c\th",
		"--no-contexts\t--require-context\th", "-x\th", "--nosuch\th", "-C", "--json=1\th",
		"--con\t1\th", "-F\t--no-reconnect\th", "--peer-timeout\tx\th",
		"--adopt", "--adopt\th\te", "--adopt\tnbd://h/e", "--adopt\t-r\tnbd1",
		"--adopt\t-C\t2\tnbd1", "--adopt\t--no-reconnect\tnbd1", "--adopt\t--resize\tnbd1",
		"--force\th\te", "--adopt\t--force\tnbd1", "--resize\t--force\tnbd1",
		"--resize", "--resize\th\tnbd1", "--resize\t-F\tnbd1", "--resize\t-J\tnbd1",
	};
	struct attach_args *args = malloc(sizeof(*args));
	struct error err;
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(lines); i++) {
		if (!attach(args, &err, lines[i]))
			fail_msg("\"%s\" is accepted", lines[i]);
		assert_int_equal(err.code, EXIT_USAGE);
	}
	free(args);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_completion),
		cmocka_unit_test(test_completion_arguments),
		cmocka_unit_test(test_zsh),
		cmocka_unit_test(test_fish),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_metrics),
		cmocka_unit_test(test_unique),
		cmocka_unit_test(test_attach),
		cmocka_unit_test(test_keep),
		cmocka_unit_test(test_long_uri),
		cmocka_unit_test(test_attach_refused),
	};

	return cmocka_run_group_tests_name("helper_options", tests, NULL, NULL);
}
