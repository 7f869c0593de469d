// SPDX-License-Identifier: GPL-2.0-only
/* Attach, detach and resize of a device. */
#include <linux/blkdev.h>
#include <linux/module.h>
#include <linux/sched/mm.h>

#include "compat.h"
#include "conn.h"
#include "debugfs.h"
#include "device.h"
#include "devices.h"
#include "disk.h"
#include "dispatch.h"
#include "event.h"
#include "limits.h"
#include "session.h"
#include "slots.h"

/*
 * Set the queue limits. Blocks larger than a page need a disk that is not open: its page cache
 * keeps the block size of when it was opened, which is a page at most.
 */
static int device_set_limits(struct nbd_device *dev, const struct nbd_export *export,
			     const char **errmsg)
{
	bool large = nbd_export_block(export) > PAGE_SIZE;
	int err;

	if (large)
		nbd_devices_wait_closed(dev);
	mutex_lock(&dev->disk->open_mutex);
	if (large && disk_openers(dev->disk)) {
		*errmsg = "min-block-size: larger than a page, and the device is open";
		err = -EBUSY;
	} else {
		*errmsg = "the block layer rejected the limits";
		err = nbd_limits_set(dev->disk, export);
	}
	mutex_unlock(&dev->disk->open_mutex);
	return err;
}

/* Attributes in sysfs exist while there is a session */
static void device_update_attrs(struct nbd_device *dev)
{
	if (sysfs_update_groups(&disk_to_dev(dev->disk)->kobj, dev->ops->groups))
		pr_warn("nbd%u: attributes in sysfs are missing\n", dev->index);
}

/*
 * Clear the pointer to a session that has ended, and replace its device, which is locked by the
 * caller and is unlocked. After the grace period queue_rq() and other readers do not see the
 * session, so the device's reference can go.
 */
static void device_drop_session(struct nbd_device *dev, struct nbd_session *session)
{
	struct nbd_drop_call *call, *next;
	u32 index = dev->index;

	nbd_debugfs_remove(dev);
	set_capacity(dev->disk, 0);
	RCU_INIT_POINTER(dev->session, NULL);
	device_update_attrs(dev);
	synchronize_rcu_expedited();
	nbd_devices_renew(dev, session);
	nbd_event(index, session->number, NBDCTL_CMD_DETACHED_EVENT);
	WRITE_ONCE(session->dropped, true);
	wake_up_all(&session->change_wq);
	/* No call is added any more, as the device has lost the session under its lock */
	list_for_each_entry_safe(call, next, &session->drop_calls, node)
		call->func(call);
	nbd_session_put(session);
	module_put(THIS_MODULE);
}

/*
 * Check openers and change the state under open_mutex, so that no open comes in between. Only try
 * to lock it: its holder may wait for a server until the dead-connection timeout, and a forced
 * detach needs the device's lock, which is held here.
 */
static int device_begin_drain(struct nbd_device *dev, struct nbd_session *session, bool *usable)
{
	int err;

	if (!mutex_trylock(&dev->disk->open_mutex))
		return -EBUSY;
	/* A process in DO_IT has it open */
	if (disk_openers(dev->disk) > (session->origin == NBD_ORIGIN_IOCTL ? 1 : 0))
		err = -EBUSY;
	else
		err = nbd_session_drain(session, false, usable);
	mutex_unlock(&dev->disk->open_mutex);
	return err;
}

/* NBD_DETACH_WHILE_ANSWERED: call the detach off after this time without a reply */
#define SILENCE_TIME	(60 * HZ)
/* nbd_device_disconnect(): force it after this time without a reply */
#define DISCONNECT_TIME	(10 * HZ)
/* Interval of the checks whether to wait any longer */
#define LOOK_TIME	(HZ / 5)

/**
 * struct patience - how long a detach waits for servers
 * @dev: the device, with its @detach_timeout
 * @session: the session that is detached
 * @since: start of the detach, or time of the last reply, in jiffies
 * @replies: number of replies at that time
 */
