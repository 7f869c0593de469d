// SPDX-License-Identifier: GPL-2.0-only
/*
 * Slots: how they are filled and emptied, and with them the state of the session. Each connection
 * ends the same way, whatever the reason: it is taken out of its slot, no submitter sees it after
 * an RCU grace period, it is stopped, and its commands are submitted again.
 */
#include <linux/errno.h>

#include "blame.h"
#include "conn.h"
#include "dispatch.h"
#include "event.h"
#include "pieces.h"
#include "recv.h"
#include "send.h"
#include "session.h"
#include "slots.h"

/* The last slot was emptied: start the dead-connection timeout */
static void slots_lost_last(struct nbd_session *session)
{
	u32 dead_time = READ_ONCE(session->dead_time);

	if (session->state == NBD_SESSION_LIVE)
		nbd_session_set_state(session, NBD_SESSION_WAITING);
	if (nbd_session_is_ended(session) || dead_time == NBDCTL_TIME_FOREVER)
		return;
	mod_delayed_work(nbd_ctl_wq, &session->dead_work, msecs_to_jiffies(dead_time));
}

/* The dead-connection timeout has expired: fail parked commands, and park no more */
static void slots_dead_work(struct work_struct *work)
{
	struct nbd_session *session = container_of(to_delayed_work(work), struct nbd_session,
						   dead_work);

	mutex_lock(&session->lock);
	if (!nbd_session_is_ended(session) && !session->usable && !session->gave_up) {
		spin_lock_irq(&session->park_lock);
		session->gave_up = true;
		spin_unlock_irq(&session->park_lock);
		nbd_dispatch_fail_parked(session);
		pr_err("nbd%u: dead-connection timeout expired, failing requests\n",
		       session->index);
		nbd_event(session->index, session->number, NBDCTL_CMD_GIVING_UP_EVENT);
	}
	mutex_unlock(&session->lock);
}

/**
 * slots_quiesce() - park all commands from now on
 * @session: the session
 *
 * Lasts until slots_unquiesce() was called as often. Commands that are being submitted may
 * still get to connections that were in their slots before.
 *
 * Context: Process context, does not sleep. Takes the session's park_lock; the caller may hold its
 * lock.
 */
static void slots_quiesce(struct nbd_session *session)
{
	spin_lock_irq(&session->park_lock);
	session->quiesce_depth++;
	spin_unlock_irq(&session->park_lock);
}

/**
 * slots_unquiesce() - undo one slots_quiesce()
 * @session: the session
 *
 * The last call submits or fails what was parked, see nbd_dispatch_run_parked().
 *
 * Context: Process context, does not sleep. Takes the session's park_lock; the caller may hold its
 * lock.
 */
static void slots_unquiesce(struct nbd_session *session)
{
	bool last;

	spin_lock_irq(&session->park_lock);
	last = !--session->quiesce_depth;
	spin_unlock_irq(&session->park_lock);
	if (last)
		nbd_dispatch_run_parked(session);
}

/* A wait for an old server is logged after this time */
#define PATIENCE	(10 * HZ)

/**
 * struct slots_wait - a wait for the server of a connection that is torn down
 * @conn: the connection, which is out of its slot
 * @what: what the server owes, for the log
 * @since: start of the wait, in jiffies
 * @told: the wait was logged
 */
struct slots_wait {
	struct nbd_conn *conn;
	const char *what;
	unsigned long since;
	bool told;
};

/*
 * Sleep for a jiffy; false if the wait is to end. A server that executes a command after it was
 * resent elsewhere may overwrite newer data. So the wait lasts until the connection fails, also by
 * the request timeout, or until a replacement or detach is forced.
 */
static bool slots_wait_on(struct nbd_session *session, struct slots_wait *wait)
{
	struct nbd_conn *conn = wait->conn;

	if (nbd_conn_failed(conn) || READ_ONCE(session->state) == NBD_SESSION_ABORTED)
		return false;
	/* A healthy server needs less than a second, and its flush is worth that */
	if (conn->born <= READ_ONCE(session->forced) && time_after(jiffies, wait->since + HZ))
		return false;
	if (!wait->told && time_after(jiffies, wait->since + PATIENCE)) {
		pr_warn("nbd%u: conn %u: waiting for %s of the old server\n", session->index,
			conn->index, wait->what);
		wait->told = true;
	}
	schedule_timeout_idle(1);
	return true;
}

