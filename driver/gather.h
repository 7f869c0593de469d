/* SPDX-License-Identifier: GPL-2.0-only */
/* Batching of requests: what gather.c keeps for each hardware queue. */
#ifndef NBD_GATHER_H
#define NBD_GATHER_H

#include <linux/hrtimer.h>

#include "hold.h"

/**
 * struct nbd_gather - batching of a hardware queue. Heuristics that are written without locks,
 *	except for @timer and @armed
 * @timer: expires when no further command was submitted for a while
 * @armed: bit 0: @timer is pending or about to be started, and will send what is held back
 * @task: the last submitter; never dereferenced
 * @nvcsw: number of its voluntary context switches at that time
 * @last: time of that submission in nanoseconds, if @task had not slept before it; else 0
 * @nivcsw: number of its involuntary context switches at @last
 * @hold: results of holding back
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

/* Implemented by session.c. Context: any, including hard interrupts. */
u32 nbd_gather_waiting(struct nbd_gather *g);
u32 nbd_gather_under_way(struct nbd_gather *g);
void nbd_gather_over(struct nbd_gather *g);

#endif /* NBD_GATHER_H */
