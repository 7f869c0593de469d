/* SPDX-License-Identifier: GPL-2.0-only */
/* Gathering requests before they are sent, see gather.c. */
#ifndef NBD_GATHER_H
#define NBD_GATHER_H

#include <linux/hrtimer.h>
#include <linux/llist.h>

/**
 * struct nbd_gather - what is known of who submits. Guesses, written without locks, but @armed
 * @submitted: what may wait
 * @timer: waits for more to come
 * @armed: bit 0: @timer will look at @submitted
 * @task: who submitted last; never dereferenced
 * @slept: how often it had slept until then
 * @last: when, in nanoseconds
 * @waiting: submissions that wait
 * @skip: submissions that shall not wait
 * @vain: how many did not, the last time that it was in vain
 */
struct nbd_gather {
	const struct llist_head *submitted;
	struct hrtimer timer;
	unsigned long armed;
	const struct task_struct *task;
	unsigned long slept;
	u64 last;
	u32 waiting;
	u32 skip;
	u32 vain;
};

void nbd_gather_init(struct nbd_gather *g, const struct llist_head *submitted);
void nbd_gather_stop(struct nbd_gather *g);
bool nbd_gather(struct nbd_gather *g);
void nbd_gather_over(struct nbd_gather *g);

/* All that was submitted has been taken */
static inline void nbd_gather_taken(struct nbd_gather *g)
{
	WRITE_ONCE(g->waiting, 0);
}

#endif /* NBD_GATHER_H */
