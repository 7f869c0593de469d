/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_WAITING_H
#define NBD_HELPER_WAITING_H

/*
 * Progress of a wait that may take as long as a server likes: on a terminal one line that counts
 * the seconds, elsewhere one message after ten of them.
 */

#include <stdbool.h>
#include <time.h>

/**
 * struct waiting - a wait; a program shows one at a time
 * @begin: when it began, in seconds of CLOCK_MONOTONIC
 * @said: something was printed
 */
struct waiting {
	time_t begin;
	bool said;
};

struct waiting waiting_begin(void);

/* Prints what the wait is for; to be called about once a second. */
void waiting_say(struct waiting *waiting, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Clears the line on a terminal. */
void waiting_end(const struct waiting *waiting);

#endif