/*
 * Wait until the server has replied to all commands of a connection that is out of its slot; false
 * if it did not. Submitters no longer kick the connection, so that is done here.
 */
static bool slots_wait_idle(struct nbd_session *session, struct nbd_conn *conn)
{
	struct slots_wait wait = { .conn = conn, .what = "replies", .since = jiffies };

	nbd_send_kick(conn);
	while (nbd_cmd_count(&session->table, conn)) {
		nbd_dispatch_time_flush(session);
		if (!slots_wait_on(session, &wait))
			return false;
	}
	return !nbd_conn_failed(conn);
}

/*
 * Wait for an internal command; false if it was refused or the wait has ended. blk-mq does not time
 * it, so the request timeout is checked here.
 */
static bool slots_wait_flushed(struct nbd_session *session, struct nbd_conn *conn,
			       const struct nbd_cmd *cmd)
{
	struct slots_wait wait = { .conn = conn, .what = "a flush", .since = jiffies };

	while (!wait_for_completion_timeout(cmd->internal_done, msecs_to_jiffies(20))) {
		if (nbd_session_overdue(session, wait.since))
			nbd_conn_fail(conn, -ETIMEDOUT);
		if (READ_ONCE(cmd->refused) || !slots_wait_on(session, &wait))
			return false;
	}
	return true;
}

static void slots_warn_no_flush(const struct nbd_session *session, const struct nbd_conn *conn)
{
	pr_warn("nbd%u: conn %u: torn down without a flush\n", session->index, conn->index);
}

/*
 * Flush the server of an idle connection that is torn down: a flush that its successor gets need
 * not cover the writes that this one has replied to. If it fails, this is as if the server had
 * crashed.
 */
static void slots_flush_conn(struct nbd_session *session, struct nbd_conn *conn)
{
	struct slots_wait turn = {
		.conn = conn,
		.what = "a turn to flush",
		.since = jiffies,
	};
	struct mutex *flush_lock = &session->slots[conn->index].flush_lock;
	DECLARE_COMPLETION_ONSTACK(done);
	struct nbd_cmd *cmd;

	if (!nbd_export_has(&session->export, NBD_FLAG_SEND_FLUSH) || session->export.read_only)
		return;
	/*
	 * The holder may wait for another server without limit. So poll: that can be ended, and
	 * does not look like a hung task.
	 */
	while (!mutex_trylock(flush_lock)) {
		if (!slots_wait_on(session, &turn)) {
			slots_warn_no_flush(session, conn);
			return;
		}
	}
	cmd = nbd_cmd_init_internal(&session->table, conn->index, NBD_CMD_FLUSH, &done);
	cmd->pinned = true;
	nbd_send_queue(conn, cmd);
	nbd_send_kick(conn);
	if (!slots_wait_flushed(session, conn, cmd)) {
		/* Joins both workers: the command has completed, or this task owns it */
		nbd_conn_stop(conn);
		if (!completion_done(&done))
			nbd_cmd_abort(cmd);
	}
	if (cmd->status != BLK_STS_OK)
		slots_warn_no_flush(session, conn);
	mutex_unlock(flush_lock);
}

static void slots_add_stats(struct nbd_totals *totals, const struct nbd_conn *conn)
{
	totals->requests += READ_ONCE(conn->stats.requests);
	totals->replies += READ_ONCE(conn->stats.replies);
	totals->errors += READ_ONCE(conn->stats.errors);
	totals->bytes_sent += READ_ONCE(conn->stats.bytes_sent);
	totals->bytes_received += READ_ONCE(conn->stats.bytes_received);
}

/* Log and report the end of a connection, and stop counting it as retiring */
static void slots_conn_down(struct nbd_session *session, struct nbd_conn *conn, u32 moved)
{
	u32 reason = -conn->error;

	/* Under the lock, so that the log has the losses in the order in which they are kept */
	mutex_lock(&session->lock);
	if (reason) {
		pr_err("nbd%u: conn %u: lost, error %d\n", session->index, conn->index,
		       conn->error);
		session->past.last_error = reason;
		session->past.lost_ns = ktime_get_boottime_ns();
	}
	/* If the old server executes them later, it may overwrite newer data */
	if (moved && !nbd_session_is_ended(session))
		pr_warn("nbd%u: conn %u: resending %u requests without a reply\n", session->index,
			conn->index, moved);
	nbd_event_slot(session->index, session->number, NBDCTL_CMD_CONNECTION_DOWN_EVENT,
		       conn->index, reason);
	list_del(&conn->retiring);
	slots_add_stats(&session->past, conn);
	if (!--session->nr_retiring)
		wake_up_all(&session->retire_wq);
	mutex_unlock(&session->lock);
}

