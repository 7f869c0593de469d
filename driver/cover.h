/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which bytes of a read have been answered. A read may only succeed when each
 * byte came exactly once, else stale memory would reach the reader.
 */
#ifndef NBD_COVER_H
#define NBD_COVER_H

#include "pure.h"

/* Most separate runs a server may leave open at a time */
#define NBD_COVER_MAX	4096u

/**
 * struct nbd_run - bytes [start, end) of a request
 * @start: first byte
 * @end: byte after the last
 */
struct nbd_run {
	u32 start;
	u32 end;
};

/**
 * struct nbd_cover - bytes of a request that were answered
 * @next: all bytes before this one were; the usual server only moves this on
 * @nr: runs beyond @next
 * @cap: room at @runs
 * @runs: those runs, ascending, not touching; memory is the caller's
 */
struct nbd_cover {
	u32 next;
	u32 nr;
	u32 cap;
	struct nbd_run *runs;
};

int nbd_cover_add(struct nbd_cover *c, u32 start, u32 length);

/* Forget what was covered, keep the memory */
static inline void nbd_cover_reset(struct nbd_cover *c)
{
	c->next = 0;
	c->nr = 0;
}

/* Was each of @length bytes answered? */
static inline bool nbd_cover_full(const struct nbd_cover *c, u32 length)
{
	return c->next == length && !c->nr;
}

#endif /* NBD_COVER_H */
