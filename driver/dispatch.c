// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dispatch: a command goes to a connection that works; without one it is parked if one may still
 * come, else it fails. blame.c has a command that lost its connection dispatched again; slots.c has
 * parked commands run or failed when the set of connections has changed.
 */
#include "batch.h"
#include "conn.h"
#include "dispatch.h"
#include "error.h"
#include "pieces.h"
#include "query.h"
#include "send.h"
#include "session.h"

/* True if a command may wait for a connection to come */
static bool dispatch_may_park(const struct nbd_session *session)
{
	lockdep_assert_held(&session->park_lock);
	return !nbd_session_is_ended(session) && !session->gave_up &&
	       READ_ONCE(session->dead_time);
}

/* Slots of each hardware queue; some belong to two queues if the division has a remainder */
static u32 dispatch_slots_per_queue(const struct nbd_session *session)
{
	return DIV_ROUND_UP(session->nr_slots, session->table.queues);
}

/* Number of one of the queue's slots, selected by @turn */
static u32 dispatch_queue_slot(const struct nbd_session *session, u32 queue, u32 turn)
{
	u32 nth = turn % dispatch_slots_per_queue(session);

	return (queue + session->table.queues * nth) % session->nr_slots;
}

/* Number of the queue's current slot */
static u32 dispatch_current_slot(const struct nbd_session *session, u32 queue)
{
	return dispatch_queue_slot(session, queue, READ_ONCE(session->queues[queue].turn));
}

/*
 * Pick a connection that takes commands and whose server has the contexts of a query: that in the
 * queue's current slot, else in the next slot by number, of any queue. @healthy says whether any
 * connection takes commands. While the session is quiesced it is false, and nothing is picked.
 * Under RCU.
 */
static struct nbd_conn *dispatch_pick(struct nbd_session *session, const struct nbd_cmd *cmd,
				      u32 queue, bool *healthy)
{
	u32 first = dispatch_current_slot(session, queue);
	u32 n = session->nr_slots, i;
	struct nbd_conn *conn;

	*healthy = false;
	for (i = 0; i < n; i++) {
		conn = rcu_dereference(session->slots[(first + i) % n].conn);
		if (!conn || !nbd_conn_open(conn))
			continue;
		*healthy = true;
		if (!cmd->query || nbd_query_possible(cmd->query, conn->ids))
			break;
	}
	/* Pairs with slots_swap(): after a replacement, the session is seen to be quiesced */
	smp_rmb();
	if (unlikely(READ_ONCE(session->quiesce_depth)))
		*healthy = false;
	return *healthy && i < n ? conn : NULL;
}

/*
 * Park a command for which no connection was found, or fail it.
 *
 * A connection that has failed but is still in its slot counts as one to come: its teardown settles
 * the parked commands. False if that has happened since @epoch was read; the caller then picks
 * again.
 */
static bool dispatch_park(struct nbd_session *session, struct nbd_cmd *cmd, u32 epoch)
{
	unsigned long flags;
	bool parked;

	spin_lock_irqsave(&session->park_lock, flags);
	if (session->epoch != epoch) {
		spin_unlock_irqrestore(&session->park_lock, flags);
		return false;
	}
	parked = session->usable || dispatch_may_park(session) ||
		 (session->quiesce_depth && !nbd_session_is_ended(session));
	if (parked)
		list_add_tail(&cmd->list, &session->parked);
	spin_unlock_irqrestore(&session->park_lock, flags);
	if (!parked)
		nbd_cmd_abort(cmd);
	return true;
}

static void dispatch_set_df(struct nbd_cmd *cmd, bool df)
{
	cmd->req.flags = df ? cmd->req.flags | NBD_CMD_FLAG_DF : cmd->req.flags & ~NBD_CMD_FLAG_DF;
}

/**
 * nbd_dispatch_to() - queue a command on a connection
 * @conn: connection found in its slot, under RCU; or the caller is its receiver, and resends @cmd
 * @cmd: prepared command, owned by the caller
 *
 * The sender is not started, see nbd_send_kick().
 *
 * Context: Any context.
 */
void nbd_dispatch_to(struct nbd_conn *conn, struct nbd_cmd *cmd)
{
	if (cmd->query)
		nbd_query_restart(cmd->query);
	if (unlikely(cmd->df))
		dispatch_set_df(cmd, !test_bit(NBD_CONN_NO_DF, &conn->flags));
	if (unlikely(nbd_cmd_is_long(cmd)))
		nbd_piece_cut(conn->session, cmd);
	nbd_send_queue(conn, cmd);
}