/*
 * Tear down a connection. The caller has taken it out of its slot, and so is the only one to do
 * this. If @orderly, the server may reply and flush, and is sent DISC. The connection is stopped
 * before its commands are resent, so that it sends no late copy of them. Sleeps; no lock may be
 * held.
 */
static void slots_tear_down(struct nbd_session *session, struct nbd_conn *conn, bool orderly)
{
	u32 moved;

	/* After this no submitter sees it, and all commands that it was given are queued */
	synchronize_rcu_expedited();
	if (orderly && slots_wait_idle(session, conn)) {
		/* A server that is being shut down would refuse the flush */
		if (!nbd_session_is_ended(session) &&
		    !test_bit(NBD_CONN_DRAINING, &conn->flags))
			slots_flush_conn(session, conn);
		nbd_conn_close(conn);
	}
	nbd_conn_stop(conn);
	moved = nbd_cmd_count(&session->table, conn);
	nbd_blame_redistribute(conn);
	if (test_bit(NBD_CONN_QUIESCES, &conn->flags))
		slots_unquiesce(session);
	else
		nbd_dispatch_run_parked(session);
	slots_conn_down(session, conn, moved);
	nbd_conn_put(conn);
}

/* Connection in a slot, or NULL; under the session's lock */
static struct nbd_conn *slots_conn(struct nbd_session *session, u32 index)
{
	return rcu_dereference_protected(session->slots[index].conn,
					 lockdep_is_held(&session->lock));
}

/*
 * Put a connection or NULL into a slot; returns the previous one, for the caller to tear down.
 * Under the session's lock.
 */
static struct nbd_conn *slots_swap(struct nbd_session *session, u32 index, struct nbd_conn *conn)
{
	struct nbd_conn *old = slots_conn(session, index);

	if (conn) {
		conn->born = session->born + 1;
		WRITE_ONCE(session->born, conn->born);
	}
	rcu_assign_pointer(session->slots[index].conn, conn);
	if (old) {
		list_add(&old->retiring, &session->retiring);
		session->nr_retiring++;
	}
	spin_lock_irq(&session->park_lock);
	WRITE_ONCE(session->usable, session->usable + !!conn - !!old);
	if (conn)
		session->gave_up = false;
	spin_unlock_irq(&session->park_lock);
	return old;
}

/* Take the connection out of a slot, if @conn is not NULL only that one; returns it or NULL */
static struct nbd_conn *slots_empty(struct nbd_session *session, u32 index, struct nbd_conn *conn)
{
	struct nbd_conn *old = NULL;

	mutex_lock(&session->lock);
	if (!conn || rcu_access_pointer(session->slots[index].conn) == conn)
		old = slots_swap(session, index, NULL);
	if (old)
		WRITE_ONCE(session->slots[index].reason, -old->error);
	if (old && !session->usable)
		slots_lost_last(session);
	mutex_unlock(&session->lock);
	return old;
}

/*
 * A connection has failed, or its server is being shut down. It may have been taken out of its slot
 * since.
 */
static void slots_fail_work(struct work_struct *work)
{
	struct nbd_conn *conn = container_of(work, struct nbd_conn, fail_work);
	struct nbd_session *session = conn->session;

	/* Before the session changes its state: a process that waits for that may end it */
	if (nbd_conn_failed(conn) && READ_ONCE(session->state) < NBD_SESSION_DRAINING)
		nbd_event_link_dead(session->index);
	if (slots_empty(session, conn->index, conn))
		slots_tear_down(session, conn, !nbd_conn_failed(conn));
	nbd_conn_put(conn);
}

/* Tear down a connection that was replaced */
static void slots_retire_work(struct work_struct *work)
{
	struct nbd_conn *conn = container_of(work, struct nbd_conn, retire_work);

	slots_tear_down(conn->session, conn, true);
}

/**
 * nbd_slots_alloc_conn() - allocate a connection for a slot, and take over its socket
 * @session: its session, with the contexts set
 * @index: number of the slot
 * @sock: the connected socket, whose file is referenced by the caller
 * @errmsg: set to a human-readable reason if the socket is refused; has no meaning for -ENOMEM
 *
 * Context: Process context, may sleep. Takes the socket lock.
 * Return: as nbd_conn_alloc(); the caller fills in the context ids.
 */
