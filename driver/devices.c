// SPDX-License-Identifier: GPL-2.0-only
/*
 * The registry. Devices are found under RCU. A number is free, reserved for the task that creates
 * its device, or a device's. That device may be gone: its disk was removed, and when the last user
 * is gone, too, a new device gets the number.
 */
#include <linux/blkdev.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "devices.h"
#include "disk.h"
#include "session.h"

unsigned int nbds_max = 16;
unsigned int pre_defined_connections = 1;

static DEFINE_XARRAY_ALLOC(devices);
/*
 * Detaches and removes disks. A detach waits for a server, and del_gendisk() calls into file
 * systems, which may wait for other disks of this driver. So this must not be a workqueue that
 * those disks need.
 */
struct workqueue_struct *nbd_disk_wq;
static const struct nbd_device_ops *device_ops;
static bool exiting;
static DECLARE_WAIT_QUEUE_HEAD(released);	/* a number was; for nbd_devices_exit() */

/* Highest index whose minors fit into MINORBITS */
u32 nbd_index_max(void)
{
	return (1u << MINORBITS) / nbd_disk_minors() - 1;
}

/* ---- finding ---- */

static bool devices_get_ref(struct nbd_device *dev)
{
	return kobject_get_unless_zero(&disk_to_dev(dev->disk)->kobj);
}

/**
 * nbd_devices_find() - find a device by its number
 * @index: the number
 *
 * Context: Any context.
 * Return: the device, which may be gone, for nbd_devices_put(); or NULL.
 */
struct nbd_device *nbd_devices_find(u32 index)
{
	struct nbd_device *dev;

	rcu_read_lock();
	dev = xa_load(&devices, index);
	if (dev && !devices_get_ref(dev))
		dev = NULL;
	rcu_read_unlock();
	return dev;
}

/**
 * nbd_devices_next() - find the next device
 * @index: in: lowest number to return; out: number of the device
 *
 * Context: Any context.
 * Return: the device, which may be gone, for nbd_devices_put(); or NULL after the last.
 */
struct nbd_device *nbd_devices_next(u32 *index)
{
	unsigned long at = *index;
	struct nbd_device *dev;

	rcu_read_lock();
	for (;;) {
		dev = xa_find(&devices, &at, ULONG_MAX, XA_PRESENT);
		if (!dev || devices_get_ref(dev))
			break;
		at++;
	}
	rcu_read_unlock();
	*index = at;
	return dev;
}

/**
 * nbd_devices_find_locked() - find a device by its number, and lock it
 * @index: the number
 *
 * Context: Process context, may sleep.
 * Return: the device, for nbd_devices_unlock(); or NULL. If it is gone, nothing is attached to it.
 */
struct nbd_device *nbd_devices_find_locked(u32 index)
{
	struct nbd_device *dev = nbd_devices_find(index);

	if (dev)
		nbd_devices_lock(dev);
	return dev;
}

void nbd_devices_put(struct nbd_device *dev)
{
	put_disk(dev->disk);
}

/**
 * nbd_devices_lock() - lock a device
 * @dev: referenced device
 *
 * Reclaim may write to a disk that waits for its server. The holder of this lock must not wait for
 * that, so its allocations do no I/O. But it may wait for the disk's open_mutex, under which the
 * block layer allocates with I/O; so connections are replaced without this lock.
 *
 * Context: Process context, may sleep. nbd_devices_unlock() releases the lock.
 */
void nbd_devices_lock(struct nbd_device *dev)
{
	mutex_lock(&dev->lock);
	dev->noio = memalloc_noio_save();
}

bool nbd_devices_trylock(struct nbd_device *dev)
{
	if (!mutex_trylock(&dev->lock))
		return false;
	dev->noio = memalloc_noio_save();
	return true;
}

static void devices_unlock(struct nbd_device *dev)
{
	unsigned int noio = dev->noio;

	mutex_unlock(&dev->lock);
	memalloc_noio_restore(noio);
}

/**
 * nbd_devices_unlock() - unlock a device, and drop a reference to it
 * @dev: device locked by the caller
 *
 * Context: Process context, may sleep.
 */
