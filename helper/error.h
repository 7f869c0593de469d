/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_ERROR_H
#define NBD_HELPER_ERROR_H

#include <stdio.h>

/* Exit codes, documented in nbd-attach(8). */
enum exit_code {
	EXIT_DONE = 0,		/* done, or true */
	EXIT_FALSE = 1,		/* not attached */
	EXIT_UNKNOWN = 2,	/* cannot tell */
	EXIT_USAGE = 3,
	EXIT_PERMISSION = 4,
	EXIT_MODULE = 5,	/* driver missing, too old, or lacks the feature */
	EXIT_REACH = 6,		/* cannot reach the server */
	EXIT_BUSY = 7,		/* device in use */
	EXIT_OTHER = 8,		/* attached to something else */
	EXIT_TIMEOUT = 9,
	EXIT_TLS = 10,
	EXIT_EXPORT = 11,	/* export unknown, or refused by the server */
	EXIT_PROTOCOL = 12,
	EXIT_SYSTEM = 13,
};

/**
 * struct error - what went wrong, told once and by the caller at the top
 * @code: what the program exits with
 * @cause: one line, no full stop; text from outside is escaped
 * @hint: what the user can do, or empty
 */
struct error {
	enum exit_code code;
	char cause[1024];
	char hint[512];
};

/* Both return -1, so that a caller can "return error_set(...)". */
int error_set(struct error *err, enum exit_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int error_errno(struct error *err, enum exit_code code, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

void error_hint(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* -1 if what was written to @out got lost, on a full disk say, else 0. */
int error_output(FILE *out, struct error *err);

/* Puts "PREFIX: " in front of the cause. */
void error_prefix(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
