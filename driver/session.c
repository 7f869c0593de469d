// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions: dispatch of commands. A command goes to a connection that works; without one it is
 * parked if one may still come, else it fails. A command that has lost its connection is submitted
 * again, unless blame.c fails it. slots.c fills and empties the slots.
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "error.h"
#include "query.h"
#include "session.h"
#include "trace.h"

struct workqueue_struct *nbd_ctl_wq;

static atomic64_t last_number;

/*
 * Numbers begin with the time since boot, so that none is used again after the module was reloaded.
 * Microseconds fit into a double, in which some programs keep numbers.
 */
void nbd_sessions_init(void)
{
	atomic64_set(&last_number, ktime_to_us(ktime_get_boottime()));
}

static void free_work(struct work_struct *work)
{
	struct nbd_session *session = container_of(work, struct nbd_session, free_work);
	u32 i;

	for (i = 0; i < session->table.queues; i++)
		nbd_gather_stop(&session->queues[i].gather);
	for (i = 0; i < session->export.nr_contexts; i++)
		kfree(session->export.contexts[i]);
	kfree(session->export.contexts);
	nbd_cmd_table_free(&session->table);
	kfree(session->queues);
	kfree(session->identifier);
	kfree(session->display);
	kfree(session);
}

/*
 * Tell lockdep that reclaim takes @lock: reclaim may write to a disk that waits for a connection,
 * and replacing that takes @lock. So its holder must not allocate with GFP_KERNEL, nor wait for a
 * task that does.
 */
static void needed_by_reclaim(struct mutex *lock)
{
	fs_reclaim_acquire(GFP_KERNEL);
	might_lock(lock);
	fs_reclaim_release(GFP_KERNEL);
}

/**
 * nbd_session_alloc() - allocate a session
 * @nr_slots: number of connections that it will have
 *
 * Context: Process context, may sleep.
 * Return: the session in NBDCTL_STATE_SETUP, with one reference; or NULL.
 */
struct nbd_session *nbd_session_alloc(u32 nr_slots)
{
	struct nbd_session *session;
	u32 i;

	session = kzalloc(struct_size(session, slots, nr_slots), GFP_KERNEL);
	if (!session)
		return NULL;
	kref_init(&session->ref);
	session->number = atomic64_inc_return(&last_number);
	mutex_init(&session->lock);
	needed_by_reclaim(&session->lock);
	init_waitqueue_head(&session->left);
	spin_lock_init(&session->park_lock);
	INIT_LIST_HEAD(&session->parked);
	INIT_LIST_HEAD(&session->suspects);
	INIT_WORK(&session->alone_work, nbd_session_alone_work);
	INIT_DELAYED_WORK(&session->dead_work, nbd_session_dead_work);
	INIT_WORK(&session->free_work, free_work);
	ratelimit_state_init(&session->complaints, DEFAULT_RATELIMIT_INTERVAL,
			     DEFAULT_RATELIMIT_BURST);
	sema_init(&session->queries, NBD_QUERY_TAGS);
	init_completion(&session->flushed);
	session->state = NBDCTL_STATE_SETUP;
	session->nr_slots = nr_slots;
	for (i = 0; i < nr_slots; i++)
		mutex_init(&session->slots[i].flush_lock);
	return session;
}

/**
 * nbd_session_shape() - allocate what depends on the device
 * @session: session in NBDCTL_STATE_SETUP, with its negotiated parameters
 * @index: number of the device
 * @queues: number of hardware queues
 * @depth: tags of each hardware queue, reserved ones included
 *
 * Context: Process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int nbd_session_shape(struct nbd_session *session, u32 index, u32 queues, u32 depth)
{
	u32 i;

	session->index = index;
	nbd_pieces_init(session);
	session->queues = kcalloc(queues, sizeof(*session->queues), GFP_KERNEL);
	if (!session->queues)
		return -ENOMEM;
	for (i = 0; i < queues; i++) {
		session->queues[i].session = session;
		nbd_gather_init(&session->queues[i].gather);
	}
	return nbd_cmd_table_alloc(&session->table, queues, depth,
				   session->nr_slots + 1);
}

void nbd_session_get(struct nbd_session *session)
{
	kref_get(&session->ref);
}

static void release(struct kref *ref)
{
	struct nbd_session *session = container_of(ref, struct nbd_session, ref);

	queue_work(nbd_ctl_wq, &session->free_work);
}

/* Any context: the session is freed by a work item */
void nbd_session_put(struct nbd_session *session)
{
	kref_put(&session->ref, release);
}