/* Connection in one of the queue's slots, or NULL; under RCU */
static struct nbd_conn *dispatch_queue_conn(struct nbd_session *session, u32 queue, u32 turn)
{
	return rcu_dereference(session->slots[dispatch_queue_slot(session, queue, turn)].conn);
}

/* Sum of @count over the connections in the queue's slots; under RCU */
static __always_inline u32
dispatch_sum_queue_slots(const struct nbd_session_queue *q,
			 u32 (*count)(const struct nbd_conn *conn))
{
	u32 queue = q - q->session->queues, sum = 0, i;
	struct nbd_conn *conn;

	for (i = 0; i < dispatch_slots_per_queue(q->session); i++) {
		conn = dispatch_queue_conn(q->session, queue, i);
		if (conn)
			sum += count(conn);
	}
	return sum;
}

static void dispatch_kick_queue_slots(const struct nbd_session_queue *q,
				      void (*kick)(struct nbd_conn *conn))
{
	u32 queue = q - q->session->queues, i;
	struct nbd_conn *conn;

	for (i = 0; i < dispatch_slots_per_queue(q->session); i++) {
		conn = dispatch_queue_conn(q->session, queue, i);
		if (conn)
			kick(conn);
	}
}

/**
 * nbd_dispatch_kick() - send the queued commands of a hardware queue, or hold them back
 * @session: the session
 * @queue: number of the hardware queue
 *
 * They are held back if a larger batch is likely. Else the queue's next slot becomes the current
 * one.
 *
 * Context: Process or softirq context with interrupts enabled, does not sleep.
 */
void nbd_dispatch_kick(struct nbd_session *session, u32 queue)
{
	struct nbd_session_queue *q = &session->queues[queue];
	u32 queued, inflight = 0;

	rcu_read_lock();
	queued = dispatch_sum_queue_slots(q, nbd_send_queued);
	if (!queued)
		goto unlock;
	if (nbd_batch_is_paused(&q->batch))
		inflight = dispatch_sum_queue_slots(q, nbd_send_inflight);
	if (!nbd_batch_hold(&q->batch, queued, inflight)) {
		dispatch_kick_queue_slots(q, nbd_send_kick);
		nbd_batch_account(&q->batch);
		WRITE_ONCE(q->turn, q->turn + 1);
	}
unlock:
	rcu_read_unlock();
}

/* The timer of request batching: no further command was submitted for a while */
static enum hrtimer_restart dispatch_batch_timer(struct hrtimer *timer)
{
	struct nbd_batch *b = container_of(timer, struct nbd_batch, timer);
	struct nbd_session_queue *q = container_of(b, struct nbd_session_queue, batch);
	enum hrtimer_restart again = HRTIMER_RESTART;
	u32 queued;

	rcu_read_lock();
	if (dispatch_sum_queue_slots(q, nbd_send_queued) && nbd_batch_extend(b))
		goto unlock;
	again = HRTIMER_NORESTART;
	nbd_batch_disarm(b);
	queued = dispatch_sum_queue_slots(q, nbd_send_queued);
	if (queued) {
		nbd_hold_expired(&b->hold, queued, dispatch_sum_queue_slots(q, nbd_send_inflight));
		dispatch_kick_queue_slots(q, nbd_send_kick_later);
	}
unlock:
	rcu_read_unlock();
	return again;
}

/**
 * nbd_dispatch_replied() - send commands that are held back, after replies have come
 * @conn: connection whose receiver is the caller
 * @locked: the caller holds the spinlock of a socket that is used in place and that no task owns
 *
 * Only if the server may soon be idle. The same is done for the other slots of the first queue that
 * submits to @conn's: a submitter that waits for these replies may have commands held back there.
 *
 * Context: Softirq or process context with interrupts enabled. Does not sleep.
 */
void nbd_dispatch_replied(struct nbd_conn *conn, bool locked)
{
	struct nbd_session *session = conn->session;
	u32 queue = conn->index % session->table.queues, i;
	struct nbd_conn *other;

	if (locked)
		nbd_send_kick_idle_locked(conn);
	else
		nbd_send_kick_idle(conn);
	if (session->nr_slots == 1)
		return;
	rcu_read_lock();
	for (i = 0; i < dispatch_slots_per_queue(session); i++) {
		other = dispatch_queue_conn(session, queue, i);
		if (other && other != conn)
			nbd_send_kick_idle(other);
	}
	rcu_read_unlock();
}

/**
 * nbd_dispatch() - send a command over any connection, or park it
 * @session: the session
 * @cmd: prepared command; its request, if any, was started
 * @queue: number of the hardware queue that it came from
 * @kick: no other command follows at once
 *
 * Commands that came before this one may be queued on other slots of the hardware queue, so @kick
 * starts the senders of all of them.
 *
 * Context: Process or softirq context with interrupts enabled, does not sleep.
 */
