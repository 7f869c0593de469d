/* SPDX-License-Identifier: GPL-2.0-only */
/* Gathering requests before they are sent, see gather.c. */
#ifndef NBD_GATHER_H
#define NBD_GATHER_H

#include <linux/hrtimer.h>

#include "hold.h"

/**
 * struct nbd_gather - what is known of the task that submits to a hardware queue. Guesses, written
 *	without locks, but @armed
 * @timer: sends what is held back when no more comes
 * @armed: bit 0: @timer will look at what is held back
 * @task: submitted last; never dereferenced
 * @nvcsw: how often it had slept until then
 * @last: when, in nanoseconds; 0 if it had slept since
 * @nivcsw: how often it had been preempted until then
 * @hold: what came of holding back
 */
struct nbd_gather {
	struct hrtimer timer;
	unsigned long armed;
	const struct task_struct *task;
	unsigned long nvcsw;
	u64 last;
	unsigned long nivcsw;
	struct nbd_hold hold;
};

void nbd_gather_init(struct nbd_gather *g);
void nbd_gather_stop(struct nbd_gather *g);
bool nbd_gather(struct nbd_gather *g, u32 queued);
void nbd_gather_sent(struct nbd_gather *g);

/* session.c; in hard interrupt, too */
u32 nbd_gather_waiting(struct nbd_gather *g);
u32 nbd_gather_under_way(struct nbd_gather *g);
void nbd_gather_over(struct nbd_gather *g);

#endif /* NBD_GATHER_H */