struct patience {
	struct nbd_device *dev;
	struct nbd_session *session;
	unsigned long since;
	u64 replies;
};

static u64 device_count_replies(struct nbd_session *session)
{
	struct nbd_conn *conn;
	u64 replies = 0;
	u32 i;

	rcu_read_lock();
	for (i = 0; i < session->nr_slots; i++) {
		conn = rcu_dereference(session->slots[i].conn);
		/* A new connection counts as a reply */
		replies += READ_ONCE(session->slots[i].reconnects);
		if (conn)
			replies += READ_ONCE(conn->stats.replies);
	}
	rcu_read_unlock();
	return replies;
}

static void device_patience_begin(struct patience *p, struct nbd_device *dev,
				  struct nbd_session *session)
{
	p->dev = dev;
	p->session = session;
	p->since = jiffies;
	p->replies = device_count_replies(session);
}

static bool device_was_silent(struct patience *p, unsigned long limit)
{
	u64 replies = device_count_replies(p->session);

	if (replies != p->replies)
		p->since = jiffies;
	p->replies = replies;
	return time_after(jiffies, p->since + limit);
}

static bool device_patience_is_over(struct patience *p)
{
	u32 timeout = p->dev->detach_timeout;

	if (nbd_session_is_ended(p->session))
		return true;
	if (READ_ONCE(p->session->end_anyway))
		return device_was_silent(p, DISCONNECT_TIME);
	if (timeout == NBDCTL_TIME_FOREVER)
		return false;
	if (timeout != NBD_DETACH_WHILE_ANSWERED)
		return time_after(jiffies, p->since + msecs_to_jiffies(timeout));
	return device_was_silent(p, SILENCE_TIME);
}

/*
 * A detach that finds no connection does not wait for one to flush the server. But one may have
 * come since, and written the page cache.
 */
static bool device_must_flush(const struct nbd_device *dev, const struct nbd_session *session)
{
	if (!nbd_export_has(&session->export, NBD_FLAG_SEND_FLUSH) || session->export.read_only)
		return false;
	if (dev->detach_usable || READ_ONCE(session->usable))
		return true;
	pr_warn("nbd%u: no connection, detaching without a flush\n", dev->index);
	return false;
}

static int device_flush(struct nbd_session *session, struct patience *p)
{
	int err;

	/* That of a detach that was called off must not be in flight when the servers get DISC */
	while (!nbd_dispatch_end_flush(session)) {
		if (device_patience_is_over(p))
			return -ETIMEDOUT;
		schedule_timeout_uninterruptible(LOOK_TIME);
	}
	if (!device_must_flush(p->dev, session))
		return 0;
	nbd_dispatch_flush(session);
	do {
		err = nbd_dispatch_wait_flushed(session, LOOK_TIME);
	} while (err == -ETIMEDOUT && !device_patience_is_over(p));
	return err;
}

static void device_sync_work(struct work_struct *work)
{
	struct nbd_device *dev = container_of(work, struct nbd_device, sync_work);

	sync_blockdev(dev->disk->part0);
	put_device(disk_to_dev(dev->disk));
}

/*
 * Write the page cache of a disk that is still open; others were written by their last close. In a
 * work item of its own, as it waits for the server.
 */
static int device_sync(struct nbd_device *dev, struct patience *p)
{
	get_device(disk_to_dev(dev->disk));
	/* That of a detach that was called off may still run */
	if (!queue_work(nbd_disk_wq, &dev->sync_work))
		put_device(disk_to_dev(dev->disk));
	while (work_busy(&dev->sync_work)) {
		if (device_patience_is_over(p))
			return -ETIMEDOUT;
		schedule_timeout_uninterruptible(1);
	}
	return 0;
}

/*
 * Wait until nothing is in flight, and then let connections take no more commands. The disk may be
 * open and get new requests, so that is done while the queue is frozen; but nothing else is: the
 * owner of a socket may wait for the queue.
 */
