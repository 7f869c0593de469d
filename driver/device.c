// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices. The list of devices has a lock that is held for short; each device
 * has one that is held while something is attached, detached or changed. The
 * list's lock is never taken under a device's.
 */
#include <linux/blkdev.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "device.h"
#include "event.h"
#include "private.h"

unsigned int nbds_max = 16;
unsigned int max_part = 16;

static DEFINE_XARRAY_ALLOC(devices);
static DEFINE_MUTEX(devices_lock);	/* protects devices, and adding and removing them */

/* Highest index whose minors still have numbers */
u32 nbd_index_max(void)
{
	unsigned int minors = max_part ? roundup_pow_of_two(max_part + 1) : 1;

	return (1u << MINORBITS) / minors - 1;
}

static struct nbd_device *add_device(u32 index, u32 queues, u32 depth)
{
	struct nbd_device *dev;
	int err;

	lockdep_assert_held(&devices_lock);
	dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	if (!dev)
		return ERR_PTR(-ENOMEM);
	dev->index = index;
	dev->depth = depth;
	mutex_init(&dev->lock);
	err = xa_reserve(&devices, index, GFP_KERNEL);
	if (err)
		goto free_dev;
	err = nbd_disk_add(dev, queues, depth);
	if (err)
		goto release_index;
	xa_store(&devices, index, dev, GFP_KERNEL);
	return dev;

release_index:
	xa_release(&devices, index);
free_dev:
	kfree(dev);
	return ERR_PTR(err);
}

/* Users of the disk keep what is left of it; the index is free when this returns */
static void remove_device(struct nbd_device *dev)
{
	u32 index = dev->index;

	lockdep_assert_held(&devices_lock);
	nbd_disk_del(dev);
	xa_erase(&devices, index);
}

static void get_device_ref(struct nbd_device *dev)
{
	get_device(disk_to_dev(dev->disk));
}

void nbd_device_put(struct nbd_device *dev)
{
	put_disk(dev->disk);
}

void nbd_device_unlock(struct nbd_device *dev)
{
	mutex_unlock(&dev->lock);
	nbd_device_put(dev);
}

static struct nbd_device *find(u32 index)
{
	struct nbd_device *dev;

	mutex_lock(&devices_lock);
	dev = xa_load(&devices, index);
	if (dev)
		get_device_ref(dev);
	mutex_unlock(&devices_lock);
	return dev;
}

/**
 * nbd_device_lock() - find a device and lock it
 * @index: its number
 *
 * Return: the device, for nbd_device_unlock(); or NULL if there is none.
 */
struct nbd_device *nbd_device_lock(u32 index)
{
	struct nbd_device *dev;

	for (;;) {
		dev = find(index);
		if (!dev)
			return NULL;
		mutex_lock(&dev->lock);
		if (!dev->gone)
			return dev;
		/* It was replaced while we waited */
		nbd_device_unlock(dev);
	}
}

/**
 * nbd_device_next() - walk over the devices
 * @index: in: lowest number wanted; out: number of the device
 *
 * Return: the device, for nbd_device_put(); or NULL after the last.
 */
struct nbd_device *nbd_device_next(u32 *index)
{
	unsigned long at = *index;
	struct nbd_device *dev;

	mutex_lock(&devices_lock);
	dev = xa_find(&devices, &at, ULONG_MAX, XA_PRESENT);
	if (dev)
		get_device_ref(dev);
	mutex_unlock(&devices_lock);
	*index = at;
	return dev;
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

static bool is_idle(struct nbd_device *dev)
{
	return !rcu_access_pointer(dev->session) && !disk_openers(dev->disk);
}

/* Lock any idle device, or make one */
static struct nbd_device *lock_any(u32 queues, u32 depth)
{
	struct nbd_device *dev;
	unsigned long index;
	u32 unused = 0;

	mutex_lock(&devices_lock);
	xa_for_each(&devices, index, dev) {
		if (index == unused)
			unused++;
		if (!mutex_trylock(&dev->lock))
			continue;
		if (!dev->gone && is_idle(dev)) {
			get_device_ref(dev);
			goto unlock;
		}
		mutex_unlock(&dev->lock);
	}
	if (unused > nbd_index_max()) {
		dev = ERR_PTR(-ENOSPC);
		goto unlock;
	}
	dev = add_device(unused, queues, depth);
	if (!IS_ERR(dev)) {
		get_device_ref(dev);
		mutex_lock(&dev->lock);
	}
unlock:
	mutex_unlock(&devices_lock);
	return dev;
}

static struct nbd_device *lock_or_make(u32 index, u32 queues, u32 depth)
{
	struct nbd_device *dev;

	dev = nbd_device_lock(index);
	if (dev)
		return dev;
	mutex_lock(&devices_lock);
	dev = xa_load(&devices, index) ? NULL : add_device(index, queues, depth);
	mutex_unlock(&devices_lock);
	if (IS_ERR(dev))
		return dev;
	return nbd_device_lock(index) ?: ERR_PTR(-EAGAIN);
}

/*
 * Put a new device in the place of this one, which is locked and has no
 * session. Whoever has the old disk open keeps it, dead.
 */
static struct nbd_device *renew(struct nbd_device *dev, u32 queues, u32 depth)
{
	u32 index = dev->index;
	struct nbd_device *new;

