// SPDX-License-Identifier: GPL-2.0-only
/*
 * Slots: how connections come and go, and with them the state of the session.
 * What happens when a connection ends is one path, whatever the reason: take it
 * out of its slot, wait until no submitter can still see it, stop it, then let
 * the session find another place for its commands.
 */
#include <linux/errno.h>

#include "event.h"
#include "session.h"
#include "trace.h"

static const char *state_name(enum nbdctl_state state)
{
	static const char * const names[] = {
		[NBDCTL_STATE_IDLE] = "idle",
		[NBDCTL_STATE_SETUP] = "setup",
		[NBDCTL_STATE_LIVE] = "live",
		[NBDCTL_STATE_WAITING] = "waiting for a connection",
		[NBDCTL_STATE_DRAINING] = "draining",
		[NBDCTL_STATE_DEAD] = "detached",
	};

	return names[state];
}

/* The one writer of the state; what may follow what is written here */
static void change_state(struct nbd_session *session, enum nbdctl_state state)
{
	static const u8 allowed[] = {
		[NBDCTL_STATE_SETUP] = BIT(NBDCTL_STATE_LIVE) | BIT(NBDCTL_STATE_DEAD),
		[NBDCTL_STATE_LIVE] = BIT(NBDCTL_STATE_WAITING) | BIT(NBDCTL_STATE_DRAINING) |
				      BIT(NBDCTL_STATE_DEAD),
		[NBDCTL_STATE_WAITING] = BIT(NBDCTL_STATE_LIVE) | BIT(NBDCTL_STATE_DRAINING) |
					 BIT(NBDCTL_STATE_DEAD),
		[NBDCTL_STATE_DRAINING] = BIT(NBDCTL_STATE_LIVE) | BIT(NBDCTL_STATE_WAITING) |
					  BIT(NBDCTL_STATE_DEAD),
		[NBDCTL_STATE_DEAD] = 0,
	};

	lockdep_assert_held(&session->lock);
	if (WARN_ON_ONCE(!(allowed[session->state] & BIT(state))))
		return;
	trace_nbd_state(session, state);
	pr_info("nbd%u: %s\n", session->index, state_name(state));
	spin_lock_irq(&session->park_lock);
	WRITE_ONCE(session->state, state);
	spin_unlock_irq(&session->park_lock);
}

static void lost_last(struct nbd_session *session)
{
	if (session->state == NBDCTL_STATE_LIVE)
		change_state(session, NBDCTL_STATE_WAITING);
	if (session->state == NBDCTL_STATE_DEAD || session->dead_time == NBDCTL_TIME_FOREVER)
		return;
	mod_delayed_work(nbd_ctl_wq, &session->dead_work, msecs_to_jiffies(session->dead_time));
}

/* The dead time has run out */
void nbd_session_dead_work(struct work_struct *work)
{
	struct nbd_session *session = container_of(to_delayed_work(work), struct nbd_session,
						   dead_work);

	mutex_lock(&session->lock);
	if (session->state != NBDCTL_STATE_DEAD && !session->usable && !session->gave_up) {
		spin_lock_irq(&session->park_lock);
		session->gave_up = true;
		spin_unlock_irq(&session->park_lock);
		nbd_session_fail_parked(session);
		pr_err("nbd%u: no longer waits for a connection, requests fail\n", session->index);
		nbd_event(session->index, session->number, NBDCTL_CMD_GIVING_UP_EVENT);
	}
	mutex_unlock(&session->lock);
}

/**
 * nbd_session_hold() - let all commands wait
 * @session: the session
 *
 * Commands that come from now on are parked, until as many calls of
 * nbd_session_release().
 */
void nbd_session_hold(struct nbd_session *session)
{
	spin_lock_irq(&session->park_lock);
	session->holds++;
	spin_unlock_irq(&session->park_lock);
}

