/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The decisions of batching: whether commands are held back, and for how long, based on counts and
 * times that gather.c supplies. Kernel-independent. The functions may be called in any context.
 */
#ifndef NBD_HOLD_H
#define NBD_HOLD_H

#include "pure.h"

/* Most commands held back, by weight, see nbd_send_queued() */
#define NBD_HOLD_MOST		24u

/*
 * When the timer expires, fewer than NBD_HOLD_WORTH held back are a miss, and so is any number with
 * none in flight; but not with NBD_HOLD_BUSY in flight, which keep the server busy.
 */
#define NBD_HOLD_WORTH		4u
#define NBD_HOLD_BUSY		24u

/*
 * A miss pauses holding back for 32 submissions, further misses in a row for up to 256. From then
 * on one submission in 256 is held back for the short time, and one in 2,048 for the usual time,
 * which spares p99 and p99.9. With NBD_HOLD_BUSY in flight a pause has no effect.
 */
#define NBD_HOLD_PAUSE		32u
#define NBD_HOLD_DOUBLINGS	3u
#define NBD_HOLD_USUAL		8u

/*
 * Hold time after the last submission, in nanoseconds: usually the average time of a send, times
 * NBD_HOLD_SENDS, within limits. A send is what can be saved, and shows how fast the host is.
 */
#define NBD_HOLD_SENDS		5u
#define NBD_HOLD_NS_LEAST	30000u
#define NBD_HOLD_NS_MOST	500000u
#define NBD_HOLD_NS_SHORT	10000u

/**
 * struct nbd_hold - results of holding back; heuristics, written without locks
 * @pause: number of submissions that are not to be held back
 * @misses: number of misses in a row
 * @send_ns: moving average of the time of a send, in nanoseconds
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

/* True if nbd_hold_more() needs to know what is in flight */
static inline bool nbd_hold_paused(const struct nbd_hold *h)
{
	return READ_ONCE(h->pause);
}

#endif /* NBD_HOLD_H */
