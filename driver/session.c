// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions, and who gets a command: a connection that works, or the list of the
 * parked while there is one to come; else it fails. The same is asked again for
 * each command that has lost its connection, if that was not its own fault
 * (blame.c). How connections come and go is in slots.c.
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "error.h"
#include "map.h"
#include "session.h"
#include "trace.h"

struct workqueue_struct *nbd_ctl_wq;

static atomic64_t last_number;

/*
 * Numbers begin with the time since the machine was started, so that no attach has
 * one that another had before the module was reloaded. In microseconds programs
 * that keep numbers as doubles know them apart as well.
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
 * A disk that waits for a connection may be what memory is reclaimed by, and the connection needs
 * this lock. So who has it must not do I/O for memory, nor wait for anybody who does: lockdep is
 * told that reclaim takes it.
 */
static void needed_by_reclaim(struct mutex *lock)
{
	fs_reclaim_acquire(GFP_KERNEL);
	might_lock(lock);
	fs_reclaim_release(GFP_KERNEL);
}

/**
 * nbd_session_alloc() - begin an attach
 * @nr_slots: connections it is to have
 *
 * Return: the session in its set-up with one reference, or NULL.
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
	sema_init(&session->privates, NBD_PRIVATE_TAGS);
	session->state = NBDCTL_STATE_SETUP;
	session->nr_slots = nr_slots;
	for (i = 0; i < nr_slots; i++)
		mutex_init(&session->slots[i].own_lock);
	return session;
}

/**
 * nbd_session_shape() - suit a session to its device
 * @session: in its set-up
 * @index: number of the device
 * @queues: hardware queues it has
 * @depth: tags of each
 *
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
	return nbd_cmd_table_alloc(&session->table, queues, depth, session->nr_slots);
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

/* Any context. */
void nbd_session_put(struct nbd_session *session)
{
	kref_put(&session->ref, release);
}

/* Returns the old text, for the caller to free */
char *nbd_session_set_display(struct nbd_session *session, char *display)
{
	mutex_lock(&session->lock);
	swap(session->display, display);
	mutex_unlock(&session->lock);
	return display;
}

/* Is there anything to wait for, for a command without a connection? */
static bool may_park(const struct nbd_session *session)
{
	lockdep_assert_held(&session->park_lock);
	return session->state != NBDCTL_STATE_DEAD && !session->gave_up && session->dead_time;
}

/* Each hardware queue has so many slots of its own */
static u32 nr_homes(const struct nbd_session *session)
{
	return DIV_ROUND_UP(session->nr_slots, session->table.queues);
}

/* A slot of a queue's own */
static u32 home(const struct nbd_session *session, u32 queue, u32 turn)
{
	return (queue + session->table.queues * (turn % nr_homes(session))) % session->nr_slots;
}

/* The one whose turn it is */
static u32 next_home(const struct nbd_session *session, u32 queue)
{
	return home(session, queue, READ_ONCE(session->queues[queue].turn));
}

/*
 * Whose turn is it? That of one of the queue's own slots; when none of them
 * works, any other will do. @healthy says whether any works at all. While the
 * session is held it is nobody's turn.
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
		if (!cmd->query || nbd_query_possible(cmd->query, conn))
			break;
	}
	/* After the slots: one that sees a replacement sees the hold before it */
	smp_rmb();
	if (unlikely(READ_ONCE(session->holds)))
		*healthy = false;
	return *healthy && i < n ? conn : NULL;
}

/*
 * Park a command for which no connection was found, or fail it.
 *
 * A connection that has failed but is not yet taken down counts as one to come:
 * whoever takes it down sees to the parked. If that has happened since @epoch
 * was read, the answer is false, and the caller looks again.
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
 * nbd_session_dispatch() - give a command to a connection
 * @conn: found in its slot, under RCU; or the caller is its receiver, and it had the command
 * @cmd: prepared
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

/* What is in a slot of a queue's own, or NULL; under RCU */
static struct nbd_conn *home_conn(struct nbd_session *session, u32 queue, u32 turn)
{
	return rcu_dereference(session->slots[home(session, queue, turn)].conn);
}

/* The sum of something over the connections in the slots of a queue */
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
 * nbd_session_kick() - start the senders that a queue has given commands to
 * @session: the session
 * @queue: number of the hardware queue
 *
 * Any context. It is another slot's turn when nothing waits for more to come.
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

/* How many commands has the queue that wait for a sender? */
u32 nbd_gather_waiting(struct nbd_gather *g)
{
	u32 waiting;

	rcu_read_lock();
	waiting = sum_homes(container_of(g, struct nbd_session_queue, gather), nbd_conn_waiting);
	rcu_read_unlock();
	return waiting;
}

/* And how many has it sent that are not answered? */
u32 nbd_gather_under_way(struct nbd_gather *g)
{
	u32 under_way;

	rcu_read_lock();
	under_way = sum_homes(container_of(g, struct nbd_session_queue, gather),
			      nbd_conn_under_way);
	rcu_read_unlock();
	return under_way;
}

/* No more has come for a while */
void nbd_gather_over(struct nbd_gather *g)
{
	rcu_read_lock();
	kick_homes(container_of(g, struct nbd_session_queue, gather), nbd_conn_kick_later);
	rcu_read_unlock();
}

/**
 * nbd_session_answered() - a server has replied: neighbours send what waits for more to come,
 *	if their servers have little left to do
 * @session: the session
 * @conn: by this connection, which has done so itself
 *
 * Any context, perhaps with the spinlock of @conn's socket. Its neighbours are the other slots of
 * the first queue that has it.
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
 * nbd_session_submit() - send a command by any connection
 * @session: the session
 * @cmd: prepared, its request started
 * @queue: hardware queue the command came by
 * @kick: nothing follows at once
 *
 * Any context, does not sleep. What came before this command may have gone to
 * another slot of the queue, so @kick is for them all.
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
			/* No kick is for it, if it is not one of the queue's own */
			if (conn->index != next_home(session, queue))
				nbd_conn_kick(conn);
			break;
		}
		/* Servers are there, but none has the context asked for any more */
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
 * nbd_session_timeout() - a command has waited for its deadline
 * @session: the session
 * @cmd: the command, whose request blk-mq holds
 *
 * The connection is to blame; taking it down moves the command on. One that was
 * given to another connection meanwhile waits anew. Parked commands have the
 * dead time instead.
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
 * nbd_session_leave() - a server says that it is being shut down
 * @session: the session
 * @conn: by this connection
 *
 * Whatever leads to it is left, so that it can end, and what it has refused waits for a connection
 * that is made from now on. Where none is waited for, the others may be good for something.
 * Any context.
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
		/* As in pick(): connections that take part in a move may be to another server */
		smp_rmb();
		if (READ_ONCE(session->holds))
			break;
		if (other)
			nbd_conn_leave(other);
	}
unlock:
	rcu_read_unlock();
}

/* Send a command again, by what is there now; it is the caller's alone. Any context. */
void nbd_session_resubmit(struct nbd_session *session, struct nbd_cmd *cmd)
{
	WRITE_ONCE(cmd->conn, NULL);
	nbd_session_submit(session, cmd, cmd->index / session->table.depth, true);
}

/* What is parked, for the caller to submit or to fail */
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

/* For the end of the dead time, and of the session */
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

/* The set of connections has changed: see to what is parked */
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