void nbd_session_release(struct nbd_session *session)
{
	bool last;

	spin_lock_irq(&session->park_lock);
	last = !--session->holds;
	spin_unlock_irq(&session->park_lock);
	if (last)
		nbd_session_settle_parked(session);
}

/* How long a server that is left is waited for without a word */
#define PATIENCE	(10 * HZ)

/**
 * struct wait - for a server that is left
 * @conn: its connection, which is out of its slot
 * @what: it owes, for people
 * @since: when this began
 * @told: the log has it
 */
struct wait {
	struct nbd_conn *conn;
	const char *what;
	unsigned long since;
	bool told;
};

/*
 * Wait a moment; false if there is no reason to go on. What a server has in hand and goes on with
 * after the same was done elsewhere, undoes what came later. So there is no limit but what the user
 * has set: the deadline of requests, or force.
 */
static bool wait_on(struct nbd_session *session, struct wait *wait)
{
	struct nbd_conn *conn = wait->conn;

	if (nbd_conn_failed(conn) || READ_ONCE(session->abrupt))
		return false;
	/* One that is well needs less, and its flush is worth it */
	if (conn->born <= READ_ONCE(session->forced) && time_after(jiffies, wait->since + HZ))
		return false;
	if (!wait->told && time_after(jiffies, wait->since + PATIENCE)) {
		pr_warn("nbd%u: conn %u: the server that is left still owes %s\n",
			session->index, conn->index, wait->what);
		wait->told = true;
	}
	schedule_timeout_idle(1);
	return true;
}

/*
 * Wait until a connection that gets no more commands has answered all it has;
 * false if it did not. It is out of its slot, so nobody else starts its sender
 * for what was submitted last.
 */
static bool wait_idle(struct nbd_session *session, struct nbd_conn *conn)
{
	struct wait wait = { .conn = conn, .what = "answers", .since = jiffies };

	nbd_conn_kick(conn);
	while (nbd_cmd_count(&session->table, conn))
		if (!wait_on(session, &wait))
			return false;
	return !nbd_conn_failed(conn);
}

/* blk-mq knows nothing of this command, so its deadline is looked at here */
static bool wait_for_own(struct nbd_session *session, struct nbd_conn *conn,
			 const struct nbd_cmd *cmd)
{
	struct wait wait = { .conn = conn, .what = "a flush", .since = jiffies };

	while (!wait_for_completion_timeout(cmd->own_done, msecs_to_jiffies(20))) {
		if (session->request_timeout &&
		    time_after(jiffies, wait.since + session->request_timeout))
			nbd_conn_fail(conn, -ETIMEDOUT);
		if (READ_ONCE(cmd->refused) || !wait_on(session, &wait))
			return false;
	}
	return true;
}

static void left_without_flush(const struct nbd_session *session, const struct nbd_conn *conn)
{
	pr_warn("nbd%u: conn %u: left without a flush\n", session->index, conn->index);
}

/*
 * Have a server that is left make stable what it has answered: a flush that is
 * sent to the next one need not reach it. The connection is idle. A server that
 * does not do it is as one that has died.
 */
static void flush_last(struct nbd_session *session, struct nbd_conn *conn)
{
	struct wait turn = { .conn = conn, .what = "a flush, after another", .since = jiffies };
	struct mutex *own_lock = &session->slots[conn->index].own_lock;
	DECLARE_COMPLETION_ONSTACK(done);
	struct nbd_cmd *cmd;

	if (!nbd_export_has(&session->export, NBD_TF_SEND_FLUSH) || session->export.read_only)
		return;
	/* Its holder may wait for as long as another server pleases: in a way that nobody minds */
	while (!mutex_trylock(own_lock)) {
		if (!wait_on(session, &turn)) {
			left_without_flush(session, conn);
			return;
		}
	}
	cmd = nbd_cmd_own(&session->table, conn->index, NBD_FLUSH, &done);
	nbd_conn_submit(conn, cmd);
	nbd_conn_kick(conn);
	if (!wait_for_own(session, conn, cmd)) {
		/* Joins its receiver, so the command is ours or done */
		nbd_conn_stop(conn);
		if (!completion_done(&done))
			nbd_cmd_abort(cmd);
	}
	if (cmd->status != BLK_STS_OK)
		left_without_flush(session, conn);
	mutex_unlock(own_lock);
}