void nbd_devices_unlock(struct nbd_device *dev)
{
	devices_unlock(dev);
	nbd_devices_put(dev);
}

/**
 * nbd_devices_get_session() - get the session of a device
 * @dev: referenced device
 *
 * Context: Any context.
 * Return: the session, for nbd_session_put(), or NULL.
 */
struct nbd_session *nbd_devices_get_session(struct nbd_device *dev)
{
	struct nbd_session *session;

	rcu_read_lock();
	session = rcu_dereference(dev->session);
	if (session && !kref_get_unless_zero(&session->ref))
		session = NULL;
	rcu_read_unlock();
	return session;
}

/**
 * nbd_devices_state() - get the state of a device
 * @dev: referenced device
 *
 * Context: Any context.
 * Return: the state of its session; without one, NBDCTL_STATE_DEAD if the device is gone, else
 * NBDCTL_STATE_IDLE.
 */
u32 nbd_devices_state(struct nbd_device *dev)
{
	u32 state = nbd_devices_is_gone(dev) ? NBDCTL_STATE_DEAD : NBDCTL_STATE_IDLE;
	struct nbd_session *session;

	rcu_read_lock();
	session = rcu_dereference(dev->session);
	if (session)
		state = nbd_session_uapi_state(session);
	rcu_read_unlock();
	return state;
}

bool nbd_devices_is_gone(const struct nbd_device *dev)
{
	return READ_ONCE(dev->gone);
}

/* ---- creating and removing ---- */

static void devices_del_work(struct work_struct *work)
{
	nbd_disk_del(container_of(work, struct nbd_device, del_work));
}

static void devices_release_index(u32 index)
{
	xa_release(&devices, index);
	wake_up_all(&released);
}

static void devices_renew_work(struct work_struct *work);

/*
 * Create the device of a number that the caller has reserved; it is returned locked and referenced.
 * On failure the number is free again. But a task that is being killed may get no per-CPU memory;
 * then a worker creates the device, as the number may have had one that was removed for this.
 */
static struct nbd_device *devices_create(u32 index, u32 queues, u32 depth)
{
	struct nbd_device *dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	int err = -ENOMEM;

	if (!dev)
		goto release;
	dev->ops = device_ops;
	dev->index = index;
	dev->depth = depth;
	mutex_init(&dev->lock);
	mutex_init(&dev->setup_lock);
	INIT_WORK(&dev->del_work, devices_del_work);
	INIT_WORK(&dev->renew_work, devices_renew_work);
	/* Before anybody can open the disk, and attach to it by ioctl */
	nbd_devices_lock(dev);
	err = nbd_disk_add(dev, queues, depth);
	if (err)
		goto unlock;
	get_device(disk_to_dev(dev->disk));
	/* Cannot fail: the reserved entry has its memory */
	xa_store(&devices, index, dev, GFP_KERNEL);
	return dev;

unlock:
	devices_unlock(dev);
	if (fatal_signal_pending(current)) {
		queue_work(nbd_disk_wq, &dev->renew_work);
		return ERR_PTR(-EINTR);
	}
	kfree(dev);
release:
	devices_release_index(index);
	return ERR_PTR(err);
}

/* Create the next device of a number whose last one has no references left, or was not added */
static void devices_renew_work(struct work_struct *work)
{
	struct nbd_device *old = container_of(work, struct nbd_device, renew_work), *new;
	u32 index = old->index, depth = old->depth;
	bool destroy = old->destroy;

	kfree_rcu(old, rcu);
	if (destroy || READ_ONCE(exiting)) {
		devices_release_index(index);
		return;
	}
	new = devices_create(index, 1, depth);
	if (!IS_ERR(new))
		nbd_devices_unlock(new);
}

/**
 * nbd_devices_forget() - free a device, and have the next one created if it still has its number
 * @dev: device without references, whose disk is being freed
 *
 * Context: Process context, may sleep.
 */