/**
 * nbd_session_set_display() - replace the human-readable origin of a session
 * @session: the session
 * @display: kmalloc'ed text, owned by the session from now on
 *
 * Context: Process context, may sleep. Takes the session's lock.
 * Return: the previous text or NULL, for kfree().
 */
char *nbd_session_set_display(struct nbd_session *session, char *display)
{
	mutex_lock(&session->lock);
	swap(session->display, display);
	mutex_unlock(&session->lock);
	return display;
}

/* True if a command may wait for a connection to come */
static bool may_park(const struct nbd_session *session)
{
	lockdep_assert_held(&session->park_lock);
	return session->state != NBDCTL_STATE_DEAD && !session->gave_up && session->dead_time;
}

/* Slots of each hardware queue; some belong to two queues if the division has a remainder */
static u32 nr_homes(const struct nbd_session *session)
{
	return DIV_ROUND_UP(session->nr_slots, session->table.queues);
}

/* Number of one of the queue's slots, selected by @turn */
static u32 home(const struct nbd_session *session, u32 queue, u32 turn)
{
	return (queue + session->table.queues * (turn % nr_homes(session))) % session->nr_slots;
}

/* Number of the queue's current slot */
static u32 next_home(const struct nbd_session *session, u32 queue)
{
	return home(session, queue, READ_ONCE(session->queues[queue].turn));
}

/*
 * Pick a connection that takes commands and whose server has the contexts of a query: that in the
 * queue's current slot, else in the next slot by number, of any queue. @healthy says whether any
 * connection takes commands. While the session is held it is false, and nothing is picked. Under
 * RCU.
 */