struct nbd_conn *nbd_slots_alloc_conn(struct nbd_session *session, u32 index,
				      struct socket *sock, const char **errmsg)
{
	struct nbd_conn *conn;

	conn = nbd_conn_alloc(session, index, sock, &nbd_recv_ops, errmsg);
	if (IS_ERR(conn))
		return conn;
	nbd_send_init(conn);
	nbd_recv_init(conn);
	INIT_WORK(&conn->fail_work, slots_fail_work);
	INIT_WORK(&conn->retire_work, slots_retire_work);
	return conn;
}

/**
 * nbd_session_totals() - get the totals of a session
 * @session: the session
 * @totals: set to the totals since the attach; its counters never decrease
 *
 * Context: Process context, may sleep. Takes the session's lock.
 */
void nbd_session_totals(struct nbd_session *session, struct nbd_totals *totals)
{
	struct nbd_conn *conn;
	u32 i;

	mutex_lock(&session->lock);
	*totals = session->past;
	list_for_each_entry(conn, &session->retiring, retiring)
		slots_add_stats(totals, conn);
	for (i = 0; i < session->nr_slots; i++) {
		conn = slots_conn(session, i);
		if (conn)
			slots_add_stats(totals, conn);
	}
	mutex_unlock(&session->lock);
}

/**
 * nbd_session_start() - fill the slots and leave NBD_SESSION_SETUP
 * @session: session after nbd_session_init_queues(), not yet published by its device
 * @conns: one connection for each slot; the session takes the references
 *
 * Context: Process context, may sleep. Takes the session's lock.
 */
void nbd_session_start(struct nbd_session *session, struct nbd_conn **conns)
{
	u32 i;

	INIT_DELAYED_WORK(&session->dead_work, slots_dead_work);
	nbd_blame_init(session);
	nbd_dispatch_init(session);
	nbd_pieces_init(session);
	mutex_lock(&session->lock);
	nbd_session_set_state(session, NBD_SESSION_LIVE);
	for (i = 0; i < session->nr_slots; i++) {
		slots_swap(session, i, conns[i]);
		nbd_conn_start(conns[i]);
	}
	mutex_unlock(&session->lock);
}

/* Check that no slot is given twice, and that none was filled since the caller looked */
static int slots_check(struct nbd_session *session, struct nbd_conn **conns, u32 n,
		       const char **errmsg)
{
	u32 i, j;

	lockdep_assert_held(&session->lock);
	for (i = 0; i < n; i++) {
		for (j = 0; j < i; j++) {
			if (conns[j]->index != conns[i]->index)
				continue;
			*errmsg = "slot: given twice";
			return -EINVAL;
		}
		if (!conns[i]->nth ||
		    conns[i]->nth == session->slots[conns[i]->index].reconnects + 1)
			continue;
		*errmsg = "slot: has had another connection since";
		return -ESTALE;
	}
	return 0;
}

static int slots_check_replacement(struct nbd_session *session, struct nbd_conn **conns, u32 n,
				   const struct nbd_export *export, const char **errmsg)
{
	u32 index = conns[0]->index;
	int err;

	err = slots_check(session, conns, n, errmsg);
	if (err)
		return err;
	/* NBD_SESSION_DRAINING is fine: the drain may need a connection */
	if (nbd_session_is_ended(session)) {
		*errmsg = "index: its session is ending";
		return -ENOTCONN;
	}
	err = nbd_export_fits(&session->export, export, session->nr_slots > 1, errmsg);
	if (!err)
		return 0;
	if (__ratelimit(&session->ratelimit))
		pr_err("nbd%u: conn %u: refused, %s\n", session->index, index, *errmsg);
	nbd_event_slot(session->index, session->number, NBDCTL_CMD_CONNECTION_REFUSED_EVENT,
		       index, -err);
	return err;
}

/*
 * Put a new connection into a slot. The session is quiesced until the old one has failed, or has
 * replied to all its commands and flushed: then any server may get the next flush.
 */
