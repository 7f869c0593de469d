// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blame: commands of a lost connection are resent on another one, which is safe, as all commands
 * may be executed twice. But a command that kills each connection that it is sent on must end. If
 * several connections end for one reason, a command that moves from one to the next need not be to
 * blame: a loss counts only if the connection was made after the last loss that counted. Two may be
 * chance; from then on the command is sent alone, so that further losses can only be its fault.
 */
#include "blame.h"
#include "conn.h"
#include "dispatch.h"
#include "error.h"
#include "pieces.h"
#include "query.h"
#include "send.h"
#include "session.h"

/* What the end of a connection shows about its commands */
enum verdict {
	INNOCENT,	/* nothing: it was replaced, or the session has ended */
	LATE,		/* the server was too slow, unresponsive or shutting down */
	SUSPECT,	/* one of them may have made the server crash or disconnect */
};

static enum verdict blame_verdict(const struct nbd_conn *conn, const struct nbd_cmd *cmd)
{
	if (cmd->refused || test_bit(NBD_CONN_DRAINING, &conn->flags))
		return LATE;
	switch (conn->error) {
	case 0:
		return INNOCENT;
	/* Request timeout, or the peer has not responded to TCP for too long */
	case -ETIMEDOUT:
	case -EHOSTUNREACH:
	case -ENETUNREACH:
		return LATE;
	default:
		return SUSPECT;
	}
}

/* Count a loss against the command, if it can be to blame; false if it has to fail */
static bool blame_count_death(struct nbd_cmd *cmd, const struct nbd_conn *conn)
{
	if (cmd->deaths && conn->born <= cmd->blamed)
		return true;
	cmd->deaths++;
	cmd->blamed = conn->died;
	return cmd->deaths < NBD_MAX_DEATHS;
}

/*
 * Not the fault of the command, which fails only if such losses continue for longer than the
 * dead-connection timeout. Time in flight does not count, unless it reached the request timeout.
 * Without a dead-connection timeout (0), the loss counts as if the command were suspect.
 */
static bool blame_forgive_late(const struct nbd_session *session, struct nbd_cmd *cmd,
			       const struct nbd_conn *conn)
{
	unsigned long started = READ_ONCE(cmd->started), flight = jiffies - started;
	u32 dead_time = READ_ONCE(session->dead_time);
	u64 now = get_jiffies_64();

	if (!dead_time)
		return blame_count_death(cmd, conn);
	if (!cmd->late) {
		cmd->late = now;
		return true;
	}
	if (!nbd_session_overdue(session, started))
		cmd->late += flight;
	return dead_time == NBDCTL_TIME_FOREVER ||
	       time_before64(now, cmd->late + msecs_to_jiffies(dead_time));
}

/*
 * Some servers disconnect on a media error in a READ whose reply they may fragment, but report the
 * error if DF is set.
 */
static bool blame_forgive_death(const struct nbd_session *session, struct nbd_cmd *cmd,
				const struct nbd_conn *conn, bool alone)
{
	if (alone && cmd->req.type == NBD_CMD_READ)
		cmd->df = nbd_export_has(&session->export, NBD_FLAG_SEND_DF);
	return blame_count_death(cmd, conn);
}

static bool blame_forgive(struct nbd_session *session, struct nbd_cmd *cmd,
			  const struct nbd_conn *conn, bool alone)
{
	bool forgiven = true;

	switch (blame_verdict(conn, cmd)) {
	case INNOCENT:
		break;
	case LATE:
		if (conn->error == -ETIMEDOUT)
			nbd_piece_late(session, cmd);
		forgiven = blame_forgive_late(session, cmd, conn);
		break;
	case SUSPECT:
		forgiven = blame_forgive_death(session, cmd, conn, alone);
		break;
	}
	if (!forgiven && __ratelimit(&session->ratelimit))
		pr_err("nbd%u: %s %llu+%u failed: %s\n", session->index,
		       nbd_type_name(cmd->req.type), cmd->req.offset, cmd->req.length,
		       cmd->deaths < NBD_MAX_DEATHS ? "no server replied to it in time"
						    : "each connection that carried it was lost");
	return forgiven;
}