/* The last word on a connection that was taken down */
static void connection_down(struct nbd_session *session, struct nbd_conn *conn, u32 moved)
{
	u32 reason = -conn->error;

	if (reason)
		pr_err("nbd%u: conn %u: lost, error %d\n", session->index, conn->index,
		       conn->error);
	/* If a server goes on with them nonetheless, it undoes what was done later */
	if (moved && READ_ONCE(session->state) != NBDCTL_STATE_DEAD)
		pr_warn("nbd%u: conn %u: %u requests move on unanswered\n", session->index,
			conn->index, moved);
	nbd_event_slot(session->index, session->number, NBDCTL_CMD_CONNECTION_DOWN_EVENT,
		       conn->index, reason);
	mutex_lock(&session->lock);
	if (!--session->leaving)
		wake_up_all(&session->left);
	mutex_unlock(&session->lock);
}

/*
 * Take a connection down. The caller has taken it out of its slot, and is
 * therefore the only one who does. Sleeps, without locks. If @orderly, it is let
 * finish what it has, and the server is told; what a server was given must not
 * come to its mind after the same went to another.
 */
static void take_down(struct nbd_session *session, struct nbd_conn *conn, bool orderly)
{
	u32 moved;

	/* No submitter sees it any more, and what they gave it is on its list */
	synchronize_rcu_expedited();
	if (orderly && wait_idle(session, conn)) {
		/* One that is being shut down would refuse it */
		if (READ_ONCE(session->state) != NBDCTL_STATE_DEAD &&
		    !test_bit(NBD_CONN_LEAVING, &conn->flags))
			flush_last(session, conn);
		nbd_conn_close(conn);
	}
	nbd_conn_stop(conn);
	moved = nbd_cmd_count(&session->table, conn);
	nbd_session_redistribute(session, conn);
	if (test_bit(NBD_CONN_HOLDS, &conn->flags))
		nbd_session_release(session);
	else
		nbd_session_settle_parked(session);
	connection_down(session, conn, moved);
	nbd_conn_put(conn);
}

/* What is in a slot, for those who hold the session's lock */
static struct nbd_conn *slot_conn(struct nbd_session *session, u32 index)
{
	return rcu_dereference_protected(session->slots[index].conn,
					 lockdep_is_held(&session->lock));
}

/* Change what is in a slot; returns what was there, for the caller to take down */
static struct nbd_conn *swap_conn(struct nbd_session *session, u32 index, struct nbd_conn *conn)
{
	struct nbd_conn *old = slot_conn(session, index);

	if (conn) {
		conn->born = session->born + 1;
		WRITE_ONCE(session->born, conn->born);
	}
	rcu_assign_pointer(session->slots[index].conn, conn);
	if (old)
		session->leaving++;
	spin_lock_irq(&session->park_lock);
	session->usable += !!conn - !!old;
	if (conn)
		session->gave_up = false;
	spin_unlock_irq(&session->park_lock);
	return old;
}

/* Take a slot's connection out; if @conn is given, that one only */
static struct nbd_conn *empty_slot(struct nbd_session *session, u32 index, struct nbd_conn *conn)
{
	struct nbd_conn *old = NULL;

	mutex_lock(&session->lock);
	if (!conn || rcu_access_pointer(session->slots[index].conn) == conn)
		old = swap_conn(session, index, NULL);
	if (old)
		WRITE_ONCE(session->slots[index].reason, -old->error);
	if (old && !session->usable)
		lost_last(session);
	mutex_unlock(&session->lock);
	return old;
}