static struct nbd_conn *pick(struct nbd_session *session, const struct nbd_cmd *cmd, u32 queue,
			     bool *healthy)
{
	u32 first = next_home(session, queue);
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
	/* Pairs with swap_conn(): if a slot had a replacement, the hold before it is seen */
	smp_rmb();
	if (unlikely(READ_ONCE(session->holds)))
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
static bool park(struct nbd_session *session, struct nbd_cmd *cmd, u32 epoch)
{
	unsigned long flags;
	bool parked;

	spin_lock_irqsave(&session->park_lock, flags);
	if (session->epoch != epoch) {
		spin_unlock_irqrestore(&session->park_lock, flags);
		return false;
	}
	parked = session->usable || may_park(session) ||
		 (session->holds && session->state != NBDCTL_STATE_DEAD);
	if (parked)
		list_add_tail(&cmd->list, &session->parked);
	spin_unlock_irqrestore(&session->park_lock, flags);
	if (!parked)
		nbd_cmd_abort(cmd);
	return true;
}

static void set_df(struct nbd_cmd *cmd, bool df)
{
	cmd->req.flags = df ? cmd->req.flags | NBD_CF_DF : cmd->req.flags & ~NBD_CF_DF;
}

/**
 * nbd_session_dispatch() - queue a command on a connection
 * @conn: connection found in its slot, under RCU; or the caller is its receiver, and resends @cmd
 * @cmd: prepared command, owned by the caller
 *
 * The sender is not started, see nbd_conn_kick().
 *
 * Context: Any context.
 */
void nbd_session_dispatch(struct nbd_conn *conn, struct nbd_cmd *cmd)
{
	if (cmd->query)
		nbd_query_restart(cmd->query);
	if (unlikely(cmd->df))
		set_df(cmd, !test_bit(NBD_CONN_NO_DF, &conn->flags));
	if (unlikely(nbd_cmd_is_long(cmd)))
		nbd_piece_cut(conn->session, cmd);
	nbd_conn_submit(conn, cmd);
}

/* Connection in one of the queue's slots, or NULL; under RCU */
static struct nbd_conn *home_conn(struct nbd_session *session, u32 queue, u32 turn)
{
	return rcu_dereference(session->slots[home(session, queue, turn)].conn);
}

/* Sum of @count over the connections in the queue's slots; under RCU */
static __always_inline u32
sum_homes(const struct nbd_session_queue *q, u32 (*count)(const struct nbd_conn *conn))
{
	u32 queue = q - q->session->queues, sum = 0, i;
	struct nbd_conn *conn;

	for (i = 0; i < nr_homes(q->session); i++) {
		conn = home_conn(q->session, queue, i);
		if (conn)
			sum += count(conn);
	}
	return sum;
}

static void kick_homes(const struct nbd_session_queue *q, void (*kick)(struct nbd_conn *conn))
{
	u32 queue = q - q->session->queues, i;
	struct nbd_conn *conn;

	for (i = 0; i < nr_homes(q->session); i++) {
		conn = home_conn(q->session, queue, i);
		if (conn)
			kick(conn);
	}
}

/**
 * nbd_session_kick() - send the queued commands of a hardware queue, or hold them back
 * @session: the session
 * @queue: number of the hardware queue
 *
 * They are held back if a larger batch is likely. Else the queue's next slot becomes the current
 * one.
 *
 * Context: Process or softirq context with interrupts enabled, does not sleep.
 */
void nbd_session_kick(struct nbd_session *session, u32 queue)
{
	struct nbd_session_queue *q = &session->queues[queue];
	u32 waiting;

	rcu_read_lock();
	waiting = sum_homes(q, nbd_conn_waiting);
	if (waiting && !nbd_gather(&q->gather, waiting)) {
		kick_homes(q, nbd_conn_kick);
		nbd_gather_sent(&q->gather);
		WRITE_ONCE(q->turn, q->turn + 1);
	}
	rcu_read_unlock();
}

/* Commands queued on the queue's connections, as nbd_conn_waiting() counts. Any context. */
u32 nbd_gather_waiting(struct nbd_gather *g)
{
	u32 waiting;

	rcu_read_lock();
	waiting = sum_homes(container_of(g, struct nbd_session_queue, gather), nbd_conn_waiting);
	rcu_read_unlock();
	return waiting;
}

/* Commands that the queue's connections have in flight, roughly. Any context. */
u32 nbd_gather_under_way(struct nbd_gather *g)
{
	u32 under_way;

	rcu_read_lock();
	under_way = sum_homes(container_of(g, struct nbd_session_queue, gather),
			      nbd_conn_under_way);
	rcu_read_unlock();
	return under_way;
}

/* Queue the senders, for what the hardware queue has held back. Any context. */
void nbd_gather_over(struct nbd_gather *g)
{
	rcu_read_lock();
	kick_homes(container_of(g, struct nbd_session_queue, gather), nbd_conn_kick_later);
	rcu_read_unlock();
}

/**
 * nbd_session_answered() - send commands held back for other slots of a hardware queue
 * @session: the session
 * @conn: connection that has received replies, and has sent its own commands
 *
 * The queue is the first one that submits to @conn's slot. Connections whose servers still have
 * enough in flight send nothing.
 *
 * Context: Process or softirq context with interrupts enabled, does not sleep. The caller may hold
 * the spinlock of @conn's socket.
 */
void nbd_session_answered(struct nbd_session *session, const struct nbd_conn *conn)
{
	u32 queue = conn->index % session->table.queues, i;
	struct nbd_conn *other;

	rcu_read_lock();
	for (i = 0; i < nr_homes(session); i++) {
		other = home_conn(session, queue, i);
		if (other && other != conn)
			nbd_conn_kick_idle(other);
	}
	rcu_read_unlock();
}

/**
 * nbd_session_submit() - send a command over any connection, or park it
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
void nbd_session_submit(struct nbd_session *session, struct nbd_cmd *cmd, u32 queue, bool kick)
{
	struct nbd_conn *conn;
	bool healthy;
	u32 epoch;

	rcu_read_lock();
	do {
		/* Before the slots; pairs with nbd_session_settle_parked() */
		epoch = smp_load_acquire(&session->epoch);
		conn = pick(session, cmd, queue, &healthy);
		if (conn) {
			nbd_session_dispatch(conn, cmd);
			/* nbd_session_kick() may not cover a slot other than the current one */
			if (conn->index != next_home(session, queue))
				nbd_conn_kick(conn);
			break;
		}
		/* Connections work, but none of their servers has the queried contexts any more */
		if (healthy) {
			nbd_cmd_abort(cmd);
			break;
		}
	} while (!park(session, cmd, epoch));
	rcu_read_unlock();
	if (kick)
		nbd_session_kick(session, queue);
}