static int device_drain(struct request_queue *q, struct patience *p)
{
	bool drained;

	blk_freeze_queue_start(q);
	do {
		drained = blk_mq_freeze_queue_wait_timeout(q, LOOK_TIME) > 0;
	} while (!drained && !device_patience_is_over(p));
	if (drained)
		nbd_session_shut(p->session);
	blk_mq_unfreeze_queue_nomemrestore(q);
	return drained ? 0 : -ETIMEDOUT;
}

/*
 * Write out, flush the server and drain the queue. No lock is held, as this takes as long as the
 * server needs.
 */
static int device_write_out(struct nbd_device *dev, struct nbd_session *session)
{
	struct request_queue *q = dev->disk->queue;
	struct patience p;
	int err = 0;

	device_patience_begin(&p, dev, session);
	if (disk_openers(dev->disk))
		err = device_sync(dev, &p);
	if (!err)
		err = device_flush(session, &p);
	/* A disconnect continues after a flush that the server has refused */
	if (err && err != -ETIMEDOUT && READ_ONCE(session->end_anyway)) {
		pr_warn("nbd%u: flush failed, error %d\n", dev->index, err);
		err = 0;
	}
	return err ?: device_drain(q, &p);
}

/* End the session of a detach; false if that is called off. No lock is held. */
static bool device_end_session(struct nbd_device *dev, struct nbd_session *session)
{
	int err = device_write_out(dev, session);

	if (!err) {
		nbd_session_end(session, true);
		return true;
	}
	if (nbd_session_cancel_drain(session)) {
		pr_warn("nbd%u: detach called off, error %d\n", dev->index, err);
		nbd_event_detach_failed(dev->index, session->number, -err);
		return false;
	}
	if (!READ_ONCE(session->end_anyway))
		return false;
	pr_warn("nbd%u: disconnected without a flush, error %d\n", dev->index, err);
	nbd_session_end(session, false);
	return true;
}

/* Carry out an orderly detach, and drop the references to the device and to @detaching */
static void device_detach_work(struct work_struct *work)
{
	struct nbd_device *dev = container_of(work, struct nbd_device, detach_work);
	struct nbd_session *session = dev->detaching;
	bool ended = device_end_session(dev, session);

	nbd_devices_lock(dev);
	/* A forced detach may have come first */
	if (ended && nbd_device_session(dev) == session)
		device_drop_session(dev, session);
	else
		nbd_devices_unlock(dev);
	nbd_session_put(session);
}

/**
 * nbd_device_call_dropped() - add a call for when a device is done with its session
 * @dev: attached device, locked by the caller
 * @call: its @func is set
 *
 * Context: Process context, does not sleep.
 */
void nbd_device_call_dropped(struct nbd_device *dev, struct nbd_drop_call *call)
{
	list_add_tail(&call->node, &nbd_device_session(dev)->drop_calls);
}

static void device_close_work(struct work_struct *work);

/* Attach a session to an idle device, which the caller has locked */
static int device_start(struct nbd_device *dev, struct nbd_session *session,
			struct nbd_conn **conns, const char **errmsg)
{
	int err;

	err = nbd_session_init_queues(session, dev->index, dev->tag_set.nr_hw_queues,
				      dev->tag_set.queue_depth);
	if (err)
		return err;
	err = device_set_limits(dev, &session->export, errmsg);
	if (err)
		return err;
	/* device_drop_session() drops this */
	*errmsg = "the module is being unloaded";
	if (!try_module_get(THIS_MODULE))
		return -ENODEV;
	nbd_disk_set_ro(dev, session->export.read_only);
	blk_queue_rq_timeout(dev->disk->queue, session->request_timeout ?: 30 * HZ);
	INIT_WORK(&dev->detach_work, device_detach_work);
	INIT_WORK(&dev->sync_work, device_sync_work);
	INIT_WORK(&dev->close_work, device_close_work);
	nbd_session_start(session, conns);
	rcu_assign_pointer(dev->session, session);
	nbd_debugfs_add(dev);
	/* Before the uevent: udev takes a disk without "pid" for one that is not ready */
	device_update_attrs(dev);
	/* Last, as it makes the disk usable */
	nbd_disk_set_size(dev, nbd_export_usable(&session->export));
	nbd_event(dev->index, session->number, NBDCTL_CMD_ATTACHED_EVENT);
	return 0;
}

