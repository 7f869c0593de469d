// SPDX-License-Identifier: GPL-2.0-only
/* The life of an attach: a session becomes the content of a device, and ends. */
#include <linux/blkdev.h>
#include <linux/module.h>
#include <linux/sched/mm.h>

#include "device.h"
#include "devices.h"
#include "event.h"
#include "private.h"

void nbd_device_put(struct nbd_device *dev)
{
	put_disk(dev->disk);
}

/**
 * nbd_device_lock() - lock a device
 * @dev: referenced
 *
 * Memory may be reclaimed by writing to a disk that waits for its server. Nobody should wait for
 * that with this lock, so who has it does no I/O for memory. But it is held while the disk's
 * open_mutex is waited for, under which the block layer does; so no connection needs it.
 */
void nbd_device_lock(struct nbd_device *dev)
{
	mutex_lock(&dev->lock);
	dev->noio = memalloc_noio_save();
}

bool nbd_device_trylock(struct nbd_device *dev)
{
	if (!mutex_trylock(&dev->lock))
		return false;
	dev->noio = memalloc_noio_save();
	return true;
}

/* Let go of the lock and of a reference */
void nbd_device_unlock(struct nbd_device *dev)
{
	unsigned int noio = dev->noio;

	mutex_unlock(&dev->lock);
	memalloc_noio_restore(noio);
	nbd_device_put(dev);
}

/* The session of a device, referenced, or NULL. Any process context. */
struct nbd_session *nbd_device_get_session(struct nbd_device *dev)
{
	struct nbd_session *session;

	rcu_read_lock();
	session = rcu_dereference(dev->session);
	if (session && !kref_get_unless_zero(&session->ref))
		session = NULL;
	rcu_read_unlock();
	return session;
}

/* NBDCTL_STATE_*; any process context */
u32 nbd_device_state(struct nbd_device *dev)
{
	u32 state = nbd_devices_is_gone(dev) ? NBDCTL_STATE_DEAD : NBDCTL_STATE_IDLE;
	struct nbd_session *session;

	rcu_read_lock();
	session = rcu_dereference(dev->session);
	if (session)
		state = READ_ONCE(session->state);
	rcu_read_unlock();
	return state;
}

/* The page cache keeps the blocks that the disk had when it was opened, of one page at most */
static int set_limits(struct nbd_device *dev, const struct nbd_export *export, const char **why)
{
	bool large = nbd_export_block(export) > PAGE_SIZE;
	int err;

	if (large)
		nbd_devices_wait_closed(dev);
	mutex_lock(&dev->disk->open_mutex);
	if (large && disk_openers(dev->disk)) {
		*why = "min-block-size is larger than a page, and the device is open";
		err = -EBUSY;
	} else {
		*why = "the block layer does not take the limits";
		err = nbd_set_limits(dev->disk, export);
	}
	mutex_unlock(&dev->disk->open_mutex);
	return err;
}

/**
 * nbd_device_attach() - make a session the content of a device
 * @dev: idle and locked
 * @session: complete; the device takes the reference if this succeeds
 * @conns: a connection for each slot, likewise
 * @why: set to a human-readable reason on failure
 *
 * Return: 0 or negative errno.
 */
int nbd_device_attach(struct nbd_device *dev, struct nbd_session *session,
		      struct nbd_conn **conns, const char **why)
{
	int err;

	err = set_limits(dev, &session->export, why);
	if (err)
		return err;
	/* It is there till the device is idle again */
	*why = "the module is being unloaded";
	if (!try_module_get(THIS_MODULE))
		return -ENODEV;
	nbd_disk_set_ro(dev, session->export.read_only);
	blk_queue_rq_timeout(dev->disk->queue, session->request_timeout ?: 30 * HZ);
	nbd_session_start(session, conns);
	rcu_assign_pointer(dev->session, session);
	/* The size last: from now on there is something to open */
	nbd_disk_set_size(dev, nbd_export_usable(&session->export));
	nbd_event(dev->index, session->number, NBDCTL_CMD_ATTACHED_EVENT);
	return 0;
}

/*
 * The end of every session: nothing of it is in use when its reference goes. The
 * device, which is locked, goes with it, and is unlocked.
 */