void nbd_devices_forget(struct nbd_device *dev)
{
	/* Not if the device was replaced: the number belongs to its successor */
	if (xa_cmpxchg(&devices, dev->index, dev, XA_ZERO_ENTRY, GFP_KERNEL) == dev)
		queue_work(nbd_disk_wq, &dev->renew_work);
	else
		kfree_rcu(dev, rcu);
}

/* True if a disk or partition is mounted, swapped to, or part of another device */
static bool devices_is_claimed(struct gendisk *disk)
{
	struct block_device *part;
	bool claimed = false;
	unsigned long i;

	rcu_read_lock();
	xa_for_each(&disk->part_tbl, i, part)
		claimed |= !!READ_ONCE(part->bd_holder);
	rcu_read_unlock();
	return claimed;
}

/*
 * Reserve the number of a device for the caller, and mark the device as gone; false if the disk is
 * in use, as its users keep the number. With @plain, a disk that is merely open is not in use: the
 * process that attached it by ioctl, and the one that detaches it, have it open.
 */
static bool devices_reserve_index(struct nbd_device *dev, bool plain)
{
	bool used;

	mutex_lock(&dev->disk->open_mutex);
	used = plain ? devices_is_claimed(dev->disk) : disk_openers(dev->disk);
	if (!used)
		WRITE_ONCE(dev->gone, true);
	mutex_unlock(&dev->disk->open_mutex);
	if (!used)
		xa_store(&devices, dev->index, XA_ZERO_ENTRY, GFP_KERNEL);
	return !used;
}

/*
 * Create a device in place of one whose number devices_reserve_index() has reserved. The old one is
 * unlocked, the new one is returned locked.
 */
static struct nbd_device *devices_replace(struct nbd_device *dev, u32 queues, u32 depth)
{
	u32 index = dev->index;

	nbd_disk_del(dev);
	nbd_devices_unlock(dev);
	return devices_create(index, queues, depth);
}

/**
 * nbd_devices_renew() - replace a device whose session has ended
 * @dev: device without a session, locked by the caller; it is unlocked, and a reference is dropped
 * @session: the session that has ended
 *
 * What is attached next gets a new disk, without settings, cached data or errors of this one. If
 * the disk is in use, its users keep it, and the number gets a new device after them: what they
 * have cached would be taken for data of what is attached next.
 *
 * Context: Process context, may sleep.
 */
void nbd_devices_renew(struct nbd_device *dev, const struct nbd_session *session)
{
	struct nbd_device *new;
	u32 index = dev->index;

	lockdep_assert_held(&dev->lock);
	dev->destroy = READ_ONCE(session->destroy);
	if (!devices_reserve_index(dev, session->origin == NBD_ORIGIN_IOCTL)) {
		WRITE_ONCE(dev->gone, true);
		queue_work(nbd_disk_wq, &dev->del_work);
		nbd_devices_unlock(dev);
		return;
	}
	if (dev->destroy) {
		nbd_disk_del(dev);
		nbd_devices_unlock(dev);
		devices_release_index(index);
		return;
	}
	new = devices_replace(dev, 1, dev->depth);
	if (!IS_ERR(new))
		nbd_devices_unlock(new);
}

/* ---- for an attach ---- */

/* Longest wait for users to close a disk: udev opens one for a moment when it becomes idle */
#define OPENERS_TIME	(2 * HZ)

/*
 * Longest wait for a disk that is being created. That takes milliseconds, but more if the host is
 * busy with other things.
 */
#define CREATION_TIME	(10 * HZ)

/* Sleep for 10 ms; false if @end has passed, or a fatal signal is pending */
static bool devices_nap(unsigned long end)
{
	if (time_after_eq(jiffies, end) || fatal_signal_pending(current))
		return false;
	schedule_timeout_killable(msecs_to_jiffies(10));
	return true;
}

/**
 * nbd_devices_wait_closed() - wait until a disk is not open
 * @dev: referenced device
 *
 * Context: Process context, sleeps for OPENERS_TIME at most; a fatal signal ends the wait.
 * Return: false if the disk is still open.
 */
