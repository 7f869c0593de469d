/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_BACKOFF_H
#define NBD_HELPER_BACKOFF_H

/*
 * When to try an address again. The first attempt is made at once; each that fails is followed by a
 * pause twice as long as the one before it, and a little more or less, so that the clients of a
 * server do not all come back in the same moment. What worked costs no pause, unless it does not
 * last; what lasted lets the pauses begin anew.
 */

#include <stdint.h>

#define BACKOFF_FIRST_MS	100
/* The longest, and what it becomes by chance at most */
#define BACKOFF_TOP_MS		8000
#define BACKOFF_MAX_MS		(BACKOFF_TOP_MS + BACKOFF_TOP_MS / 4)
/* A server may take a connection and hang up at once; that must not go round without a pause. */
#define BACKOFF_PROVEN_MS	1000

/**
 * struct backoff - all zero at first; times are milliseconds of a clock that never goes back
 * @delay: the last wait, before chance was added
 * @next: when to try again
 * @proven: when the first success after the last failure will have lasted, 0 if there was none
 */
struct backoff {
	unsigned int delay;
	uint64_t next;
	uint64_t proven;
};

/* Milliseconds to wait from @now on, 0 for none. */
unsigned int backoff_left(const struct backoff *backoff, uint64_t now);

/* What became of an attempt; @chance is any number. */
void backoff_worked(struct backoff *backoff, uint64_t now);
void backoff_failed(struct backoff *backoff, uint64_t now, unsigned int chance);
/* It failed in a way that does not mend by itself: on with the longest wait. */
void backoff_hopeless(struct backoff *backoff, uint64_t now, unsigned int chance);

/* What was made at @made is no more: if it did not last, it was none. */
void backoff_lost(struct backoff *backoff, uint64_t made, uint64_t now, unsigned int chance);

#endif