static void blame_suspect(struct nbd_session *session, struct nbd_cmd *cmd)
{
	unsigned long flags;

	WRITE_ONCE(cmd->conn, NULL);
	spin_lock_irqsave(&session->park_lock, flags);
	list_add_tail(&cmd->list, &session->suspects);
	spin_unlock_irqrestore(&session->park_lock, flags);
}

/* Resend or fail a command for which @conn has brought no result; the caller owns it */
static void blame_move_on(struct nbd_session *session, struct nbd_cmd *cmd,
			  const struct nbd_conn *conn, bool alone)
{
	if (cmd->pinned || nbd_session_is_ended(session) ||
	    !blame_forgive(session, cmd, conn, alone))
		nbd_cmd_abort(cmd);
	else if (cmd->deaths >= NBD_SUSPECT_DEATHS)
		blame_suspect(session, cmd);
	else
		nbd_dispatch_resubmit(session, cmd);
}

/*
 * Stop using a server that is being shut down: it has replied NBD_ESHUTDOWN on @conn.
 *
 * If @conn is in its slot, all connections stop taking commands, as the server may wait until the
 * last one is closed. What it has refused is parked until a new connection comes. With a
 * dead-connection timeout of 0 nothing is parked, so the other connections stay in use; so they do
 * during a replacement, which may be to another server.
 */
static void blame_drain_server(struct nbd_session *session, struct nbd_conn *conn)
{
	struct nbd_conn *other;
	u32 i;

	rcu_read_lock();
	if (!nbd_conn_drain(conn) || !READ_ONCE(session->dead_time) ||
	    rcu_access_pointer(session->slots[conn->index].conn) != conn)
		goto unlock;
	for (i = 0; i < session->nr_slots; i++) {
		other = rcu_dereference(session->slots[i].conn);
		/* As in dispatch_pick(): connections of a replacement may lead to another server */
		smp_rmb();
		if (READ_ONCE(session->quiesce_depth))
			break;
		if (other)
			nbd_conn_drain(other);
	}
unlock:
	rcu_read_unlock();
}

/**
 * nbd_blame_refused() - handle the reply ESHUTDOWN
 * @conn: connection whose receiver is the caller
 * @cmd: command that the reply is for
 *
 * The command is resent at once. If its payload is still being sent, or if it is pinned, it stays
 * with @conn until that is torn down, which also takes care of parked commands and suspects.
 *
 * Context: The receiver of @conn. Does not sleep.
 */
void nbd_blame_refused(struct nbd_conn *conn, struct nbd_cmd *cmd)
{
	struct nbd_session *session = conn->session;

	blame_drain_server(session, conn);
	nbd_cmd_refused(cmd);
	if (!cmd->pinned &&
	    atomic_cmpxchg(&cmd->pending, NBD_PENDING_REPLY, 0) == NBD_PENDING_REPLY)
		blame_move_on(session, cmd, conn, false);
}

/**
 * nbd_blame_redistribute() - resend or fail the commands of a connection that has ended
 * @conn: connection after nbd_conn_stop(), so that the caller owns its commands
 *
 * They are submitted in the order of the table. Those that are parked or become suspects are left
 * to nbd_dispatch_run_parked(), which the caller has to call next.
 *
 * Context: Process context. Takes park_lock.
 */
void nbd_blame_redistribute(struct nbd_conn *conn)
{
	struct nbd_session *session = conn->session;
	bool alone = nbd_cmd_count(&session->table, conn) == 1;
	struct nbd_cmd *cmd;
	u32 i;

	for (i = 0; i < session->table.total; i++) {
		cmd = &session->table.cmds[i];
		if (READ_ONCE(cmd->conn) != conn)
			continue;
		atomic_set(&cmd->pending, 0);
		blame_move_on(session, cmd, conn, alone);
	}
}