/**
 * nbd_session_timeout() - check a command against the request timeout
 * @session: the session
 * @cmd: command to whose request blk-mq holds a reference
 *
 * If the current connection has had it for that long, the connection fails, and its teardown
 * resends the command. Parked commands are subject to the dead-connection timeout instead.
 *
 * Context: Any context.
 */
void nbd_session_timeout(struct nbd_session *session, struct nbd_cmd *cmd)
{
	struct nbd_conn *conn;

	rcu_read_lock();
	conn = READ_ONCE(cmd->conn);
	if (conn && session->request_timeout && !nbd_conn_failed(conn) &&
	    time_after_eq(jiffies, READ_ONCE(cmd->started) + session->request_timeout)) {
		if (__ratelimit(&session->complaints))
			pr_warn("nbd%u: conn %u: no answer to %s %llu+%u in %u ms\n",
				session->index, conn->index, nbd_type_name(cmd->req.type),
				cmd->req.offset, cmd->req.length,
				jiffies_to_msecs(session->request_timeout));
		nbd_conn_fail(conn, -ETIMEDOUT);
	}
	rcu_read_unlock();
}

/**
 * nbd_session_leave() - stop using a server that is being shut down
 * @session: the session
 * @conn: connection on which the server has replied NBD_ESHUTDOWN
 *
 * If @conn is in its slot, all connections stop taking commands, as the server may wait until the
 * last one is closed. What it has refused is parked until a new connection comes. With a
 * dead-connection timeout of 0 nothing is parked, so the other connections stay in use; so they do
 * during a replacement, which may be to another server.
 *
 * Context: Any context.
 */
void nbd_session_leave(struct nbd_session *session, struct nbd_conn *conn)
{
	struct nbd_conn *other;
	u32 i;

	rcu_read_lock();
	if (!nbd_conn_leave(conn) || !session->dead_time ||
	    rcu_access_pointer(session->slots[conn->index].conn) != conn)
		goto unlock;
	for (i = 0; i < session->nr_slots; i++) {
		other = rcu_dereference(session->slots[i].conn);
		/* As in pick(): connections of a replacement may lead to another server */
		smp_rmb();
		if (READ_ONCE(session->holds))
			break;
		if (other)
			nbd_conn_leave(other);
	}
unlock:
	rcu_read_unlock();
}

/**
 * nbd_session_resubmit() - resend a command over any connection, or park it
 * @session: the session
 * @cmd: command owned by the caller, on no list
 *
 * Context: Process or softirq context with interrupts enabled, does not sleep.
 */
void nbd_session_resubmit(struct nbd_session *session, struct nbd_cmd *cmd)
{
	WRITE_ONCE(cmd->conn, NULL);
	nbd_session_submit(session, cmd, nbd_cmd_queue(&session->table, cmd), true);
}

/* The internal command of a detach; those before it are the slots' */
static struct nbd_cmd *session_flush(struct nbd_session *session)
{
	return &session->table.cmds[session->table.total - 1];
}

