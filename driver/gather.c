// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gathering requests: one sendmsg for many costs far less. A submitter that has not
 * slept since its last request is busy making requests, so it does not wait for this
 * one, and more will come. What was gathered is sent when it is much, when a reply
 * leaves the server little to do, or when no more has come for a while. Where that was
 * in vain, it is not done for some time; always so if the server had nothing to do by
 * then, say because the submitter polls for the answers, and waits for us meanwhile.
 * That few requests are under way when one is submitted tells nothing: a fast server
 * answers each before the next. But many keep a server busy, so that nothing is lost by
 * waiting.
 */
#include <linux/ktime.h>
#include <linux/preempt.h>
#include <linux/sched.h>

#include "gather.h"

/* Submissions that wait at most */
#define GATHER_MOST	24u

/* How long for the next, where it was in vain over and over */
#define GATHER_GLANCE	(10 * NSEC_PER_USEC)
/* But every eighth time as long as else: a slow machine takes longer to make the next */
#define GATHER_LONGER	8u
/*
 * Else as long as so many take that are sent by themselves, which is what can be saved, and tells
 * how fast the machine is; but at least, and at most, so long
 */
#define GATHER_SENDS	5u
#define GATHER_TIME_LEAST	(30 * NSEC_PER_USEC)
#define GATHER_TIME_MOST	(500 * NSEC_PER_USEC)

/* With fewer than so many it was in vain */
#define GATHER_WORTH	4u
/* Or rather, with so many under way it was not, however few waited */
#define GATHER_BUSY	24u
/*
 * Else it is not done for so many, which doubles each time that it is in vain again, so often.
 * After that one in 256 waits for a glance, which is lost among what is slow anyway, and one in
 * 2,048 for longer: by that, what the slowest in a hundred and in a thousand take is not to rise.
 */
#define GATHER_SKIP	32u
#define GATHER_DOUBLINGS	3u

static s64 patience(const struct nbd_gather *g)
{
	u32 vain = READ_ONCE(g->vain);

	if (vain > GATHER_DOUBLINGS && vain % GATHER_LONGER)
		return GATHER_GLANCE;
	return clamp_t(s64, READ_ONCE(g->cost) * GATHER_SENDS, GATHER_TIME_LEAST,
		       GATHER_TIME_MOST);
}

static s64 time_left(const struct nbd_gather *g)
{
	s64 since = ktime_get_ns() - READ_ONCE(g->last), most = patience(g);

	return clamp_t(s64, most - since, 0, most);
}

static bool server_busy(struct nbd_gather *g)
{
	return nbd_gather_under_way(g) >= GATHER_BUSY;
}

/* So many have waited until now, and no more came: was it worth it? */
static bool was_worth(struct nbd_gather *g, u32 waiting)
{
	u32 under_way = nbd_gather_under_way(g);

	return under_way >= GATHER_BUSY || (under_way && waiting >= GATHER_WORTH);
}

/* Learn from what came of it */
static void judge(struct nbd_gather *g, bool worth)
{
	u32 vain = READ_ONCE(g->vain);

	WRITE_ONCE(g->vain, worth ? 0 : vain + 1);
	if (!worth)
		WRITE_ONCE(g->skip, GATHER_SKIP << min(vain, GATHER_DOUBLINGS));
}

static enum hrtimer_restart look(struct hrtimer *timer)
{
	struct nbd_gather *g = container_of(timer, struct nbd_gather, timer);
	s64 left = time_left(g);
	u32 waiting;

	if (left && nbd_gather_waiting(g)) {
		hrtimer_forward_now(timer, left);
		return HRTIMER_RESTART;
	}
	clear_bit(0, &g->armed);
	/* Who adds and finds it armed was before that; pairs with nbd_gather() */
	smp_mb__after_atomic();
	waiting = nbd_gather_waiting(g);
	if (waiting) {
		judge(g, was_worth(g, waiting));
		nbd_gather_over(g);
	}
	return HRTIMER_NORESTART;
}

void nbd_gather_init(struct nbd_gather *g)
{
	hrtimer_setup(&g->timer, look, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
}

/* Nobody submits any more */
void nbd_gather_stop(struct nbd_gather *g)
{
	hrtimer_cancel(&g->timer);
}

/* Has the submitter gone on without waiting for anything since it was last here? */
static bool goes_on(struct nbd_gather *g)
{
	bool same = READ_ONCE(g->task) == current && READ_ONCE(g->slept) == current->nvcsw;

	WRITE_ONCE(g->task, current);
	WRITE_ONCE(g->slept, current->nvcsw);
	return same && in_task() && !(current->flags & PF_KTHREAD);
}

/*
 * Others rely on the timer as soon as @armed is set. A task that was preempted before it starts the
 * timer would hold back their requests for as long as it gets no CPU.
 */
static void arm(struct nbd_gather *g)
{
	preempt_disable();
	if (!test_and_set_bit(0, &g->armed))
		hrtimer_start(&g->timer, patience(g), HRTIMER_MODE_REL);
	preempt_enable();
}

/**
 * nbd_gather() - may what was just submitted wait for more?
 * @g: of the hardware queue it came by
 * @waiting: submissions that wait, this one included
 *
 * Any context. If so, nbd_gather_over() is called when no more has come.
 */
bool nbd_gather(struct nbd_gather *g, u32 waiting)
{
	u32 skip = READ_ONCE(g->skip);

	if (!goes_on(g)) {
		WRITE_ONCE(g->last, 0);
		return false;
	}
	/* In this order: preemption after @last shows in nivcsw */
	WRITE_ONCE(g->preempted, current->nivcsw);
	WRITE_ONCE(g->last, ktime_get_ns());
	if (skip && !server_busy(g)) {
		WRITE_ONCE(g->skip, skip - 1);
		return false;
	}
	if (waiting > GATHER_MOST) {
		judge(g, true);
		return false;
	}
	arm(g);
	return true;
}

/**
 * nbd_gather_sent() - what was not to wait was sent
 * @g: nbd_gather() has said so just now
 */
void nbd_gather_sent(struct nbd_gather *g)
{
	u64 last = READ_ONCE(g->last), cost = READ_ONCE(g->cost), taken;

	/* Who had slept never waits, so it is not for them; and what others did is no cost of it */
	if (!last || READ_ONCE(g->preempted) != current->nivcsw)
		return;
	taken = min_t(u64, ktime_get_ns() - last, GATHER_TIME_MOST);
	WRITE_ONCE(g->cost, cost - cost / 8 + taken / 8);
}
