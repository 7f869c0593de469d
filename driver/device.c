// SPDX-License-Identifier: GPL-2.0-only
/* The life of an attach: a session becomes the content of a device, and ends. */
#include <linux/blkdev.h>
#include <linux/module.h>

#include "device.h"
#include "devices.h"
#include "event.h"
#include "private.h"

void nbd_device_put(struct nbd_device *dev)
{
	put_disk(dev->disk);
}

void nbd_device_unlock(struct nbd_device *dev)
{
	mutex_unlock(&dev->lock);
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
	if (!try_module_get(THIS_MODULE))
		return -ENODEV;
	set_disk_ro(dev->disk, session->export.read_only);
	blk_queue_rq_timeout(dev->disk->queue, session->request_timeout ?: 30 * HZ);
	nbd_session_start(session, conns);
	rcu_assign_pointer(dev->session, session);
	/* The size last: from now on there is something to open */
	nbd_disk_set_size(dev, nbd_export_usable(&session->export));
	nbd_event(dev->index, NBDCTL_CMD_ATTACHED_EVENT);
	return 0;
}

/*
 * The end of every session: nothing of it is in use when its reference goes.
 * Tells whether anybody still has the disk open.
 */
static bool forget_session(struct nbd_device *dev, struct nbd_session *session)
{
	bool open;

	/* Nobody can open the disk before the session is gone from it */
	open = nbd_disk_forget(dev);
	RCU_INIT_POINTER(dev->session, NULL);
	synchronize_rcu_expedited();
	nbd_event(dev->index, NBDCTL_CMD_DETACHED_EVENT);
	nbd_session_put(session);
	module_put(THIS_MODULE);
	return open;
}

/* How long an orderly detach waits for what is in flight */
#define DRAIN_TIME	(10 * HZ)

/*
 * Nobody may come in between the look at the openers and the state that keeps them out. Who has the
 * mutex is one of them, and may wait for a server: for as long as the dead time lasts, and for a
 * replacement that needs the device's lock.
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

/**
 * nbd_device_detach() - end a session in order
 * @dev: locked
 * @why: set to a human-readable reason on failure
 *
 * Nobody may have the disk open, or be about to open or close it. Caches are
 * flushed to the server, requests in flight are waited for, the servers are told.
 *
 * Return: 0; -ENOTCONN; -EBUSY while the disk is open; -ETIMEDOUT if the server
 * does not answer; what it said to the flush. On failure all is as before.
 */
int nbd_device_detach(struct nbd_device *dev, const char **why)
{
	struct nbd_session *session = nbd_device_session(dev);
	struct request_queue *q = dev->disk->queue;
	bool usable;
	int err;

	*why = "index is a device that is not attached";
	if (!session)
		return -ENOTCONN;
	*why = "the disk is open";
	err = begin_drain(dev, session, &usable);
	if (err == -ENOTCONN)
		*why = "index is a device that is ending";
	if (err)
		return err;
	if (usable && nbd_export_has(&session->export, NBD_TF_SEND_FLUSH) &&
	    !session->export.read_only) {
		*why = "the server did not flush";
		err = nbd_flush(session, q, DRAIN_TIME);
		if (err)
			goto undrain;
	}
	*why = "the server does not answer what is in flight";
	blk_freeze_queue_start(q);
	if (blk_mq_freeze_queue_wait_timeout(q, DRAIN_TIME) <= 0) {
		err = -ETIMEDOUT;
		goto unfreeze;
	}
	/* Nobody has the disk open, so nothing comes any more */
	blk_mq_unfreeze_queue_nomemrestore(q);
	nbd_session_end(session, true);
	forget_session(dev, session);
	return 0;

unfreeze:
	blk_mq_unfreeze_queue_nomemrestore(q);
undrain:
	nbd_session_undrain(session);
	return err;
}

/**
 * nbd_device_detach_now() - end a session, whatever it is doing
 * @index: number of the device
 *
 * What is in flight fails; it ends before the device's lock is taken, so
 * whoever waits for it under that lock lets go of it. If the disk is open, its
 * users keep it, dead, and the number, so that nothing they have cached can ever
 * reach what is attached next, or be taken for its content.
 *
 * Return: 0, -ENODEV, or -ENOTCONN if nothing is attached.
 */
int nbd_device_detach_now(u32 index)
{
	struct nbd_device *dev = nbd_devices_find(index);
	struct nbd_session *session;

	if (!dev)
		return -ENODEV;
	session = nbd_device_get_session(dev);
	if (!session) {
		nbd_device_put(dev);
		return -ENOTCONN;
	}
	nbd_session_end(session, false);
	mutex_lock(&dev->lock);
	/* It may have ended in order meanwhile, and there may be another */
	if (nbd_device_session(dev) == session && forget_session(dev, session))
		nbd_devices_retire(dev);
	nbd_device_unlock(dev);
	nbd_session_put(session);
	return 0;
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
	nbd_event_resized(dev->index, size);
	return 0;
}
