// SPDX-License-Identifier: GPL-2.0-only
/*
 * Request batching: one sendmsg for many requests costs far less than one for each. A task that has
 * not slept since its last request is not waiting for that, and will probably submit more. So its
 * commands are held back until there are enough, a reply leaves the server nearly idle, or no
 * further one was submitted for a while. hold.c has the limits, and pauses if that does not pay
 * off. A small number in flight is no reason to send at once: a fast server replies to each command
 * before the next one.
 */
#include <linux/ktime.h>
#include <linux/preempt.h>
#include <linux/sched.h>

#include "batch.h"
#include "compat.h"

/**
 * nbd_batch_init() - set up request batching
 * @b: batching of a hardware queue, zeroed
 * @expired: function of the timer, which is called when no further command was submitted for a
 *	while; it calls nbd_batch_extend() and nbd_batch_disarm()
 */
void nbd_batch_init(struct nbd_batch *b, enum hrtimer_restart (*expired)(struct hrtimer *timer))
{
	hrtimer_setup(&b->timer, expired, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
}

/* Cancel the timer, when no submitter is left. Process context. */
void nbd_batch_stop(struct nbd_batch *b)
{
	hrtimer_cancel(&b->timer);
}

/* True if the current task submitted last, and has not slept since; not for kernel threads */
static bool batch_keeps_submitting(struct nbd_batch *b)
{
	bool same = READ_ONCE(b->task) == current && READ_ONCE(b->nvcsw) == current->nvcsw;

	WRITE_ONCE(b->task, current);
	WRITE_ONCE(b->nvcsw, current->nvcsw);
	return same && in_task() && !(current->flags & PF_KTHREAD);
}

/*
 * Other submitters rely on the timer as soon as @armed is set. If the task were preempted before it
 * starts the timer, their commands would be held back until it gets a CPU again.
 */
static void batch_start_timer(struct nbd_batch *b)
{
	preempt_disable();
	if (!test_and_set_bit(0, &b->armed))
		hrtimer_start(&b->timer, nbd_hold_ns(&b->hold), HRTIMER_MODE_REL);
	preempt_enable();
}

/**
 * nbd_batch_hold() - decide whether to hold back what was just submitted
 * @b: batching of the hardware queue
 * @queued: weight of the commands held back, including the last one, see nbd_send_queued()
 * @inflight: number of commands in flight; only used if nbd_batch_is_paused()
 *
 * Context: Any.
 * Return: false if the caller has to send all of them. If true, the timer's function is called when
 * no further command was submitted for a while.
 */
bool nbd_batch_hold(struct nbd_batch *b, u32 queued, u32 inflight)
{
	if (!batch_keeps_submitting(b)) {
		WRITE_ONCE(b->last, 0);
		return false;
	}
	/* nivcsw before @last, so that a preemption after @last can be detected */
	WRITE_ONCE(b->nivcsw, current->nivcsw);
	WRITE_ONCE(b->last, ktime_get_ns());
	if (!nbd_hold_more(&b->hold, queued, inflight))
		return false;
	batch_start_timer(b);
	return true;
}

/**
 * nbd_batch_account() - account the time that it took to send what was not held back
 * @b: batching of the hardware queue, for which nbd_batch_hold() has just returned false
 *
 * Context: Any.
 */
void nbd_batch_account(struct nbd_batch *b)
{
	u64 last = READ_ONCE(b->last);

	/* Ignore tasks that slept, as nothing of them is held back, and times with preemption */
	if (last && READ_ONCE(b->nivcsw) == current->nivcsw)
		nbd_hold_sent(&b->hold, ktime_get_ns() - last);
}

/**
 * nbd_batch_extend() - start the timer again if a command was submitted since it was started
 * @b: batching of the hardware queue
 *
 * Context: The timer's function.
 * Return: true if the timer will expire again.
 */
bool nbd_batch_extend(struct nbd_batch *b)
{
	s64 since = ktime_get_ns() - READ_ONCE(b->last), most = nbd_hold_ns(&b->hold);
	s64 left = clamp_t(s64, most - since, 0, most);

	if (left)
		hrtimer_forward_now(&b->timer, left);
	return left;
}

/**
 * nbd_batch_disarm() - let the next command that is held back start the timer
 * @b: batching of the hardware queue
 *
 * The caller sends what is queued by now. A task that saw @armed set has queued its command.
 *
 * Context: The timer's function.
 */
void nbd_batch_disarm(struct nbd_batch *b)
{
	clear_bit(0, &b->armed);
	/* Pairs with batch_start_timer() */
	smp_mb__after_atomic();
}