/* A connection has failed; it may have been taken out for another reason meanwhile */
void nbd_session_fail_work(struct work_struct *work)
{
	struct nbd_conn *conn = container_of(work, struct nbd_conn, fail_work);
	struct nbd_session *session = conn->session;

	if (empty_slot(session, conn->index, conn))
		take_down(session, conn, !nbd_conn_failed(conn));
	nbd_conn_put(conn);
}

/* A connection was replaced */
void nbd_session_retire_work(struct work_struct *work)
{
	struct nbd_conn *conn = container_of(work, struct nbd_conn, retire_work);

	take_down(conn->session, conn, true);
}

/**
 * nbd_session_start() - the set-up is complete
 * @session: shaped, and not yet published by its device
 * @conns: a connection for each slot; the session takes the references
 *
 * Cannot fail.
 */
void nbd_session_start(struct nbd_session *session, struct nbd_conn **conns)
{
	u32 i;

	mutex_lock(&session->lock);
	change_state(session, NBDCTL_STATE_LIVE);
	for (i = 0; i < session->nr_slots; i++) {
		swap_conn(session, i, conns[i]);
		nbd_conn_start(conns[i]);
	}
	mutex_unlock(&session->lock);
}

/* May these connections take their slots? */
static int check_slots(struct nbd_session *session, struct nbd_conn **conns, u32 n,
		       const char **why)
{
	u32 i, j;

	lockdep_assert_held(&session->lock);
	for (i = 0; i < n; i++) {
		for (j = 0; j < i; j++) {
			if (conns[j]->index != conns[i]->index)
				continue;
			*why = "slot is given twice";
			return -EINVAL;
		}
		if (!conns[i]->nth ||
		    conns[i]->nth == session->slots[conns[i]->index].reconnects + 1)
			continue;
		*why = "slot has had another connection since";
		return -ESTALE;
	}
	return 0;
}

static int check_replacement(struct nbd_session *session, struct nbd_conn **conns, u32 n,
			     const struct nbd_export *export, const char **why)
{
	u32 index = conns[0]->index;
	int err;

	err = check_slots(session, conns, n, why);
	if (err)
		return err;
	/* Also while it is drained, which may need a connection */
	if (session->state == NBDCTL_STATE_DEAD) {
		*why = "index is a device that is ending";
		return -ENOTCONN;
	}
	err = nbd_export_fits(&session->export, export, session->nr_slots > 1, why);
	if (!err)
		return 0;
	if (__ratelimit(&session->complaints))
		pr_err("nbd%u: conn %u: refused, %s\n", session->index, index, *why);
	nbd_event_slot(session->index, session->number, NBDCTL_CMD_CONNECTION_REFUSED_EVENT,
		       index, -err);
	return err;
}

/*
 * All commands wait until what was in the slot has answered what it has, and
 * flushed: then it no longer matters which server gets the next flush.
 */
static void fill_slot(struct nbd_session *session, struct nbd_conn *conn)
{
	struct nbd_slot *slot = &session->slots[conn->index];
	struct nbd_conn *old;

	nbd_session_hold(session);
	old = swap_conn(session, conn->index, conn);
	WRITE_ONCE(slot->reconnects, slot->reconnects + 1);
	WRITE_ONCE(slot->reason, 0);
	nbd_conn_start(conn);
	cancel_delayed_work(&session->dead_work);
	if (session->state == NBDCTL_STATE_WAITING)
		change_state(session, NBDCTL_STATE_LIVE);
	pr_info("nbd%u: conn %u: new connection\n", session->index, conn->index);
	/* Before anybody can hear that the old one went down */
	nbd_event_slot(session->index, session->number, NBDCTL_CMD_CONNECTION_UP_EVENT,
		       conn->index, 0);
	if (!old) {
		nbd_session_release(session);
		return;
	}
	set_bit(NBD_CONN_HOLDS, &old->flags);
	queue_work(nbd_ctl_wq, &old->retire_work);
}

