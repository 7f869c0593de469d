/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_BACKOFF_H
#define NBD_HELPER_BACKOFF_H

/*
 * When to try again. The first attempt is made at once; each further one waits twice as long as the
 * one before it, and a little more or less, so that the clients of a server do not all come back
 * in the same moment. What worked, and went on working for a while, begins anew.
 */

#include <stdint.h>

#define BACKOFF_FIRST_MS	100
#define BACKOFF_MAX_MS		10000
/* A server may take a connection and hang up at once; that must not go round without a pause. */
#define BACKOFF_PROVEN_MS	1000

/**
 * struct backoff - all zero at first; times are milliseconds of a clock that never goes back
 * @delay: the last wait, before chance was added
 * @next: when to try again
 * @proven: when the last success will have lasted, 0 after a failure
 */
struct backoff {
	unsigned int delay;
	uint64_t next;
	uint64_t proven;
};

/* Milliseconds to wait from @now on, 0 for none. */
unsigned int backoff_left(const struct backoff *backoff, uint64_t now);

/* What worked is no more. */
void backoff_lost(struct backoff *backoff, uint64_t now);

/* What became of an attempt; @chance is any number. */
void backoff_worked(struct backoff *backoff, uint64_t now, unsigned int chance);
void backoff_failed(struct backoff *backoff, uint64_t now, unsigned int chance);
/* It failed in a way that does not mend by itself: on with the longest wait. */
void backoff_hopeless(struct backoff *backoff, uint64_t now, unsigned int chance);

#endif