/**
 * nbd_device_attach() - attach a session
 * @attach: which device, and the result
 * @session: session with its negotiated parameters; the device takes the reference on success
 * @conns: one connection for each slot; the session takes the references on success
 *
 * Context: Process context, may sleep. Takes the device's lock, the disk's open_mutex and the
 * session's lock.
 * Return: 0; an error of nbd_devices_lock_for_attach(); -ENOMEM; -EBUSY if the disk is open and
 * blocks are larger than a page; -ENODEV if the module is being unloaded; or the error of the block
 * layer for the limits.
 */
int nbd_device_attach(struct nbd_attach *attach, struct nbd_session *session,
		      struct nbd_conn **conns)
{
	struct nbd_device *dev;
	int err;

	dev = nbd_devices_lock_for_attach(attach->index, attach->any, session->nr_slots,
					  attach->depth, &attach->errmsg);
	attach->no_device = IS_ERR(dev);
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	attach->index = dev->index;
	attach->errmsg = NULL;
	err = device_start(dev, session, conns, &attach->errmsg);
	nbd_devices_unlock(dev);
	return err;
}

/**
 * nbd_device_attach_open() - attach a session to a device that the caller has open
 * @dev: the device
 * @session: session with its negotiated parameters; the device takes the reference on success
 * @conns: one connection for each slot; the session takes the references on success
 * @errmsg: set to a human-readable reason on failure
 *
 * Context: Process context, may sleep. Takes the same locks as nbd_device_attach().
 * Return: 0; an error of nbd_devices_prepare(); or as nbd_device_attach().
 */
int nbd_device_attach_open(struct nbd_device *dev, struct nbd_session *session,
			   struct nbd_conn **conns, const char **errmsg)
{
	int err;

	get_device(disk_to_dev(dev->disk));
	nbd_devices_lock(dev);
	err = nbd_devices_prepare(dev, session->nr_slots, errmsg);
	if (!err)
		err = device_start(dev, session, conns, errmsg);
	nbd_devices_unlock(dev);
	return err;
}

static void device_queue_detach(struct nbd_device *dev, struct nbd_session *session, u32 timeout,
				bool usable)
{
	nbd_session_get(session);
	get_device(disk_to_dev(dev->disk));
	dev->detaching = session;
	dev->detach_timeout = timeout;
	dev->detach_usable = usable;
	queue_work(nbd_disk_wq, &dev->detach_work);
}

/**
 * nbd_device_detach() - begin an orderly detach
 * @dev: attached device, locked by the caller
 * @timeout: milliseconds after which it is called off, NBDCTL_TIME_FOREVER for never;
 *	NBD_DETACH_WHILE_ANSWERED to call it off when no server has replied to anything for a minute
 * @errmsg: set to a human-readable reason on failure
 *
 * After this has returned, detach_work flushes the server, drains the queue and disconnects. An
 * event reports that this is done, or was called off.
 *
 * Context: Process context, does not wait for servers. Takes the session's lock.
 * Return: 0; -EBUSY if the disk is open, or being opened or closed; -EALREADY if it is being
 * detached; -ENOTCONN if its session has ended.
 */
int nbd_device_detach(struct nbd_device *dev, u32 timeout, const char **errmsg)
{
	struct nbd_session *session = nbd_device_session(dev);
	bool usable;
	int err;

	*errmsg = "the disk is open";
	err = device_begin_drain(dev, session, &usable);
	if (err == -EALREADY)
		*errmsg = "index: being detached";
	if (err == -ENOTCONN)
		*errmsg = "index: its session is ending";
	if (err)
		return err;
	device_queue_detach(dev, session, timeout, usable);
	return 0;
}