void nbd_dispatch(struct nbd_session *session, struct nbd_cmd *cmd, u32 queue, bool kick)
{
	struct nbd_conn *conn;
	bool healthy;
	u32 epoch;

	rcu_read_lock();
	do {
		/* Before the slots; pairs with nbd_dispatch_run_parked() */
		epoch = smp_load_acquire(&session->epoch);
		conn = dispatch_pick(session, cmd, queue, &healthy);
		if (conn) {
			nbd_dispatch_to(conn, cmd);
			/* nbd_dispatch_kick() may not cover a slot other than the current one */
			if (conn->index != dispatch_current_slot(session, queue))
				nbd_send_kick(conn);
			break;
		}
		/* Connections work, but none of their servers has the queried contexts any more */
		if (healthy) {
			nbd_cmd_abort(cmd);
			break;
		}
	} while (!dispatch_park(session, cmd, epoch));
	rcu_read_unlock();
	if (kick)
		nbd_dispatch_kick(session, queue);
}

/**
 * nbd_dispatch_timeout() - check a command against the request timeout
 * @session: the session
 * @cmd: command to whose request blk-mq holds a reference
 *
 * If the current connection has had it for that long, the connection fails, and its teardown
 * resends the command. Parked commands are subject to the dead-connection timeout instead.
 *
 * Context: Any context.
 */
void nbd_dispatch_timeout(struct nbd_session *session, struct nbd_cmd *cmd)
{
	struct nbd_conn *conn;

	rcu_read_lock();
	conn = READ_ONCE(cmd->conn);
	if (conn && !nbd_conn_failed(conn) &&
	    nbd_session_overdue(session, READ_ONCE(cmd->started))) {
		if (__ratelimit(&session->ratelimit))
			pr_warn("nbd%u: conn %u: no reply to %s %llu+%u in %u ms\n", session->index,
				conn->index, nbd_type_name(cmd->req.type), cmd->req.offset,
				cmd->req.length,
				jiffies_to_msecs(READ_ONCE(session->request_timeout)));
		nbd_conn_fail(conn, -ETIMEDOUT);
	}
	rcu_read_unlock();
}

/**
 * nbd_dispatch_resubmit() - resend a command over any connection, or park it
 * @session: the session
 * @cmd: command owned by the caller, on no list
 *
 * Context: Process or softirq context with interrupts enabled, does not sleep.
 */
void nbd_dispatch_resubmit(struct nbd_session *session, struct nbd_cmd *cmd)
{
	WRITE_ONCE(cmd->conn, NULL);
	nbd_dispatch(session, cmd, nbd_cmd_queue(&session->table, cmd), true);
}

/* The internal command of a detach; those before it are the slots' */
static struct nbd_cmd *dispatch_flush_cmd(struct nbd_session *session)
{
	return &session->table.cmds[session->table.total - 1];
}

/**
 * nbd_dispatch_time_flush() - check the flush of an orderly detach against the request timeout
 * @session: the session
 *
 * blk-mq does not time internal commands, so the function that waits for this one calls it. After a
 * detach that was called off, that may be the tear-down of its connection.
 *
 * Context: Any.
 */
void nbd_dispatch_time_flush(struct nbd_session *session)
{
	nbd_dispatch_timeout(session, dispatch_flush_cmd(session));
}

/* Take a command off the list, if it is there; under park_lock */
static bool dispatch_unlist(struct list_head *list, const struct nbd_cmd *cmd)
{
	struct nbd_cmd *each;

	list_for_each_entry(each, list, list) {
		if (each == cmd) {
			list_del(&each->list);
			return true;
		}
	}
	return false;
}

/**
 * nbd_dispatch_end_flush() - end the flush of a detach that was called off
 * @session: session that is being drained
 *
 * If it waits for a connection, it fails. If a connection has sent it, the server must reply first,
 * or the connection end.
 *
 * Context: Process context, does not sleep. The work item of a detach. Takes the session's
 * park_lock.
 * Return: false if it is still in flight.
 */
bool nbd_dispatch_end_flush(struct nbd_session *session)
{
	struct nbd_cmd *cmd = dispatch_flush_cmd(session);
	bool waits;

	if (!session->flushing)
		return true;
	spin_lock_irq(&session->park_lock);
	waits = dispatch_unlist(&session->parked, cmd) || dispatch_unlist(&session->suspects, cmd);
	spin_unlock_irq(&session->park_lock);
	if (waits)
		nbd_cmd_abort(cmd);
	if (!try_wait_for_completion(&session->flushed)) {
		nbd_dispatch_time_flush(session);
		return false;
	}
	session->flushing = false;
	return true;
}

