// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blame: connections die, and some do so of a command. All commands may be carried out twice, so
 * those of a connection that is lost go to another one; but a command that kills each connection
 * that it is sent on must end. One that was moved from one dying connection to the next has killed
 * none of them, so a death counts only if the connection was made after the last one that did. Two
 * may be chance: then the command is sent alone, and if it dies with that, it was to blame.
 */
#include "error.h"
#include "map.h"
#include "session.h"

/* What the end of a connection says of the commands that it had */
enum verdict {
	INNOCENT,	/* nothing: it was taken out of use */
	LATE,		/* the server did not answer in time, or not any more */
	SUSPECT,	/* the server may have died of them, or have disconnected for them */
};

static enum verdict judge(const struct nbd_conn *conn, const struct nbd_cmd *cmd)
{
	if (cmd->refused || test_bit(NBD_CONN_LEAVING, &conn->flags))
		return LATE;
	switch (conn->error) {
	case 0:
		return INNOCENT;
	/* A request's time is up, or TCP has not heard of the peer for too long */
	case -ETIMEDOUT:
	case -EHOSTUNREACH:
	case -ENETUNREACH:
		return LATE;
	default:
		return SUSPECT;
	}
}

/* Count the death against the command, if it can be to blame; false if that is too much */
static bool count_death(struct nbd_cmd *cmd, const struct nbd_conn *conn)
{
	if (cmd->deaths && conn->born <= cmd->blamed)
		return true;
	cmd->deaths++;
	cmd->blamed = conn->died;
	return cmd->deaths < NBD_MAX_DEATHS;
}

/*
 * It is not the command's fault; but it does not go on like that for longer than the dead time. Of
 * that, the time that a server had it counts only if the server let the deadline pass.
 */
static bool forgive_late(const struct nbd_session *session, struct nbd_cmd *cmd,
			 const struct nbd_conn *conn)
{
	unsigned long flight = jiffies - READ_ONCE(cmd->started);
	u64 now = get_jiffies_64();

	if (!session->dead_time)
		return count_death(cmd, conn);
	if (!cmd->late) {
		cmd->late = now;
		return true;
	}
	if (!session->request_timeout || flight < session->request_timeout)
		cmd->late += flight;
	return session->dead_time == NBDCTL_TIME_FOREVER ||
	       time_before64(now, cmd->late + msecs_to_jiffies(session->dead_time));
}

/*
 * Some servers disconnect on a media error in a READ that they may answer in fragments, where they
 * report it to one with DF.
 */
static bool forgive_death(const struct nbd_session *session, struct nbd_cmd *cmd,
			  const struct nbd_conn *conn, bool alone)
{
	if (alone && cmd->req.type == NBD_READ)
		cmd->df = nbd_export_has(&session->export, NBD_TF_SEND_DF);
	return count_death(cmd, conn);
}

static bool forgive(struct nbd_session *session, struct nbd_cmd *cmd, const struct nbd_conn *conn,
		    bool alone)
{
	bool forgiven = true;

	switch (judge(conn, cmd)) {
	case INNOCENT:
		break;
	case LATE:
		if (conn->error == -ETIMEDOUT)
			nbd_piece_late(session, cmd);
		forgiven = forgive_late(session, cmd, conn);
		break;
	case SUSPECT:
		forgiven = forgive_death(session, cmd, conn, alone);
		break;
	}
	if (!forgiven && __ratelimit(&session->complaints))
		pr_err("nbd%u: %s %llu+%u fails, as %s\n", session->index,
		       nbd_type_name(cmd->req.type), cmd->req.offset, cmd->req.length,
		       cmd->deaths < NBD_MAX_DEATHS ? "no server has answered it in time" :
						      "connections die of it");
	return forgiven;
}

static void suspect(struct nbd_session *session, struct nbd_cmd *cmd)
{
	unsigned long flags;

	WRITE_ONCE(cmd->conn, NULL);
	spin_lock_irqsave(&session->park_lock, flags);
	list_add_tail(&cmd->list, &session->suspects);
	spin_unlock_irqrestore(&session->park_lock, flags);
}

/* A command has no answer from a connection that is over, or leaves; the caller has it alone */
static void move_on(struct nbd_session *session, struct nbd_cmd *cmd, const struct nbd_conn *conn,
		    bool alone)
{
	if (!cmd->rq || READ_ONCE(session->state) == NBDCTL_STATE_DEAD ||
	    !forgive(session, cmd, conn, alone))
		nbd_cmd_abort(cmd);
	else if (cmd->deaths >= NBD_SUSPECT_DEATHS)
		suspect(session, cmd);
	else
		nbd_session_resubmit(session, cmd);
}

