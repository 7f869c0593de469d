/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_BACKOFF_H
#define NBD_HELPER_BACKOFF_H

/*
 * When to try an address again. The first attempt is made at once. Each failure is followed by a
 * pause twice as long as the one before, up to a limit and varied at random, so that the clients of
 * a server do not all return at the same moment. A success causes no pause, unless it does not
 * last; one that lasted resets the pauses.
 */

#include <stdint.h>

#define BACKOFF_FIRST_MS	100
/* Longest pause, before and after the random variation */
#define BACKOFF_TOP_MS		8000
#define BACKOFF_MAX_MS		(BACKOFF_TOP_MS + BACKOFF_TOP_MS / 4)
/* How long a success has to last: a server may accept connections and disconnect at once. */
#define BACKOFF_PROVEN_MS	1000

/**
 * struct backoff - state of one address; all zero at first
 * @delay: last pause in milliseconds, before the random variation
 * @next: when to try again; all times are milliseconds of a monotonic clock
 * @proven: when the first success since the last failure will have lasted, 0 if there was none
 */
struct backoff {
	unsigned int delay;
	uint64_t next;
	uint64_t proven;
};

/* Milliseconds to wait at time @now, 0 for none. */
unsigned int backoff_left(const struct backoff *backoff, uint64_t now);

/* The result of an attempt; @chance is a random number. */
void backoff_worked(struct backoff *backoff, uint64_t now);
void backoff_failed(struct backoff *backoff, uint64_t now, unsigned int chance);
/* Failed in a way that does not go away by itself: the next pause is the longest. */
void backoff_hopeless(struct backoff *backoff, uint64_t now, unsigned int chance);

/* The connection made at time @made is lost; if it did not last, it counts as a failure. */
void backoff_lost(struct backoff *backoff, uint64_t made, uint64_t now, unsigned int chance);

#endif
