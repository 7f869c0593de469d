/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Coverage of a READ: which of its bytes have come. It may only succeed if each byte came exactly
 * once, or else stale memory would reach the reader. Kernel-independent. The functions may be
 * called in any context, by one caller at a time.
 */
#ifndef NBD_COVER_H
#define NBD_COVER_H

#include "pure.h"

/* Most runs beyond the first gap that a server may open at a time */
#define NBD_COVER_MAX	4096u

/**
 * struct nbd_run - bytes [start, end) of a request
 * @start: offset of the first byte in the request
 * @end: offset of the byte after the last one
 */
struct nbd_run {
	u32 start;
	u32 end;
};

/**
 * struct nbd_cover - bytes of a request that have come
 * @next: offset of the first byte that is missing; most servers only advance this
 * @nr: number of runs beyond @next
 * @cap: number of entries allocated at @runs
 * @runs: the runs, ascending, with gaps between them; allocated by the caller
 */
struct nbd_cover {
	u32 next;
	u32 nr;
	u32 cap;
	struct nbd_run *runs;
};

int nbd_cover_add(struct nbd_cover *c, u32 start, u32 length);

/* Reset the coverage, keep the memory */
static inline void nbd_cover_reset(struct nbd_cover *c)
{
	c->next = 0;
	c->nr = 0;
}

/* True if each of the first @length bytes has come, and no other */
static inline bool nbd_cover_full(const struct nbd_cover *c, u32 length)
{
	return c->next == length && !c->nr;
}

#endif /* NBD_COVER_H */
