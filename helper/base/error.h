/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_ERROR_H
#define NBD_HELPER_ERROR_H

#include <stdio.h>

/* Exit statuses, documented in nbd-attach(8) */
enum exit_code {
	EXIT_DONE = 0,		/* done, or true */
	EXIT_FALSE = 1,		/* not attached */
	EXIT_UNKNOWN = 2,	/* cannot tell */
	EXIT_USAGE = 3,
	EXIT_PERMISSION = 4,
	EXIT_MODULE = 5,	/* driver missing, too old, or lacks the feature */
	EXIT_REACH = 6,		/* cannot reach the server */
	EXIT_BUSY = 7,		/* device in use, or attached to the same */
	EXIT_OTHER = 8,		/* attached to something else */
	EXIT_TIMEOUT = 9,
	EXIT_TLS = 10,
	EXIT_EXPORT = 11,	/* export unknown, or refused by the server */
	EXIT_PROTOCOL = 12,
	EXIT_SYSTEM = 13,
};

/**
 * struct error - why something failed; the outermost caller prints it
 * @code: exit status of the program
 * @cause: one line without a full stop; text from outside is escaped
 * @hint: what the user can do, or ""
 *
 * Functions that take one return 0, or -1 with it filled in, unless described otherwise.
 */
struct error {
	enum exit_code code;
	char cause[1024];
	char hint[512];
};

/* Return -1, for "return error_set(...)". error_errno() appends ": " and strerror(@errnum). */
int error_set(struct error *err, enum exit_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int error_errno(struct error *err, enum exit_code code, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

void error_hint(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Flushes @out. Fails if output was lost, for example on a full disk. */
int error_output(FILE *out, struct error *err);

/* Puts "PREFIX: " in front of the cause. */
void error_prefix(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