static void forget_session(struct nbd_device *dev, struct nbd_session *session)
{
	u32 index = dev->index;

	set_capacity(dev->disk, 0);
	RCU_INIT_POINTER(dev->session, NULL);
	synchronize_rcu_expedited();
	nbd_devices_renew(dev);
	nbd_event(index, session->number, NBDCTL_CMD_DETACHED_EVENT);
	nbd_session_put(session);
	module_put(THIS_MODULE);
}

/*
 * Nobody may come in between the look at the openers and the state that keeps them out. Who has the
 * mutex is one of them, and may wait for a server: for as long as the dead time lasts, which is
 * too long for a lock that a forced detach needs.
 */
static int begin_drain(struct nbd_device *dev, struct nbd_session *session, bool *usable)
{
	int err;

	if (!mutex_trylock(&dev->disk->open_mutex))
		return -EBUSY;
	if (disk_openers(dev->disk))
		err = -EBUSY;
	else
		err = nbd_session_drain(session, usable);
	mutex_unlock(&dev->disk->open_mutex);
	return err;
}

/* Who set no limit waits for as long as servers answer something, once in that time */
#define SILENCE_TIME	(60 * HZ)
/* It is looked that often at whether to go on waiting */
#define LOOK_TIME	(HZ / 5)

/**
 * struct patience - how long a detach waits for servers
 * @session: what is detached
 * @timeout: milliseconds, NBDCTL_TIME_FOREVER for no end, NBD_DETACH_WHILE_ANSWERED
 * @since: jiffies, when it began; or when a server answered last
 * @replies: how many there had been then
 */
struct patience {
	struct nbd_session *session;
	u32 timeout;
	unsigned long since;
	u64 replies;
};

static u64 count_replies(struct nbd_session *session)
{
	struct nbd_conn *conn;
	u64 replies = 0;
	u32 i;

	rcu_read_lock();
	for (i = 0; i < session->nr_slots; i++) {
		conn = rcu_dereference(session->slots[i].conn);
		/* A new connection is news as well */
		replies += READ_ONCE(session->slots[i].reconnects);
		if (conn)
			replies += READ_ONCE(conn->stats.replies);
	}
	rcu_read_unlock();
	return replies;
}

static void begin_patience(struct patience *p, struct nbd_session *session, u32 timeout)
{
	p->session = session;
	p->timeout = timeout;
	p->since = jiffies;
	p->replies = count_replies(session);
}

static bool is_over(struct patience *p)
{
	u64 replies;

	if (READ_ONCE(p->session->state) == NBDCTL_STATE_DEAD)
		return true;
	if (p->timeout == NBDCTL_TIME_FOREVER)
		return false;
	if (p->timeout != NBD_DETACH_WHILE_ANSWERED)
		return time_after(jiffies, p->since + msecs_to_jiffies(p->timeout));
	replies = count_replies(p->session);
	if (replies != p->replies)
		p->since = jiffies;
	p->replies = replies;
	return time_after(jiffies, p->since + SILENCE_TIME);
}

static int flush(struct nbd_session *session, struct request_queue *q, struct patience *p)
{
	struct nbd_private *flush;
	int err;

	/* One that was given up before may still be under way */
	while (IS_ERR(flush = nbd_flush_start(session, q))) {
		if (PTR_ERR(flush) != -EAGAIN)
			return PTR_ERR(flush);
		if (is_over(p))
			return -ETIMEDOUT;
		schedule_timeout_uninterruptible(LOOK_TIME);
	}
	do {
		err = nbd_private_wait(flush, LOOK_TIME);
	} while (err == -ETIMEDOUT && !is_over(p));
	nbd_private_put(flush);
	return err;
}

/* Wait until nothing is in flight. Nobody has the disk open, so nothing comes any more. */
static int drain(struct request_queue *q, struct patience *p)
{
	bool drained;

	blk_freeze_queue_start(q);
	do {
		drained = blk_mq_freeze_queue_wait_timeout(q, LOOK_TIME) > 0;
	} while (!drained && !is_over(p));
	blk_mq_unfreeze_queue_nomemrestore(q);
	return drained ? 0 : -ETIMEDOUT;
}