bool nbd_devices_wait_closed(struct nbd_device *dev)
{
	unsigned long end = jiffies + OPENERS_TIME;

	while (disk_openers(dev->disk) && devices_nap(end))
		;
	return !disk_openers(dev->disk);
}

static bool devices_is_free(struct nbd_device *dev)
{
	return !dev->gone && !rcu_access_pointer(dev->session) && !disk_openers(dev->disk);
}

/* Lock the first idle device that is neither open nor locked, or create one */
static struct nbd_device *devices_lock_any(u32 queues, u32 depth, const char **errmsg)
{
	struct nbd_device *dev;
	u32 index = 0;
	int err;

	while ((dev = nbd_devices_next(&index))) {
		index++;
		if (!nbd_devices_trylock(dev)) {
			nbd_devices_put(dev);
			continue;
		}
		if (devices_is_free(dev))
			return dev;
		nbd_devices_unlock(dev);
	}
	*errmsg = "cannot create a device";
	err = xa_alloc(&devices, &index, NULL, XA_LIMIT(0, nbd_index_max()), GFP_KERNEL);
	if (err)
		return ERR_PTR(err == -EBUSY ? -ENOSPC : err);
	return devices_create(index, queues, depth);
}

/*
 * Lock the device of a number, or create it. This waits for users of a device that is gone, for
 * OPENERS_TIME at most, and for a task that creates the device, for CREATION_TIME.
 */
static struct nbd_device *devices_lock_or_create(u32 index, u32 queues, u32 depth,
						 const char **errmsg)
{
	unsigned long begin = jiffies, patience;
	struct nbd_device *dev;
	int err;

	do {
		patience = CREATION_TIME;
		*errmsg = "index: being created by another attach";
		dev = nbd_devices_find_locked(index);
		if (dev && !dev->gone)
			return dev;
		if (dev) {
			patience = OPENERS_TIME;
			*errmsg = "index: still in use after a forced detach";
			nbd_devices_unlock(dev);
		}
		err = xa_insert(&devices, index, NULL, GFP_KERNEL);
		if (!err) {
			*errmsg = "cannot create a device";
			return devices_create(index, queues, depth);
		}
	} while (err == -EBUSY && devices_nap(begin + patience));
	return ERR_PTR(err);
}

/*
 * Replace a device by one of another queue depth. The old one is locked and has no session; it is
 * unlocked, and the new one is returned locked.
 */
static struct nbd_device *devices_change_depth(struct nbd_device *dev, u32 queues, u32 depth,
					       const char **errmsg)
{
	*errmsg = "queue-depth: cannot change while the device is open";
	nbd_devices_wait_closed(dev);
	if (!devices_reserve_index(dev, false)) {
		nbd_devices_unlock(dev);
		return ERR_PTR(-EBUSY);
	}
	*errmsg = "cannot create a device";
	return devices_replace(dev, queues, depth);
}

static void devices_set_queues(struct nbd_device *dev, u32 queues)
{
	if (dev->tag_set.nr_hw_queues != queues)
		blk_mq_update_nr_hw_queues(&dev->tag_set, queues);
}

/**
 * nbd_devices_lock_for_attach() - find or create an idle device, and lock it
 * @index: its number
 * @any: use any number, not @index
 * @slots: number of connections; there will be as many hardware queues, up to one per CPU
 * @depth: requests in flight per hardware queue, 0 for the default
 * @errmsg: set to a human-readable reason on failure
 *
 * The block layer may grant fewer queues or requests, see the device's tag_set.
 *
 * Context: Process context, sleeps.
 * Return: the device, for nbd_devices_unlock(); or an ERR_PTR.
 */
struct nbd_device *nbd_devices_lock_for_attach(u32 index, bool any, u32 slots, u32 depth,
					       const char **errmsg)
{
	u32 queues = min(slots, nr_cpu_ids), want = depth ?: NBD_DEFAULT_DEPTH;
	struct nbd_device *dev;

	if (any)
		dev = devices_lock_any(queues, want, errmsg);
	else
		dev = devices_lock_or_create(index, queues, want, errmsg);
	if (IS_ERR(dev))
		return dev;
	if (rcu_access_pointer(dev->session)) {
		*errmsg = "index: already attached";
		nbd_devices_unlock(dev);
		return ERR_PTR(-EBUSY);
	}
	if (dev->depth != want)
		return devices_change_depth(dev, queues, want, errmsg);
	devices_set_queues(dev, queues);
	return dev;
}

