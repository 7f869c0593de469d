/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * May a request be held back until more have come, and for how long? Counts and times in, a
 * decision out; gather.c asks.
 */
#ifndef NBD_HOLD_H
#define NBD_HOLD_H

#include "pure.h"

/* Most commands held back */
#define NBD_HOLD_MOST		24u

/* Fewer held back when no more came are a miss, unless so many in flight keep the server busy */
#define NBD_HOLD_WORTH		4u
#define NBD_HOLD_BUSY		24u

/*
 * A miss pauses holding back for 32 requests, further ones for up to 256. Then one in 256 is held
 * back for a short time, and one in 2,048 for the usual one, which spares p99 and p99.9.
 */
#define NBD_HOLD_PAUSE		32u
#define NBD_HOLD_DOUBLINGS	3u
#define NBD_HOLD_USUAL		8u

/*
 * How long after the last request, in nanoseconds: usually as long as so many sends, which is what
 * can be saved and tells how fast the host is, within limits
 */
#define NBD_HOLD_SENDS		5u
#define NBD_HOLD_NS_LEAST	30000u
#define NBD_HOLD_NS_MOST	500000u
#define NBD_HOLD_NS_SHORT	10000u

/**
 * struct nbd_hold - what came of holding back; guesses, written without locks
 * @pause: requests that are not held back
 * @misses: in a row
 * @send_ns: average time of a send
 */
struct nbd_hold {
	u32 pause;
	u32 misses;
	u32 send_ns;
};

bool nbd_hold_more(struct nbd_hold *h, u32 queued, u32 inflight);
void nbd_hold_expired(struct nbd_hold *h, u32 queued, u32 inflight);
void nbd_hold_sent(struct nbd_hold *h, u64 ns);
u32 nbd_hold_ns(const struct nbd_hold *h);

/* Only then does nbd_hold_more() look at what is in flight */
static inline bool nbd_hold_paused(const struct nbd_hold *h)
{
	return READ_ONCE(h->pause);
}

#endif /* NBD_HOLD_H */