	dev->gone = true;
	nbd_device_unlock(dev);
	mutex_lock(&devices_lock);
	remove_device(dev);
	new = add_device(index, queues, depth);
	mutex_unlock(&devices_lock);
	if (IS_ERR(new))
		return new;
	return nbd_device_lock(index) ?: ERR_PTR(-EAGAIN);
}

/* udev looks at a disk for a moment when it has become idle */
#define OPENERS_TIME	(2 * HZ)

static bool wait_closed(struct nbd_device *dev)
{
	unsigned long end = jiffies + OPENERS_TIME;

	while (disk_openers(dev->disk) && time_before(jiffies, end) &&
	       !fatal_signal_pending(current))
		schedule_timeout_killable(msecs_to_jiffies(10));
	return !disk_openers(dev->disk);
}

/**
 * nbd_device_lock_for_attach() - find or make a device, and lock it
 * @index: its number
 * @any: any idle one will do
 * @slots: connections it will have: as many hardware queues, up to one per CPU
 * @depth: requests in flight on each, 0 for the default
 * @why: set to a human-readable reason on failure
 *
 * The block layer may have granted fewer queues or requests; that is what there is.
 *
 * Return: an idle device that was asked for like this, for nbd_device_unlock(); or an ERR_PTR.
 */
struct nbd_device *nbd_device_lock_for_attach(u32 index, bool any, u32 slots, u32 depth,
					      const char **why)
{
	u32 queues = min(slots, nr_cpu_ids), want = depth ?: NBD_DEFAULT_DEPTH;
	struct nbd_device *dev;

	while (!fatal_signal_pending(current)) {
		dev = any ? lock_any(queues, want) : lock_or_make(index, queues, want);
		if (IS_ERR(dev)) {
			*why = "no device can be made";
			return dev;
		}
		*why = "index is a device that is attached already";
		if (rcu_access_pointer(dev->session))
			goto busy;
		if (dev->depth == want) {
			if (dev->tag_set.nr_hw_queues != queues)
				blk_mq_update_nr_hw_queues(&dev->tag_set, queues);
			return dev;
		}
		*why = "queue-depth can't change while the device is open";
		if (!wait_closed(dev))
			goto busy;
		dev = renew(dev, queues, want);
		if (IS_ERR(dev)) {
			*why = "no device can be made";
			return dev;
		}
		/* It was not locked all the time, so somebody else may have it by now */
		nbd_device_unlock(dev);
	}
	*why = "the caller was killed";
	return ERR_PTR(-EINTR);

busy:
	nbd_device_unlock(dev);
	return ERR_PTR(-EBUSY);
}

/* The page cache keeps the blocks that the disk had when it was opened, of one page at most */
static int set_limits(struct nbd_device *dev, const struct nbd_export *export, const char **why)
{
	bool large = nbd_export_block(export) > PAGE_SIZE;
	int err;

	if (large)
		wait_closed(dev);
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

/* Take a session that has ended from its device, which is locked; unlocks and puts it */
static void forget_by_force(struct nbd_device *dev, struct nbd_session *session)
{
	struct nbd_device *new;

	if (!forget_session(dev, session)) {
		nbd_device_unlock(dev);
		return;
	}
	new = renew(dev, 1, dev->depth);
	if (!IS_ERR(new))
		nbd_device_unlock(new);
}

/**
 * nbd_device_detach_now() - end a session, whatever it is doing
 * @index: number of the device
 *
 * What is in flight fails; it ends before the device's lock is taken, so
 * whoever waits for it under that lock lets go of it. If the disk is open, its
 * users keep it, dead, and the index gets a new one, so that nothing they have
 * cached can ever reach what is attached next.
 *
 * Return: 0, -ENODEV, or -ENOTCONN if nothing is attached.
 */
int nbd_device_detach_now(u32 index)
{
	struct nbd_device *dev = find(index);
	struct nbd_session *session;

	if (!dev)
		return -ENODEV;
	session = nbd_device_get_session(dev);
	nbd_device_put(dev);
	if (!session)
		return -ENOTCONN;
	nbd_session_end(session, false);
	dev = nbd_device_lock(index);
	if (dev && nbd_device_session(dev) == session)
		forget_by_force(dev, session);
	else if (dev)
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

static void remove_all(void)
{
	struct nbd_device *dev;
	unsigned long index;

	mutex_lock(&devices_lock);
	xa_for_each(&devices, index, dev)
		remove_device(dev);
	mutex_unlock(&devices_lock);
	xa_destroy(&devices);
}

/* Make the devices that are there from the start */
int nbd_devices_init(void)
{
	struct nbd_device *dev;
	u32 i;
	int err;

	if (max_part >= DISK_MAX_PARTS) {
		pr_err("nbd: max_part is too large, %u at most\n", DISK_MAX_PARTS - 1);
		return -EINVAL;
	}
	if (nbds_max > nbd_index_max() + 1) {
		pr_err("nbd: nbds_max is too large, %u at most\n", nbd_index_max() + 1);
		return -EINVAL;
	}
	err = register_blkdev(NBD_MAJOR_NR, "nbd");
	if (err)
		return err;
	for (i = 0; i < nbds_max; i++) {
		mutex_lock(&devices_lock);
		dev = add_device(i, 1, NBD_DEFAULT_DEPTH);
		mutex_unlock(&devices_lock);
		if (IS_ERR(dev)) {
			err = PTR_ERR(dev);
			goto remove;
		}
	}
	return 0;

remove:
	remove_all();
	unregister_blkdev(NBD_MAJOR_NR, "nbd");
	return err;
}

void nbd_devices_exit(void)
{
	unregister_blkdev(NBD_MAJOR_NR, "nbd");
	remove_all();
}