/**
 * nbd_devices_prepare() - check that a device is idle, and set the number of its hardware queues
 * @dev: device locked by the caller; it may be open
 * @slots: number of connections
 * @errmsg: set to a human-readable reason on failure
 *
 * Context: Process context, sleeps.
 * Return: 0; -ENXIO if the device is gone; -EBUSY if something is attached to it.
 */
int nbd_devices_prepare(struct nbd_device *dev, u32 slots, const char **errmsg)
{
	lockdep_assert_held(&dev->lock);
	if (dev->gone) {
		*errmsg = "index: no such device";
		return -ENXIO;
	}
	if (rcu_access_pointer(dev->session)) {
		*errmsg = "index: already attached";
		return -EBUSY;
	}
	*errmsg = NULL;
	devices_set_queues(dev, min(slots, nr_cpu_ids));
	return 0;
}

/* ---- the module ---- */

static int devices_check_params(void)
{
	if (max_part >= DISK_MAX_PARTS) {
		pr_err("nbd: max_part is too large, %u at most\n", DISK_MAX_PARTS - 1);
		return -EINVAL;
	}
	max_part = nbd_disk_minors() - 1;
	if (nbds_max > nbd_index_max() + 1) {
		pr_err("nbd: nbds_max is too large, %u at most\n", nbd_index_max() + 1);
		return -EINVAL;
	}
	if (!pre_defined_connections || pre_defined_connections > NBD_MAX_SLOTS) {
		pr_err("nbd: pre_defined_connections must be from 1 to %u\n", NBD_MAX_SLOTS);
		return -EINVAL;
	}
	return 0;
}

static int devices_create_first(u32 index)
{
	struct nbd_device *dev;
	int err;

	err = xa_insert(&devices, index, NULL, GFP_KERNEL);
	if (err)
		return err;
	dev = devices_create(index, min(pre_defined_connections, nr_cpu_ids), NBD_DEFAULT_DEPTH);
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	nbd_devices_unlock(dev);
	return 0;
}

/**
 * nbd_devices_init() - set up the registry, and create the devices that exist from the start
 * @ops: what the block layer is to call for the devices
 *
 * Context: Process context, sleeps.
 * Return: 0 or negative errno.
 */
int nbd_devices_init(const struct nbd_device_ops *ops)
{
	u32 i;
	int err;

	device_ops = ops;
	err = devices_check_params();
	if (err)
		return err;
	nbd_disk_wq = alloc_workqueue("nbd-disk", WQ_UNBOUND, 0);
	if (!nbd_disk_wq)
		return -ENOMEM;
	err = register_blkdev(NBD_MAJOR_NR, "nbd");
	if (err) {
		destroy_workqueue(nbd_disk_wq);
		return err;
	}
	for (i = 0; i < nbds_max && !err; i++)
		err = devices_create_first(i);
	if (err)
		nbd_devices_exit();
	return err;
}

/* No device is attached, and no disk is open: both pin the module */
void nbd_devices_exit(void)
{
	struct nbd_device *dev;
	u32 index = 0;

	WRITE_ONCE(exiting, true);
	/* Removals of disks, and creation of the devices after them */
	flush_workqueue(nbd_disk_wq);
	unregister_blkdev(NBD_MAJOR_NR, "nbd");
	while ((dev = nbd_devices_next(&index))) {
		nbd_devices_lock(dev);
		if (!dev->gone)
			queue_work(nbd_disk_wq, &dev->del_work);
		WRITE_ONCE(dev->gone, true);
		nbd_devices_unlock(dev);
		index++;
	}
	wait_event(released, xa_empty(&devices));
	destroy_workqueue(nbd_disk_wq);
}
