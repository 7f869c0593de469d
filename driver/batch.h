/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Request batching: whether the commands of a hardware queue are held back, and until when. The
 * owner counts them, sends them, and supplies the timer's function.
 */
#ifndef NBD_BATCH_H
#define NBD_BATCH_H

#include <linux/hrtimer.h>

#include "hold.h"

/**
 * struct nbd_batch - request batching of a hardware queue. Heuristics that are written without
 *	locks, except for @timer and @armed
 * @timer: expires when no further command was submitted for a while
 * @armed: bit 0: @timer is pending or about to be started, and will send what is held back
 * @task: the last submitter; never dereferenced
 * @nvcsw: number of its voluntary context switches at that time
 * @last: time of that submission in nanoseconds, if @task had not slept before it; else 0
 * @nivcsw: number of its involuntary context switches at @last
 * @hold: results of holding back
 */
struct nbd_batch {
	struct hrtimer timer;
	unsigned long armed;
	const struct task_struct *task;
	unsigned long nvcsw;
	u64 last;
	unsigned long nivcsw;
	struct nbd_hold hold;
};

void nbd_batch_init(struct nbd_batch *b, enum hrtimer_restart (*expired)(struct hrtimer *timer));
void nbd_batch_stop(struct nbd_batch *b);
bool nbd_batch_hold(struct nbd_batch *b, u32 queued, u32 inflight);
void nbd_batch_account(struct nbd_batch *b);
bool nbd_batch_extend(struct nbd_batch *b);
void nbd_batch_disarm(struct nbd_batch *b);

/* True if nbd_batch_hold() needs to know what is in flight */
static inline bool nbd_batch_is_paused(const struct nbd_batch *b)
{
	return nbd_hold_paused(&b->hold);
}

#endif /* NBD_BATCH_H */