/**
 * nbd_session_refused() - a server answers that it is being shut down
 * @session: the session
 * @conn: the caller is its receiver
 * @cmd: to this command
 *
 * It goes elsewhere at once, unless its payload is being sent: then it stays with the connection,
 * as does the session's own. Any context. The connection is taken down next, and that sees to
 * the parked and the suspects.
 */
void nbd_session_refused(struct nbd_session *session, struct nbd_conn *conn, struct nbd_cmd *cmd)
{
	nbd_session_leave(session, conn);
	nbd_cmd_refused(cmd);
	if (cmd->rq && atomic_cmpxchg(&cmd->halves, NBD_HALF_REPLY, 0) == NBD_HALF_REPLY)
		move_on(session, cmd, conn, false);
}

/**
 * nbd_session_redistribute() - move the commands of a connection to others
 * @session: the session
 * @conn: a connection that is in no slot and stopped, so its commands are the caller's
 *
 * They are submitted in the order of the table. The caller sees to the parked next.
 */
void nbd_session_redistribute(struct nbd_session *session, struct nbd_conn *conn)
{
	bool alone = nbd_cmd_count(&session->table, conn) == 1;
	struct nbd_cmd *cmd;
	u32 i;

	for (i = 0; i < session->table.total; i++) {
		cmd = &session->table.cmds[i];
		if (READ_ONCE(cmd->conn) != conn)
			continue;
		atomic_set(&cmd->halves, 0);
		move_on(session, cmd, conn, alone);
	}
}

/* May a suspect be sent by this connection? Under RCU */
static bool is_ours(const struct nbd_session *session, const struct nbd_conn *conn)
{
	bool in_place = rcu_access_pointer(session->slots[conn->index].conn) == conn;

	/* One that sees a replacement sees the hold before it, as in pick() */
	smp_rmb();
	return in_place && nbd_conn_usable(conn) && !READ_ONCE(session->holds);
}

/* Take a connection out of common use; the caller has a reference then, or NULL */
static struct nbd_conn *set_apart(struct nbd_session *session)
{
	struct nbd_conn *conn = NULL;
	u32 i;

	rcu_read_lock();
	for (i = 0; i < session->nr_slots; i++) {
		conn = rcu_dereference(session->slots[i].conn);
		if (conn && is_ours(session, conn) && kref_get_unless_zero(&conn->ref))
			break;
		conn = NULL;
	}
	rcu_read_unlock();
	if (!conn)
		return NULL;
	set_bit(NBD_CONN_ALONE, &conn->flags);
	/* Who has found it open has given it what it had by then */
	synchronize_rcu_expedited();
	return conn;
}

/* Wait until a connection that is set apart has answered what it has; false if it is over */
static bool wait_answered(struct nbd_session *session, struct nbd_conn *conn)
{
	nbd_conn_kick(conn);
	while (nbd_cmd_count(&session->table, conn)) {
		if (!nbd_conn_usable(conn) || READ_ONCE(session->state) == NBDCTL_STATE_DEAD)
			return false;
		schedule_timeout_idle(1);
	}
	return true;
}

static struct nbd_cmd *next_suspect(struct nbd_session *session)
{
	struct nbd_cmd *cmd;

	spin_lock_irq(&session->park_lock);
	cmd = list_first_entry_or_null(&session->suspects, struct nbd_cmd, list);
	if (cmd)
		list_del(&cmd->list);
	spin_unlock_irq(&session->park_lock);
	return cmd;
}

/* Send one; false if there is none, or it can't be by this connection */
static bool send_suspect(struct nbd_session *session, struct nbd_conn *conn)
{
	struct nbd_cmd *cmd = NULL;

	rcu_read_lock();
	if (is_ours(session, conn))
		cmd = next_suspect(session);
	if (cmd && cmd->query && !nbd_query_possible(cmd->query, conn))
		nbd_session_resubmit(session, cmd);
	else if (cmd)
		nbd_session_dispatch(conn, cmd);
	rcu_read_unlock();
	return cmd;
}

static bool has_suspects(struct nbd_session *session)
{
	bool has;

	spin_lock_irq(&session->park_lock);
	has = !list_empty(&session->suspects);
	spin_unlock_irq(&session->park_lock);
	return has;
}

/*
 * Send suspects, one at a time, by a connection that has nothing else. If that dies, its commands
 * come back here by nbd_session_redistribute(). Without a connection they wait as the parked do.
 */
void nbd_session_alone_work(struct work_struct *work)
{
	struct nbd_session *session = container_of(work, struct nbd_session, alone_work);
	struct nbd_conn *conn;

	while (has_suspects(session)) {
		conn = set_apart(session);
		if (!conn)
			break;
		while (wait_answered(session, conn) && send_suspect(session, conn))
			;
		clear_bit(NBD_CONN_ALONE, &conn->flags);
		nbd_conn_put(conn);
		/* Others may have waited for it */
		nbd_session_settle_parked(session);
	}
}