/**
 * nbd_dispatch_flush() - send a flush for an orderly detach
 * @session: session that is being drained, after nbd_dispatch_end_flush()
 *
 * It is sent over any connection, is parked and resent as the commands of requests are, and
 * completes in nbd_dispatch_wait_flushed().
 *
 * Context: Process context, does not sleep. The work item of a detach.
 */
void nbd_dispatch_flush(struct nbd_session *session)
{
	struct nbd_cmd *cmd;

	session->flushing = true;
	cmd = nbd_cmd_init_internal(&session->table, session->nr_slots, NBD_CMD_FLUSH,
				    &session->flushed);
	nbd_dispatch(session, cmd, 0, true);
}

/**
 * nbd_dispatch_wait_flushed() - wait for the flush of an orderly detach
 * @session: session after nbd_dispatch_flush()
 * @timeout: in jiffies
 *
 * Context: Process context, sleeps. The work item of a detach.
 * Return: 0, or how it failed: the error of the server, or -EIO if no server replied; -ETIMEDOUT if
 * it is still in flight.
 */
int nbd_dispatch_wait_flushed(struct nbd_session *session, unsigned long timeout)
{
	struct nbd_cmd *cmd = dispatch_flush_cmd(session);

	if (!wait_for_completion_timeout(&session->flushed, timeout)) {
		nbd_dispatch_time_flush(session);
		return -ETIMEDOUT;
	}
	session->flushing = false;
	return cmd->error ? nbd_error_to_errno(cmd->error) : blk_status_to_errno(cmd->status);
}

/* Move the parked commands to a list of the caller, for it to submit or to fail */
static void dispatch_take_parked(struct nbd_session *session, struct list_head *parked)
{
	spin_lock_irq(&session->park_lock);
	list_splice_init(&session->parked, parked);
	spin_unlock_irq(&session->park_lock);
}

static void dispatch_unpark(struct nbd_session *session)
{
	struct nbd_cmd *cmd, *next;
	LIST_HEAD(parked);

	dispatch_take_parked(session, &parked);
	list_for_each_entry_safe(cmd, next, &parked, list)
		nbd_dispatch_resubmit(session, cmd);
}

/**
 * nbd_dispatch_fail_parked() - fail the parked commands and the suspects
 * @session: session whose dead-connection timeout has expired, or that ends
 *
 * Context: Process context, does not sleep. Takes the session's park_lock; the caller may hold its
 * lock.
 */
void nbd_dispatch_fail_parked(struct nbd_session *session)
{
	struct nbd_cmd *cmd, *next;
	LIST_HEAD(parked);

	dispatch_take_parked(session, &parked);
	spin_lock_irq(&session->park_lock);
	list_splice_init(&session->suspects, &parked);
	spin_unlock_irq(&session->park_lock);
	list_for_each_entry_safe(cmd, next, &parked, list)
		nbd_cmd_abort(cmd);
}

/**
 * nbd_dispatch_run_parked() - submit or fail parked commands after a change
 * @session: session whose connections or quiesce depth have changed
 *
 * They fail if there is no connection and none may come. They stay parked if one may, or while the
 * session is quiesced. Suspects are left to alone_work.
 *
 * Context: Process context, does not sleep. Takes the session's park_lock; the caller may hold its
 * lock.
 */
void nbd_dispatch_run_parked(struct nbd_session *session)
{
	bool usable, wait, suspects;

	spin_lock_irq(&session->park_lock);
	/* After the slots; pairs with nbd_dispatch() */
	smp_store_release(&session->epoch, session->epoch + 1);
	usable = session->usable && !session->quiesce_depth;
	wait = session->quiesce_depth || dispatch_may_park(session);
	suspects = !list_empty(&session->suspects);
	spin_unlock_irq(&session->park_lock);
	if (usable && suspects)
		queue_work(nbd_ctl_wq, &session->alone_work);
	if (usable)
		dispatch_unpark(session);
	else if (!wait)
		nbd_dispatch_fail_parked(session);
}

/* Set up the request batching of a session that is about to start */
void nbd_dispatch_init(struct nbd_session *session)
{
	u32 i;

	for (i = 0; i < session->table.queues; i++)
		nbd_batch_init(&session->queues[i].batch, dispatch_batch_timer);
}

/* Stop the request batching of a session without connections. Process context. */
void nbd_dispatch_stop(struct nbd_session *session)
{
	u32 i;

	for (i = 0; i < session->table.queues; i++)
		nbd_batch_stop(&session->queues[i].batch);
}
