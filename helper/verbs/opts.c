// SPDX-License-Identifier: GPL-2.0-only
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "verbs/opts.h"

#ifndef HELPER_VERSION
#define HELPER_VERSION "unknown"
#endif

const struct opt opts_common[] = { { 'v', "verbose", NULL, "report progress on stderr" },
				   { 'h', "help", NULL, "show this text and exit" },
				   { 'V', "version", NULL, "show the version and exit" },
				   { 0 } };

struct tables {
	char letters[2 * OPTS_MAX + 2];
	struct option longs[OPTS_MAX + 1];
	unsigned int n;
};

static void opts_add(struct tables *tables, const struct opt *opts)
{
	char *at = tables->letters + strlen(tables->letters);

	for (; opts->id && tables->n < OPTS_MAX; opts++) {
		struct option *option = &tables->longs[tables->n++];

		option->name = opts->name;
		option->has_arg = !opts->argument ? no_argument :
				  *opts->argument == '[' ? optional_argument : required_argument;
		option->val = opts->id;
		if (opts->id > 255)
			continue;
		*at++ = opts->id;
		if (opts->argument)
			*at++ = ':';
	}
}

static void opts_print(const struct opt *opts)
{
	char names[80];

	for (; opts->id; opts++) {
		const char *argument = opts->argument ?: "";
		int letter = opts->id < 256 ? opts->id : ' ';

		snprintf(names, sizeof(names), "%c%c%c --%s%s%s", letter == ' ' ? ' ' : '-', letter,
			 letter == ' ' ? ' ' : ',', opts->name,
			 *argument && *argument != '[' ? " " : "", argument);
		if (strlen(names) > 27)
			printf("  %s\n  %28s %s\n", names, "", opts->help);
		else
			printf("  %-28s %s\n", names, opts->help);
	}
}

static void opts_print_common(const struct verb *verb)
{
	struct opt common[sizeof(opts_common) / sizeof(opts_common[0])];

	memcpy(common, opts_common, sizeof(common));
	if (verb->verbose)
		common[0].help = verb->verbose;
	opts_print(common);
}

static void opts_help(const struct verb *verb)
{
	const char *const *line;

	for (line = verb->synopsis; *line; line++)
		printf("%s %s [OPTION]... %s\n", line == verb->synopsis ? "Usage:" : "      ",
		       verb->name, *line);
	printf("\n%s\n\nOptions:\n", verb->summary);
	opts_print(verb->opts);
	opts_print_common(verb);
	if (verb->help)
		verb->help();
	printf("\nSee %s(8).\n", verb->name);
}

static void __attribute__((noreturn)) opts_exit(void)
{
	struct error err;

	if (!error_output(stdout, &err))
		exit(EXIT_DONE);
	log_error(&err);
	exit(err.code);
}

/*
 * Options of nbd-client, which accepts long ones with one dash, and what replaces them. The last
 * four exist here, too, but with two dashes.
 */
static const struct { const char *name, *instead; } opts_old[] = {
	{ "block-size", "the block size is negotiated with the server" },
	{ "cacertfile", "TLS is not built in yet" },
	{ "certfile", "TLS is not built in yet" },
	{ "check", "\"nbd-list\" and \"nbd-info DEVICE\" show what is attached" },
	{ "disconnect", "\"nbd-detach DEVICE\" detaches a disk" },
	{ "enable-tls", "TLS is not built in yet" },
	{ "keyfile", "TLS is not built in yet" },
	{ "list", "\"nbd-info HOST\" lists the exports of a server" },
	{ "nofork", "\"nbd-attach --foreground\" stays in the foreground" },
	{ "nonetlink", "leave it out: there is one interface only" },
	{ "no-optgo", "leave it out: the handshake finds out what the server can do" },
	{ "persist", "leave it out: reconnecting is the default; see --dead-timeout" },
	{ "preinit", "leave it out: the handshake is always done by nbd-attach" },
	{ "readonly", "\"nbd-attach --read-only\" makes the disk read-only" },
	{ "sdp", "leave it out: SDP is gone from Linux" },
	{ "swap", "leave it out: every disk can be used for swap" },
	{ "systemd-mark", "leave it out: nbd-attach marks its own processes" },
	{ "connections", "write --connections N" },
	{ "name", "write --name EXPORT" },
	{ "timeout", "write --timeout SEC" },
	{ "unix", "write --unix PATH" },
};

