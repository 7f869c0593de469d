// SPDX-License-Identifier: GPL-2.0-only
/* The decisions of batching: limits, hold time, and pauses after misses. */
#include "hold.h"

static void hold_record(struct nbd_hold *h, bool missed)
{
	u32 misses = READ_ONCE(h->misses);

	WRITE_ONCE(h->misses, missed ? misses + 1 : 0);
	if (missed)
		WRITE_ONCE(h->pause, NBD_HOLD_PAUSE << min_t(u32, misses, NBD_HOLD_DOUBLINGS));
}

/**
 * nbd_hold_more() - decide whether to hold back what was just submitted
 * @h: results of the hardware queue
 * @queued: weight of the commands held back, including the last one
 * @inflight: number of commands in flight; only used if nbd_hold_paused()
 *
 * Return: false if all of them are to be sent.
 */
bool nbd_hold_more(struct nbd_hold *h, u32 queued, u32 inflight)
{
	u32 pause = READ_ONCE(h->pause);

	if (pause && inflight < NBD_HOLD_BUSY) {
		WRITE_ONCE(h->pause, pause - 1);
		return false;
	}
	if (queued <= NBD_HOLD_MOST)
		return true;
	hold_record(h, false);
	return false;
}

/**
 * nbd_hold_expired() - learn from the end of the hold time
 * @h: results of the hardware queue
 * @queued: weight of the commands held back
 * @inflight: number of commands in flight
 *
 * If none is in flight, the server was kept idle, perhaps while the submitter polls for replies.
 */
void nbd_hold_expired(struct nbd_hold *h, u32 queued, u32 inflight)
{
	hold_record(h, inflight < NBD_HOLD_BUSY && (!inflight || queued < NBD_HOLD_WORTH));
}

/**
 * nbd_hold_sent() - learn from the time of a send
 * @h: results of the hardware queue
 * @ns: the time in nanoseconds
 */
void nbd_hold_sent(struct nbd_hold *h, u64 ns)
{
	u32 average = READ_ONCE(h->send_ns);

	WRITE_ONCE(h->send_ns, average - average / 8 + min_t(u64, ns, NBD_HOLD_NS_MOST) / 8);
}

/* Hold time after the last submission, in nanoseconds */
u32 nbd_hold_ns(const struct nbd_hold *h)
{
	u32 misses = READ_ONCE(h->misses), ns = READ_ONCE(h->send_ns) * NBD_HOLD_SENDS;

	if (misses > NBD_HOLD_DOUBLINGS && misses % NBD_HOLD_USUAL)
		return NBD_HOLD_NS_SHORT;
	if (ns < NBD_HOLD_NS_LEAST)
		return NBD_HOLD_NS_LEAST;
	return min_t(u32, ns, NBD_HOLD_NS_MOST);
}
