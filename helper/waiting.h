/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_WAITING_H
#define NBD_HELPER_WAITING_H

/*
 * A wait for something that takes as long as a server likes, and what the user is told of it: on a
 * terminal after a moment, on one line, how long it has been; elsewhere once, after ten seconds.
 */

#include <stdbool.h>
#include <time.h>

/**
 * struct waiting - a wait, of which no other is told at the same time
 * @begin: when it began
 * @said: the user was told
 */
struct waiting {
	time_t begin;
	bool said;
};

struct waiting waiting_begin(void);

/* What is waited for at the moment; to be called about once a second. */
void waiting_say(struct waiting *waiting, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Leaves an empty line on a terminal. */
void waiting_end(const struct waiting *waiting);

#endif
