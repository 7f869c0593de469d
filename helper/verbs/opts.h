/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_OPTS_H
#define NBD_HELPER_OPTS_H

#include <stdbool.h>

/* Most options of a verb, with those that every verb has. */
#define OPTS_MAX	40

struct error;

/**
 * struct opt - one option; --help, the parser, and the tests of manual page
 * and completion all read this table
 * @id: what opts_next() returns: the short letter, or a number above 255
 * @name: long name
 * @argument: what to call its argument, in brackets if it is optional; NULL if it takes none
 * @help: one line
 */
struct opt {
	int id;
	const char *name;
	const char *argument;
	const char *help;
};

/* Ids of options without a letter */
enum {
	OPT_PORT = 256,
	OPT_VSOCK,
	OPT_CONTEXT,
	OPT_REQUIRE_CONTEXT,
	OPT_NO_CONTEXTS,
	OPT_CONNECT_TIMEOUT,
	OPT_TOTALS,
	OPT_GRAPH,
	OPT_OFFSET,
	OPT_LENGTH,
	OPT_NOHEADINGS,
	OPT_BYTES,
	OPT_NO_RECONNECT,
	OPT_ADOPT,
	OPT_FORCE,
	OPT_RESIZE,
	OPT_PEER_TIMEOUT,
	OPT_TABLE,
	OPT_CHECK_CONFIG,
	OPT_METRICS,
	OPT_MONITOR,
	OPT_WATCH,
	/* on the command line of nbd-client and in nbdtab(5) only */
	OPT_BLOCK_SIZE,
	OPT_CONNECTIONS_AT_MOST,
};

/**
 * struct verb - one name of the program
 * @name: as called
 * @synopsis: lines of arguments, NULL-terminated
 * @summary: one sentence
 * @one_dash: long options may have one dash, as those of nbd-client
 * @opts: ends with an entry of id 0; the options that every verb has are not in it
 * @verbose: what --verbose does, or NULL if it only reports progress
 * @help: prints what --help shows after the options, or NULL
 * @run: gets the arguments like main(); returns the exit status, or -1 with @err filled in
 */
struct verb {
	const char *name;
	const char *synopsis[10];
	const char *summary;
	bool one_dash;
	const struct opt *opts;
	const char *verbose;
	void (*help)(void);
	int (*run)(const struct verb *verb, int argc, char **argv, struct error *err);
};

/* Options of every verb: -v, -h, -V. Ends with an entry of id 0. */
extern const struct opt opts_common[];

/*
 * Parses the next option. Returns its id, with the argument in the global optarg; -1 after the
 * last, with optind at the first operand; 0 with @err filled in. Handles --verbose, --help and
 * --version.
 */
int opts_next(const struct verb *verb, int argc, char **argv, struct error *err);

#endif