/* True if suspects may be sent by @conn now. Under RCU */
static bool blame_may_send(const struct nbd_session *session, const struct nbd_conn *conn)
{
	bool in_place = rcu_access_pointer(session->slots[conn->index].conn) == conn;

	/* If it sees a replacement, it sees that the session is quiesced, as dispatch_pick() */
	smp_rmb();
	return in_place && nbd_conn_usable(conn) && !READ_ONCE(session->quiesce_depth);
}

/* Reserve a usable connection for suspects. Return: the connection, referenced, or NULL */
static struct nbd_conn *blame_reserve_conn(struct nbd_session *session)
{
	struct nbd_conn *conn = NULL;
	u32 i;

	rcu_read_lock();
	for (i = 0; i < session->nr_slots; i++) {
		conn = rcu_dereference(session->slots[i].conn);
		if (conn && blame_may_send(session, conn) && kref_get_unless_zero(&conn->ref))
			break;
		conn = NULL;
	}
	rcu_read_unlock();
	if (!conn)
		return NULL;
	set_bit(NBD_CONN_ALONE, &conn->flags);
	/* Submitters that have found it open have queued their commands by then */
	synchronize_rcu_expedited();
	return conn;
}

/* Wait until a reserved connection has nothing in flight; false if it has ended */
static bool blame_wait_replied(struct nbd_session *session, struct nbd_conn *conn)
{
	nbd_send_kick(conn);
	while (nbd_cmd_count(&session->table, conn)) {
		if (!nbd_conn_usable(conn) || nbd_session_is_ended(session))
			return false;
		schedule_timeout_idle(1);
	}
	return true;
}

static struct nbd_cmd *blame_next_suspect(struct nbd_session *session)
{
	struct nbd_cmd *cmd;

	spin_lock_irq(&session->park_lock);
	cmd = list_first_entry_or_null(&session->suspects, struct nbd_cmd, list);
	if (cmd)
		list_del(&cmd->list);
	spin_unlock_irq(&session->park_lock);
	return cmd;
}

/* Send the next suspect; false if there is none, or @conn may not send it */
static bool blame_send_suspect(struct nbd_session *session, struct nbd_conn *conn)
{
	struct nbd_cmd *cmd = NULL;

	rcu_read_lock();
	if (blame_may_send(session, conn))
		cmd = blame_next_suspect(session);
	if (cmd && cmd->query && !nbd_query_possible(cmd->query, conn->ids))
		nbd_dispatch_resubmit(session, cmd);
	else if (cmd)
		nbd_dispatch_to(conn, cmd);
	rcu_read_unlock();
	return cmd;
}

static bool blame_has_suspects(struct nbd_session *session)
{
	bool has;

	spin_lock_irq(&session->park_lock);
	has = !list_empty(&session->suspects);
	spin_unlock_irq(&session->park_lock);
	return has;
}

/*
 * Send suspects, one at a time, by a connection without other commands. If the connection is lost,
 * nbd_blame_redistribute() queues the suspect again, or fails it. While no connection is usable,
 * suspects stay queued, as parked commands do.
 */
static void blame_alone_work(struct work_struct *work)
{
	struct nbd_session *session = container_of(work, struct nbd_session, alone_work);
	struct nbd_conn *conn;

	while (blame_has_suspects(session)) {
		conn = blame_reserve_conn(session);
		if (!conn)
			break;
		while (blame_wait_replied(session, conn) && blame_send_suspect(session, conn))
			;
		clear_bit(NBD_CONN_ALONE, &conn->flags);
		nbd_conn_put(conn);
		/* Commands may have been parked while it was reserved */
		nbd_dispatch_run_parked(session);
	}
}

/* Set up the sending of suspects for a session that is about to start */
void nbd_blame_init(struct nbd_session *session)
{
	INIT_WORK(&session->alone_work, blame_alone_work);
}