/**
 * nbd_device_disconnect() - begin a detach that will not be called off
 * @dev: attached device, locked by the caller
 *
 * The disk may be open: its users get errors, once what is in flight has been replied to and the
 * server has flushed. It is forced when no server has replied to anything for DISCONNECT_TIME.
 * nbd_device_wait_dropped() waits for the end, nbd_device_call_dropped() calls then.
 *
 * Context: Process context, does not wait for servers. Takes the session's lock.
 */
void nbd_device_disconnect(struct nbd_device *dev)
{
	struct nbd_session *session = nbd_device_session(dev);
	bool usable;
	int err;

	err = nbd_session_drain(session, true, &usable);
	/* Otherwise it is being detached, which is not called off any more */
	if (!err)
		device_queue_detach(dev, session, NBD_DETACH_WHILE_ANSWERED, usable);
}

/**
 * nbd_device_wait_dropped() - wait until a device is done with its session
 * @session: referenced session, which is being detached
 *
 * Context: Process context, sleeps. No lock may be held.
 * Return: 0; or -ERESTARTSYS after a fatal signal.
 */
int nbd_device_wait_dropped(struct nbd_session *session)
{
	return wait_event_killable(session->change_wq, READ_ONCE(session->dropped));
}

static void device_close_work(struct work_struct *work)
{
	struct nbd_device *dev = container_of(work, struct nbd_device, close_work);
	struct nbd_session *session;

	nbd_devices_lock(dev);
	session = nbd_device_session(dev);
	if (session && READ_ONCE(session->end_on_close) && !disk_openers(dev->disk))
		nbd_device_disconnect(dev);
	nbd_devices_unlock(dev);
}

/**
 * nbd_device_closed() - detach a device after its last close, if its session is to end then
 * @dev: the device
 *
 * Context: Process context, does not sleep. The caller may hold the disk's open_mutex.
 */
void nbd_device_closed(struct nbd_device *dev)
{
	struct nbd_session *session;

	rcu_read_lock();
	session = rcu_dereference(dev->session);
	if (session && READ_ONCE(session->end_on_close) && !disk_openers(dev->disk)) {
		get_device(disk_to_dev(dev->disk));
		/* If it is queued, it has a reference */
		if (!queue_work(nbd_disk_wq, &dev->close_work))
			put_device(disk_to_dev(dev->disk));
	}
	rcu_read_unlock();
}

/**
 * nbd_device_detach_now() - force a detach
 * @dev: device, not locked by the caller; its reference is dropped
 * @session: referenced session that was attached to it
 *
 * All commands fail, which ends an orderly detach as well. If the disk is open, its users keep it,
 * marked dead, together with the number. So nothing that they have cached is written to what is
 * attached next, or taken for data of that.
 *
 * Context: Process context, may sleep. Takes the device's and the session's lock.
 */
void nbd_device_detach_now(struct nbd_device *dev, struct nbd_session *session)
{
	nbd_session_end(session, false);
	nbd_devices_lock(dev);
	/* An orderly detach may have come first */
	if (nbd_device_session(dev) == session)
		device_drop_session(dev, session);
	else
		nbd_devices_unlock(dev);
}

/**
 * nbd_device_resize() - change the size of an attached device
 * @dev: device locked by the caller
 * @size: of the export, in bytes, at least one block; the disk gets the whole blocks of it
 *
 * Context: Process context, may sleep.
 * Return: 0; -ENOTCONN if nothing is attached; -EINVAL if @size is out of range.
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

/**
 * nbd_device_set_timeout() - change the request timeout of an attached device
 * @dev: attached device, locked by the caller
 * @timeout: in jiffies, 0 for none
 *
 * Context: Process context.
 */
void nbd_device_set_timeout(struct nbd_device *dev, unsigned long timeout)
{
	WRITE_ONCE(nbd_device_session(dev)->request_timeout, timeout);
	blk_queue_rq_timeout(dev->disk->queue, timeout ?: 30 * HZ);
}
