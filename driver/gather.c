// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gathering requests: one sendmsg for many costs far less. A task that has not slept since its last
 * request is busy making requests, so it does not wait for this one, and more will come. What is
 * held back is sent when it is much, when a reply leaves the server nearly idle, or when no more
 * came for a while; hold.c decides, and pauses when that did not pay off. How few are in flight
 * when one is submitted tells nothing: a fast server replies to each before the next.
 */
#include <linux/ktime.h>
#include <linux/preempt.h>
#include <linux/sched.h>

#include "gather.h"

static s64 time_left(const struct nbd_gather *g)
{
	s64 since = ktime_get_ns() - READ_ONCE(g->last), most = nbd_hold_ns(&g->hold);

	return clamp_t(s64, most - since, 0, most);
}

static enum hrtimer_restart expired(struct hrtimer *timer)
{
	struct nbd_gather *g = container_of(timer, struct nbd_gather, timer);
	s64 left = time_left(g);
	u32 queued;

	if (left && nbd_gather_waiting(g)) {
		hrtimer_forward_now(timer, left);
		return HRTIMER_RESTART;
	}
	clear_bit(0, &g->armed);
	/* A task that saw @armed set has queued its request already; pairs with start_timer() */
	smp_mb__after_atomic();
	queued = nbd_gather_waiting(g);
	if (queued) {
		nbd_hold_expired(&g->hold, queued, nbd_gather_under_way(g));
		nbd_gather_over(g);
	}
	return HRTIMER_NORESTART;
}

void nbd_gather_init(struct nbd_gather *g)
{
	hrtimer_setup(&g->timer, expired, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
}

/* Nobody submits any more */
void nbd_gather_stop(struct nbd_gather *g)
{
	hrtimer_cancel(&g->timer);
}

/* Has the task not slept since it was last here? */
static bool keeps_submitting(struct nbd_gather *g)
{
	bool same = READ_ONCE(g->task) == current && READ_ONCE(g->nvcsw) == current->nvcsw;

	WRITE_ONCE(g->task, current);
	WRITE_ONCE(g->nvcsw, current->nvcsw);
	return same && in_task() && !(current->flags & PF_KTHREAD);
}

/*
 * Others rely on the timer as soon as @armed is set. A task that was preempted before it starts the
 * timer would hold back their requests for as long as it gets no CPU.
 */
static void start_timer(struct nbd_gather *g)
{
	preempt_disable();
	if (!test_and_set_bit(0, &g->armed))
		hrtimer_start(&g->timer, nbd_hold_ns(&g->hold), HRTIMER_MODE_REL);
	preempt_enable();
}

/**
 * nbd_gather() - may what was just submitted wait for more?
 * @g: of the hardware queue it came by
 * @queued: commands held back, this one included
 *
 * Any context. If so, nbd_gather_over() is called when no more has come.
 */
bool nbd_gather(struct nbd_gather *g, u32 queued)
{
	u32 inflight;

	if (!keeps_submitting(g)) {
		WRITE_ONCE(g->last, 0);
		return false;
	}
	/* In this order: preemption after @last shows in nivcsw */
	WRITE_ONCE(g->nivcsw, current->nivcsw);
	WRITE_ONCE(g->last, ktime_get_ns());
	inflight = nbd_hold_paused(&g->hold) ? nbd_gather_under_way(g) : 0;
	if (!nbd_hold_more(&g->hold, queued, inflight))
		return false;
	start_timer(g);
	return true;
}

/**
 * nbd_gather_sent() - what was not to wait was sent
 * @g: nbd_gather() has said so just now
 */
void nbd_gather_sent(struct nbd_gather *g)
{
	u64 last = READ_ONCE(g->last);

	/* Ignore tasks that slept, which are not held back, and samples with preemption */
	if (last && READ_ONCE(g->nivcsw) == current->nivcsw)
		nbd_hold_sent(&g->hold, ktime_get_ns() - last);
}
