/* SPDX-License-Identifier: GPL-2.0-only */
/* Gathering requests before they are sent, see gather.c. */
#ifndef NBD_GATHER_H
#define NBD_GATHER_H

#include <linux/hrtimer.h>

/**
 * struct nbd_gather - what is known of who submits to a hardware queue. Guesses, written without
 *	locks, but @armed
 * @timer: waits for more to come
 * @armed: bit 0: @timer will look at what waits
 * @task: who submitted last; never dereferenced
 * @slept: how often it had slept until then
 * @last: when, in nanoseconds; 0 if it had slept since
 * @preempted: how often it had been preempted until then
 * @cost: nanoseconds that it takes to send, on average
 * @skip: submissions that shall not wait
 * @vain: how many times in a row it was in vain that some waited
 */
struct nbd_gather {
	struct hrtimer timer;
	unsigned long armed;
	const struct task_struct *task;
	unsigned long slept;
	u64 last;
	unsigned long preempted;
	u64 cost;
	u32 skip;
	u32 vain;
};

void nbd_gather_init(struct nbd_gather *g);
void nbd_gather_stop(struct nbd_gather *g);
bool nbd_gather(struct nbd_gather *g, u32 waiting);
void nbd_gather_sent(struct nbd_gather *g);

/* session.c; in hard interrupt, too */
u32 nbd_gather_waiting(struct nbd_gather *g);
u32 nbd_gather_under_way(struct nbd_gather *g);
void nbd_gather_over(struct nbd_gather *g);

#endif /* NBD_GATHER_H */