/* Write out what a session has; as long as a server takes for it, so without any lock */
static int write_out(struct nbd_device *dev, struct nbd_session *session)
{
	struct request_queue *q = dev->disk->queue;
	struct patience p;
	int err = 0;

	begin_patience(&p, session, dev->detach_timeout);
	if (dev->detach_flush)
		err = flush(session, q, &p);
	return err ?: drain(q, &p);
}

/**
 * nbd_device_detach_work() - the orderly end of a session
 * @work: of a device, whose reference and that of its detaching session it takes over
 */
void nbd_device_detach_work(struct work_struct *work)
{
	struct nbd_device *dev = container_of(work, struct nbd_device, detach_work);
	struct nbd_session *session = dev->detaching;
	int err;

	err = write_out(dev, session);
	if (!err) {
		nbd_session_end(session, true);
	} else if (nbd_session_undrain(session)) {
		pr_warn("nbd%u: detach called off, error %d\n", dev->index, err);
		nbd_event_detach_failed(dev->index, session->number, -err);
	}
	nbd_device_lock(dev);
	/* Force may have come first */
	if (!err && nbd_device_session(dev) == session)
		forget_session(dev, session);
	else
		nbd_device_unlock(dev);
	nbd_session_put(session);
}

/**
 * nbd_device_detach() - begin to end a session in order
 * @dev: locked
 * @timeout: milliseconds after which it is called off, NBDCTL_TIME_FOREVER for never;
 *	NBD_DETACH_WHILE_ANSWERED: when no server has answered anything for a minute
 * @why: set to a human-readable reason on failure
 *
 * Nobody may have the disk open, or be about to open or close it. Caches are
 * flushed to the server, requests in flight are waited for, the servers are
 * told; all that after this has returned. An event tells of the end, or that all
 * is as before.
 *
 * Return: 0; -EALREADY; -ENOTCONN; -EBUSY while the disk is open.
 */
int nbd_device_detach(struct nbd_device *dev, u32 timeout, const char **why)
{
	struct nbd_session *session = nbd_device_session(dev);
	bool usable;
	int err;

	*why = "the disk is open";
	err = begin_drain(dev, session, &usable);
	if (err == -EALREADY)
		*why = "index is a device that is being detached";
	if (err == -ENOTCONN)
		*why = "index is a device that is ending";
	if (err)
		return err;
	nbd_session_get(session);
	get_device(disk_to_dev(dev->disk));
	dev->detaching = session;
	dev->detach_timeout = timeout;
	dev->detach_flush = usable && nbd_export_has(&session->export, NBD_TF_SEND_FLUSH) &&
			    !session->export.read_only;
	queue_work(nbd_disk_wq, &dev->detach_work);
	return 0;
}

/**
 * nbd_device_detach_now() - end a session, whatever it is doing
 * @dev: not locked; takes over a reference
 * @session: what was attached to it, referenced
 *
 * What is in flight fails, which ends an orderly detach as well. If the disk is
 * open, its users keep it, dead, and the number, so that nothing they have
 * cached can ever reach what is attached next, or be taken for its content.
 */
void nbd_device_detach_now(struct nbd_device *dev, struct nbd_session *session)
{
	nbd_session_end(session, false);
	nbd_device_lock(dev);
	/* It may have ended in order meanwhile */
	if (nbd_device_session(dev) == session)
		forget_session(dev, session);
	else
		nbd_device_unlock(dev);
}

/**
 * nbd_device_resize() - give an attached device another size
 * @dev: locked
 * @size: in bytes, at least one block
 *
 * Return: 0, -ENOTCONN or -EINVAL.
 */
int nbd_device_resize(struct nbd_device *dev, u64 size)
{
	struct nbd_session *session = nbd_device_session(dev);

	if (!session)
		return -ENOTCONN;
	if (size < nbd_export_block(&session->export) || size > S64_MAX)
		return -EINVAL;
	WRITE_ONCE(session->export.size, size);
	nbd_disk_set_size(dev, nbd_export_usable(&session->export));
	nbd_event_resized(dev->index, session->number, size);
	return 0;
}
