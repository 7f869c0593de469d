// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions: the object, its references and its states. slots.c starts and ends it with its
 * connections.
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>

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

static void session_free_work(struct work_struct *work)
{
	struct nbd_session *session = container_of(work, struct nbd_session, free_work);
	u32 i;

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
static void session_needed_by_reclaim(struct mutex *lock)
{
	fs_reclaim_acquire(GFP_KERNEL);
	might_lock(lock);
	fs_reclaim_release(GFP_KERNEL);
}

/**
 * nbd_session_keep() - the caller replaces lost connections from now on
 * @session: the session
 *
 * Context: Any process context.
 */
void nbd_session_keep(struct nbd_session *session)
{
	WRITE_ONCE(session->pid, task_tgid_nr(current));
}

/**
 * nbd_session_alloc() - allocate a session
 * @nr_slots: number of connections that it will have
 *
 * Context: Process context, may sleep.
 * Return: the session in NBD_SESSION_SETUP, with one reference; or NULL.
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
	session_needed_by_reclaim(&session->lock);
	INIT_LIST_HEAD(&session->retiring);
	init_waitqueue_head(&session->retire_wq);
	INIT_LIST_HEAD(&session->drop_calls);
	init_waitqueue_head(&session->change_wq);
	spin_lock_init(&session->park_lock);
	INIT_LIST_HEAD(&session->parked);
	INIT_LIST_HEAD(&session->suspects);
	INIT_WORK(&session->free_work, session_free_work);
	ratelimit_state_init(&session->ratelimit, DEFAULT_RATELIMIT_INTERVAL,
			     DEFAULT_RATELIMIT_BURST);
	sema_init(&session->queries, NBD_QUERY_TAGS);
	init_completion(&session->flushed);
	session->state = NBD_SESSION_SETUP;
	nbd_session_keep(session);
	session->nr_slots = nr_slots;
	for (i = 0; i < nr_slots; i++)
		mutex_init(&session->slots[i].flush_lock);
	return session;
}

/**
 * nbd_session_init_queues() - allocate what depends on the device
 * @session: session in NBD_SESSION_SETUP, with its negotiated parameters
 * @index: number of the device
 * @queues: number of hardware queues
 * @depth: tags of each hardware queue, reserved ones included
 *
 * Context: Process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int nbd_session_init_queues(struct nbd_session *session, u32 index, u32 queues, u32 depth)
{
	u32 i;

	session->index = index;
	session->queues = kcalloc(queues, sizeof(*session->queues), GFP_KERNEL);
	if (!session->queues)
		return -ENOMEM;
	for (i = 0; i < queues; i++)
		session->queues[i].session = session;
	return nbd_cmd_table_alloc(&session->table, queues, depth,
				   session->nr_slots + 1);
}

void nbd_session_get(struct nbd_session *session)
{
	kref_get(&session->ref);
}

static void session_release(struct kref *ref)
{
	struct nbd_session *session = container_of(ref, struct nbd_session, ref);

	queue_work(nbd_ctl_wq, &session->free_work);
}

/* Any context: the session is freed by a work item */
void nbd_session_put(struct nbd_session *session)
{
	kref_put(&session->ref, session_release);
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

static const struct {
	const char *name;
	enum nbdctl_state uapi;
	u8 next;	/* bits of the states that may follow */
} session_states[] = {
	[NBD_SESSION_SETUP] = {
		"setup", NBDCTL_STATE_SETUP,
		BIT(NBD_SESSION_LIVE),
	},
	[NBD_SESSION_LIVE] = {
		"live", NBDCTL_STATE_LIVE,
		BIT(NBD_SESSION_WAITING) | BIT(NBD_SESSION_DRAINING) | BIT(NBD_SESSION_ABORTED),
	},
	[NBD_SESSION_WAITING] = {
		"waiting for a connection", NBDCTL_STATE_WAITING,
		BIT(NBD_SESSION_LIVE) | BIT(NBD_SESSION_DRAINING) | BIT(NBD_SESSION_ABORTED),
	},
	[NBD_SESSION_DRAINING] = {
		"draining", NBDCTL_STATE_DRAINING,
		BIT(NBD_SESSION_LIVE) | BIT(NBD_SESSION_WAITING) | BIT(NBD_SESSION_ENDING) |
		BIT(NBD_SESSION_ABORTED),
	},
	[NBD_SESSION_ENDING] = {
		"detached", NBDCTL_STATE_DEAD,
		BIT(NBD_SESSION_ABORTED),
	},
	[NBD_SESSION_ABORTED] = {
		"detached", NBDCTL_STATE_DEAD,
	},
};

/* The state as netlink reports it. Any context; the caller keeps the session. */
enum nbdctl_state nbd_session_uapi_state(const struct nbd_session *session)
{
	return session_states[READ_ONCE(session->state)].uapi;
}

/**
 * nbd_session_set_state() - change the state of a session; no other function does
 * @session: the session
 * @state: the new state, which may follow the present one
 *
 * Context: Process context, does not sleep. The caller holds the session's lock.
 */
void nbd_session_set_state(struct nbd_session *session, enum nbd_session_state state)
{
	lockdep_assert_held(&session->lock);
	if (WARN_ON_ONCE(!(session_states[session->state].next & BIT(state))))
		return;
	if (session_states[state].uapi != nbd_session_uapi_state(session)) {
		trace_nbd_state(session, session_states[state].uapi);
		pr_info("nbd%u: %s\n", session->index, session_states[state].name);
	}
	spin_lock_irq(&session->park_lock);
	WRITE_ONCE(session->state, state);
	spin_unlock_irq(&session->park_lock);
	wake_up_all(&session->change_wq);
}

/**
 * nbd_session_drain() - begin an orderly detach
 * @session: the session
 * @anyway: the session ends even if it cannot be drained; that holds for a detach in progress, too
 * @usable: set to whether any slot has a connection, which could flush
 *
 * Context: Process context, may sleep. Takes the session's lock.
 * Return: 0; -EALREADY if it is being drained; -ENOTCONN if it has ended.
 */
int nbd_session_drain(struct nbd_session *session, bool anyway, bool *usable)
{
	int err = 0;

	mutex_lock(&session->lock);
	if (nbd_session_is_ended(session))
		err = -ENOTCONN;
	else if (session->state == NBD_SESSION_DRAINING)
		err = -EALREADY;
	else
		nbd_session_set_state(session, NBD_SESSION_DRAINING);
	if (anyway)
		WRITE_ONCE(session->end_anyway, true);
	*usable = session->usable;
	mutex_unlock(&session->lock);
	return err;
}

/**
 * nbd_session_cancel_drain() - call off an orderly detach
 * @session: session that was drained
 *
 * Context: Process context, may sleep. Takes the session's lock.
 * Return: false if the session has ended, by a forced detach, or is to end anyway.
 */
bool nbd_session_cancel_drain(struct nbd_session *session)
{
	bool back;

	mutex_lock(&session->lock);
	back = session->state == NBD_SESSION_DRAINING && !session->end_anyway;
	if (back)
		nbd_session_set_state(session, session->usable ? NBD_SESSION_LIVE :
								 NBD_SESSION_WAITING);
	mutex_unlock(&session->lock);
	return back;
}