/* What replaces the option @word of nbd-client, or NULL. */
static const char *opts_instead(const char *word)
{
	bool one_dash = word[0] == '-' && word[1] != '-';
	const char *name = word + strspn(word, "-");
	size_t i, length = strcspn(name, "=");

	for (i = 0; i < sizeof(opts_old) / sizeof(opts_old[0]); i++)
		if (strlen(opts_old[i].name) == length &&
		    !strncmp(opts_old[i].name, name, length) &&
		    (one_dash || strncmp(opts_old[i].instead, "write ", 6)))
			return opts_old[i].instead;
	return NULL;
}

/* Rejects options of nbd-client with one dash, which getopt would take for short ones. */
static int opts_check_old(int argc, char **argv, struct error *err)
{
	const char *instead;
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		if (argv[i][0] != '-' || argv[i][1] == '-')
			continue;
		instead = opts_instead(argv[i]);
		if (!instead)
			continue;
		error_set(err, EXIT_USAGE, "unknown option %s", argv[i]);
		error_hint(err, "%s; for scripts, see nbd-client(8)", instead);
		return -1;
	}
	return 0;
}

/* True if the error is about a short option: an unknown letter, or no argument after it. */
static bool opts_is_short(const struct tables *tables, const char *word, int got)
{
	unsigned int i;

	if (got == ':')
		return strncmp(word, "--", 2);
	for (i = 0; optopt && i < tables->n; i++)
		if (tables->longs[i].val == optopt)
			return false;
	return optopt;
}

static int opts_bad(const struct verb *verb, const struct tables *tables, int argc, char **argv,
		    int got, struct error *err)
{
	const char *word = optind > 0 && optind <= argc ? argv[optind - 1] : "";
	const char *instead = verb->one_dash ? NULL : opts_instead(word);

	if (opts_is_short(tables, word, got))
		error_set(err, EXIT_USAGE, got == ':' ? "option -%c needs an argument" :
			  "unknown option -%c", optopt);
	else if (got == ':')
		error_set(err, EXIT_USAGE, "option %s needs an argument", word);
	else if (optopt)
		error_set(err, EXIT_USAGE, "option %.*s takes no argument", (int)strcspn(word, "="),
			  word);
	else
		error_set(err, EXIT_USAGE, "unknown or ambiguous option %s", word);
	if (instead && got == '?' && !optopt)
		error_hint(err, "%s", instead);
	else
		error_hint(err, "\"%s --help\" lists the options", verb->name);
	return 0;
}

int opts_next(const struct verb *verb, int argc, char **argv, struct error *err)
{
	struct tables tables = { .letters = ":" };
	int got;

	if (optind <= 1 && !verb->one_dash && opts_check_old(argc, argv, err))
		return 0;
	opts_add(&tables, verb->opts);
	opts_add(&tables, opts_common);
	opterr = 0;
	for (;;) {
		got = (verb->one_dash ? getopt_long_only : getopt_long)(argc, argv, tables.letters,
									tables.longs, NULL);
		switch (got) {
		case 'v':
			log_be_verbose();
			break;
		case 'h':
			opts_help(verb);
			opts_exit();
		case 'V':
			printf("%s %s\n", verb->name, HELPER_VERSION);
			opts_exit();
		case '?':
		case ':':
			return opts_bad(verb, &tables, argc, argv, got, err);
		default:
			return got;
		}
	}
}