/**
 * nbd_session_replace() - give slots other connections
 * @session: the session
 * @conns: the connections, whose references the session takes if this succeeds
 * @n: how many, at least one
 * @export: what they have negotiated
 * @force: wait for none of the servers that the disk has or had until now
 * @why: set to a human-readable reason on failure
 *
 * All of them get their slots, or none does. If what was in a slot lives, it answers what it has
 * and flushes, while all commands wait; else its commands move on. That is not waited for here.
 *
 * Return: 0; -ENOTCONN if the session is ending; -ESTALE if a slot was filled
 * since it was looked at; -EINVAL for the same slot twice; as nbd_export_fits().
 */
int nbd_session_replace(struct nbd_session *session, struct nbd_conn **conns, u32 n,
			const struct nbd_export *export, bool force, const char **why)
{
	int err;
	u32 i;

	mutex_lock(&session->lock);
	err = check_replacement(session, conns, n, export, why);
	if (!err) {
		if (force)
			WRITE_ONCE(session->forced, session->born);
		/* Nothing is sent by the first ones before the last one is there */
		nbd_session_hold(session);
		for (i = 0; i < n; i++)
			fill_slot(session, conns[i]);
		nbd_session_release(session);
	}
	mutex_unlock(&session->lock);
	return err;
}

/**
 * nbd_session_drain() - begin an orderly end
 * @session: the session
 * @usable: set to whether any connection works, so that there is something to drain to
 *
 * Return: 0; -EALREADY if that has begun; -ENOTCONN if it has ended.
 */
int nbd_session_drain(struct nbd_session *session, bool *usable)
{
	int err = 0;

	mutex_lock(&session->lock);
	if (session->state == NBDCTL_STATE_DEAD)
		err = -ENOTCONN;
	else if (session->state == NBDCTL_STATE_DRAINING)
		err = -EALREADY;
	else
		change_state(session, NBDCTL_STATE_DRAINING);
	*usable = session->usable;
	mutex_unlock(&session->lock);
	return err;
}

/* The end is called off; false if it came by force meanwhile */
bool nbd_session_undrain(struct nbd_session *session)
{
	bool back;

	mutex_lock(&session->lock);
	back = session->state == NBDCTL_STATE_DRAINING;
	if (back)
		change_state(session, session->usable ? NBDCTL_STATE_LIVE : NBDCTL_STATE_WAITING);
	mutex_unlock(&session->lock);
	return back;
}

static void begin_end(struct nbd_session *session, bool orderly)
{
	struct nbd_conn *conn;
	u32 i;

	mutex_lock(&session->lock);
	if (!orderly)
		WRITE_ONCE(session->abrupt, true);
	if (session->state != NBDCTL_STATE_DEAD)
		change_state(session, NBDCTL_STATE_DEAD);
	/* All servers close at the same time */
	for (i = 0; orderly && i < session->nr_slots; i++) {
		conn = slot_conn(session, i);
		if (conn)
			nbd_conn_goodbye(conn);
	}
	mutex_unlock(&session->lock);
}

/**
 * nbd_session_end() - end a session
 * @session: the session
 * @orderly: nothing is in flight, say goodbye to the servers; otherwise what is
 *	in flight or parked fails
 *
 * When this returns no command is under way. Sleeps for a bounded time.
 * Commands that come later fail at once. An end by force may come while an
 * orderly one is under way, and hastens it.
 */
void nbd_session_end(struct nbd_session *session, bool orderly)
{
	struct nbd_conn *conn;
	u32 i;

	begin_end(session, orderly);
	for (i = 0; i < session->nr_slots; i++) {
		conn = empty_slot(session, i, NULL);
		if (conn)
			take_down(session, conn, orderly);
	}
	wait_event(session->left, !READ_ONCE(session->leaving));
	cancel_work_sync(&session->alone_work);
	nbd_session_fail_parked(session);
	cancel_delayed_work_sync(&session->dead_work);
}
