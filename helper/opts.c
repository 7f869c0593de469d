// SPDX-License-Identifier: GPL-2.0-only
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "log.h"
#include "opts.h"

#ifndef HELPER_VERSION
#define HELPER_VERSION "unknown"
#endif

const struct opt opts_common[] = {
	{ 'v', "verbose", NULL, "say on stderr what is done" },
	{ 'h', "help", NULL, "show this text and exit" },
	{ 'V', "version", NULL, "show the version and exit" },
	{ 0 }
};

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
		option->has_arg = opts->argument ? required_argument : no_argument;
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
		int letter = opts->id < 256 ? opts->id : ' ';

		snprintf(names, sizeof(names), "%c%c%c --%s%s%s", letter == ' ' ? ' ' : '-', letter,
			 letter == ' ' ? ' ' : ',', opts->name, opts->argument ? " " : "",
			 opts->argument ? opts->argument : "");
		if (strlen(names) > 27)
			printf("  %s\n  %28s %s\n", names, "", opts->help);
		else
			printf("  %-28s %s\n", names, opts->help);
	}
}

static void opts_help(const struct verb *verb)
{
	const char *const *line;

	for (line = verb->synopsis; *line; line++)
		printf("%s %s [OPTION]... %s\n", line == verb->synopsis ? "Usage:" : "      ",
		       verb->name, *line);
	printf("\n%s\n\nOptions:\n", verb->summary);
	opts_print(verb->opts);
	opts_print(opts_common);
	printf("\nSee %s(8).\n", verb->name);
}

static int opts_bad(const struct verb *verb, int argc, char **argv, int got, struct error *err)
{
	const char *name = optind > 0 && optind <= argc ? argv[optind - 1] : "";

	if (optopt && optopt < 256 && strncmp(name, "--", 2))
		error_set(err, EXIT_USAGE, got == ':' ? "option -%c needs an argument" :
			  "unknown option -%c", optopt);
	else
		error_set(err, EXIT_USAGE, got == ':' ? "option %s needs an argument" :
			  "unknown or ambiguous option, or an argument too many: %s", name);
	error_hint(err, "\"%s --help\" lists the options", verb->name);
	return 0;
}

int opts_next(const struct verb *verb, int argc, char **argv, struct error *err)
{
	struct tables tables = { .letters = ":" };
	int got;

	opts_add(&tables, verb->opts);
	opts_add(&tables, opts_common);
	opterr = 0;
	for (;;) {
		got = getopt_long(argc, argv, tables.letters, tables.longs, NULL);
		switch (got) {
		case 'v':
			log_be_verbose();
			break;
		case 'h':
			opts_help(verb);
			exit(EXIT_DONE);
		case 'V':
			printf("%s %s\n", verb->name, HELPER_VERSION);
			exit(EXIT_DONE);
		case '?':
		case ':':
			return opts_bad(verb, argc, argv, got, err);
		default:
			return got;
		}
	}
}
