// SPDX-License-Identifier: GPL-2.0-only
/*
 * Batching of requests: one sendmsg for many of them costs far less than one for each. A task that
 * has not slept since its last request is not waiting for that, and will probably submit more. So
 * its commands are held back until there are enough, a reply leaves the server nearly idle, or no
 * further one was submitted for a while. hold.c has the limits, and pauses if that does not pay
 * off. A small number in flight is no reason to send at once: a fast server replies to each command
 * before the next one.
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

/* Cancel the timer, when no submitter is left. Process context. */
void nbd_gather_stop(struct nbd_gather *g)
{
	hrtimer_cancel(&g->timer);
}

/* True if the current task submitted last, and has not slept since; not for kernel threads */
static bool keeps_submitting(struct nbd_gather *g)
{
	bool same = READ_ONCE(g->task) == current && READ_ONCE(g->nvcsw) == current->nvcsw;

	WRITE_ONCE(g->task, current);
	WRITE_ONCE(g->nvcsw, current->nvcsw);
	return same && in_task() && !(current->flags & PF_KTHREAD);
}

/*
 * Other submitters rely on the timer as soon as @armed is set. If the task were preempted before it
 * starts the timer, their commands would be held back until it gets a CPU again.
 */
static void start_timer(struct nbd_gather *g)
{
	preempt_disable();
	if (!test_and_set_bit(0, &g->armed))
		hrtimer_start(&g->timer, nbd_hold_ns(&g->hold), HRTIMER_MODE_REL);
	preempt_enable();
}

/**
 * nbd_gather() - decide whether to hold back what was just submitted
 * @g: batching of the hardware queue
 * @queued: weight of the commands held back, including the last one, see nbd_conn_waiting()
 *
 * Context: Any.
 * Return: false if the caller has to send all of them. If true, nbd_gather_over() is called when no
 * further command was submitted for a while.
 */
bool nbd_gather(struct nbd_gather *g, u32 queued)
{
	u32 inflight;

	if (!keeps_submitting(g)) {
		WRITE_ONCE(g->last, 0);
		return false;
	}
	/* nivcsw before @last, so that a preemption after @last can be detected */
	WRITE_ONCE(g->nivcsw, current->nivcsw);
	WRITE_ONCE(g->last, ktime_get_ns());
	inflight = nbd_hold_paused(&g->hold) ? nbd_gather_under_way(g) : 0;
	if (!nbd_hold_more(&g->hold, queued, inflight))
		return false;
	start_timer(g);
	return true;
}

/**
 * nbd_gather_sent() - account the time that it took to send what was not held back
 * @g: batching of the hardware queue, for which nbd_gather() has just returned false
 *
 * Context: Any.
 */
void nbd_gather_sent(struct nbd_gather *g)
{
	u64 last = READ_ONCE(g->last);

	/* Ignore tasks that slept, as nothing of them is held back, and times with preemption */
	if (last && READ_ONCE(g->nivcsw) == current->nivcsw)
		nbd_hold_sent(&g->hold, ktime_get_ns() - last);
}