/**
 * nbd_session_flush() - send a flush for an orderly detach
 * @session: session that is being drained
 *
 * It is sent over any connection, is parked and resent as the commands of requests are, and
 * completes in nbd_session_wait_flushed().
 *
 * Context: Process context, does not sleep. The work item of a detach.
 * Return: false if the flush of a detach that was called off is still in flight.
 */
bool nbd_session_flush(struct nbd_session *session)
{
	if (session->flushing && !try_wait_for_completion(&session->flushed))
		return false;
	session->flushing = true;
	nbd_session_submit(session, nbd_cmd_init_internal(&session->table, session->nr_slots,
							  NBD_FLUSH, &session->flushed), 0, true);
	return true;
}

/**
 * nbd_session_wait_flushed() - wait for the flush of an orderly detach
 * @session: session after nbd_session_flush()
 * @timeout: in jiffies
 *
 * blk-mq does not time internal commands, so the request timeout is checked here.
 *
 * Context: Process context, sleeps. The work item of a detach.
 * Return: 0, or how it failed: the error of the server, or -EIO if no server replied; -ETIMEDOUT if
 * it is still in flight.
 */
int nbd_session_wait_flushed(struct nbd_session *session, unsigned long timeout)
{
	struct nbd_cmd *cmd = session_flush(session);

	if (!wait_for_completion_timeout(&session->flushed, timeout)) {
		nbd_session_timeout(session, cmd);
		return -ETIMEDOUT;
	}
	session->flushing = false;
	return cmd->error ? nbd_error_to_errno(cmd->error) : blk_status_to_errno(cmd->status);
}

/* Move the parked commands to a list of the caller, for it to submit or to fail */
static void take_parked(struct nbd_session *session, struct list_head *parked)
{
	spin_lock_irq(&session->park_lock);
	list_splice_init(&session->parked, parked);
	spin_unlock_irq(&session->park_lock);
}

static void unpark(struct nbd_session *session)
{
	struct nbd_cmd *cmd, *next;
	LIST_HEAD(parked);

	take_parked(session, &parked);
	list_for_each_entry_safe(cmd, next, &parked, list)
		nbd_session_resubmit(session, cmd);
}

/**
 * nbd_session_fail_parked() - fail the parked commands and the suspects
 * @session: session whose dead-connection timeout has expired, or that ends
 *
 * Context: Process context, does not sleep. Takes the session's park_lock; the caller may hold its
 * lock.
 */
void nbd_session_fail_parked(struct nbd_session *session)
{
	struct nbd_cmd *cmd, *next;
	LIST_HEAD(parked);

	take_parked(session, &parked);
	spin_lock_irq(&session->park_lock);
	list_splice_init(&session->suspects, &parked);
	spin_unlock_irq(&session->park_lock);
	list_for_each_entry_safe(cmd, next, &parked, list)
		nbd_cmd_abort(cmd);
}

/**
 * nbd_session_settle_parked() - submit or fail parked commands after a change
 * @session: session whose connections or holds have changed
 *
 * They fail if there is no connection and none may come. They stay parked if one may, or while the
 * session is held. Suspects are left to alone_work.
 *
 * Context: Process context, does not sleep. Takes the session's park_lock; the caller may hold its
 * lock.
 */
void nbd_session_settle_parked(struct nbd_session *session)
{
	bool usable, wait, suspects;

	spin_lock_irq(&session->park_lock);
	/* After the slots; pairs with nbd_session_submit() */
	smp_store_release(&session->epoch, session->epoch + 1);
	usable = session->usable && !session->holds;
	wait = session->holds || may_park(session);
	suspects = !list_empty(&session->suspects);
	spin_unlock_irq(&session->park_lock);
	if (usable && suspects)
		queue_work(nbd_ctl_wq, &session->alone_work);
	if (usable)
		unpark(session);
	else if (!wait)
		nbd_session_fail_parked(session);
}