static void slots_fill(struct nbd_session *session, struct nbd_conn *conn)
{
	struct nbd_slot *slot = &session->slots[conn->index];
	struct nbd_conn *old;

	slots_quiesce(session);
	old = slots_swap(session, conn->index, conn);
	WRITE_ONCE(slot->reconnects, slot->reconnects + 1);
	WRITE_ONCE(slot->reason, 0);
	nbd_conn_start(conn);
	cancel_delayed_work(&session->dead_work);
	if (session->state == NBD_SESSION_WAITING)
		nbd_session_set_state(session, NBD_SESSION_LIVE);
	pr_info("nbd%u: conn %u: new connection\n", session->index, conn->index);
	/* Before retire_work reports the old one as down */
	nbd_event_slot(session->index, session->number, NBDCTL_CMD_CONNECTION_UP_EVENT,
		       conn->index, 0);
	if (!old) {
		slots_unquiesce(session);
		return;
	}
	set_bit(NBD_CONN_QUIESCES, &old->flags);
	queue_work(nbd_ctl_wq, &old->retire_work);
}

/**
 * nbd_session_replace() - put new connections into slots
 * @session: the session
 * @conns: the connections; the session takes the references on success
 * @n: number of connections, at least 1
 * @export: what was negotiated on the connections
 * @force: limit each wait for the server of an earlier connection to a second
 * @errmsg: set to a human-readable reason on failure
 *
 * All connections get their slots, or none does. The old ones are torn down by retire_work after
 * this has returned. For one that works, this first waits for replies and a flush, while all other
 * commands are parked.
 *
 * Context: Process context, may sleep. Takes the session's lock.
 * Return: 0; -EINVAL if a slot is given twice; -ESTALE if a slot was filled since the caller
 * looked; -ENOTCONN if the session has ended; or an error of nbd_export_fits().
 */
int nbd_session_replace(struct nbd_session *session, struct nbd_conn **conns, u32 n,
			const struct nbd_export *export, bool force, const char **errmsg)
{
	int err;
	u32 i;

	mutex_lock(&session->lock);
	err = slots_check_replacement(session, conns, n, export, errmsg);
	if (!err) {
		nbd_session_keep(session);
		if (force)
			WRITE_ONCE(session->forced, session->born);
		/* No command is sent before all slots are filled */
		slots_quiesce(session);
		for (i = 0; i < n; i++)
			slots_fill(session, conns[i]);
		slots_unquiesce(session);
	}
	mutex_unlock(&session->lock);
	return err;
}

/**
 * nbd_session_shut() - close the connections at the end of an orderly detach
 * @session: session that was drained, without commands in flight
 *
 * All servers are sent DISC before any is waited for. Connections take no commands from now on;
 * those that come fail.
 *
 * Context: Process context, may sleep, but does not wait for servers or sockets. Takes the
 * session's lock; the caller has frozen the queue.
 */
void nbd_session_shut(struct nbd_session *session)
{
	struct nbd_conn *conn;
	u32 i;

	mutex_lock(&session->lock);
	/* A forced detach may have come first */
	if (session->state == NBD_SESSION_DRAINING) {
		nbd_session_set_state(session, NBD_SESSION_ENDING);
		for (i = 0; i < session->nr_slots; i++) {
			conn = slots_conn(session, i);
			if (conn)
				nbd_conn_disconnect(conn);
		}
	}
	mutex_unlock(&session->lock);
}

static void slots_abort(struct nbd_session *session)
{
	mutex_lock(&session->lock);
	if (session->state != NBD_SESSION_ABORTED)
		nbd_session_set_state(session, NBD_SESSION_ABORTED);
	mutex_unlock(&session->lock);
}

/**
 * nbd_session_end() - end a session
 * @session: the session
 * @orderly: nbd_session_shut() was called; else all commands fail
 *
 * When this returns, no command is in flight, and those that come later fail at once. A forced end
 * may come during an orderly one, and hastens it.
 *
 * Context: Process context, sleeps; for a bounded time if not @orderly. Takes the session's lock.
 */
void nbd_session_end(struct nbd_session *session, bool orderly)
{
	struct nbd_conn *conn;
	u32 i;

	if (!orderly)
		slots_abort(session);
	for (i = 0; i < session->nr_slots; i++) {
		conn = slots_empty(session, i, NULL);
		if (conn)
			slots_tear_down(session, conn, orderly);
	}
	wait_event(session->retire_wq, !READ_ONCE(session->nr_retiring));
	cancel_work_sync(&session->alone_work);
	nbd_dispatch_fail_parked(session);
	cancel_delayed_work_sync(&session->dead_work);
	nbd_dispatch_stop(session);
}
