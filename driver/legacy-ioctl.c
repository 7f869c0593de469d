// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of linux/nbd.h: a process describes an attach by several of them, and stays in DO_IT
 * until its disk is gone. Documentation/compatibility.rst has what differs from the kernel's own
 * driver.
 */
#include <linux/blkdev.h>
#include <linux/capability.h>
#include <linux/overflow.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "conn.h"
#include "device.h"
#include "devices.h"
#include "disk.h"
#include "legacy.h"
#include "legacy-ioctl.h"
#include "session.h"

/* ---- setting up ---- */

/* The attach that is being set up, which is created if necessary; under setup_lock */
static struct nbd_legacy *legacy_setup(struct nbd_device *dev)
{
	if (!dev->setup)
		dev->setup = nbd_legacy_alloc();
	return dev->setup;
}

static int legacy_set_sock(struct nbd_legacy *setup, unsigned long fd)
{
	struct pid *self = task_tgid(current);
	const char *errmsg;
	int err;

	if (fd > INT_MAX)
		return -EINVAL;
	if (setup->owner && setup->owner != self)
		return -EBUSY;
	err = nbd_legacy_add_socket(setup, fd, &errmsg);
	if (!err && !setup->owner)
		setup->owner = get_pid(self);
	return err;
}

static int legacy_set_size(struct nbd_legacy *setup, u64 size)
{
	if (size > S64_MAX)
		return -EINVAL;
	setup->size = size;
	return 0;
}

static int legacy_set_size_blocks(struct nbd_legacy *setup, unsigned long blocks)
{
	u64 size;

	if (check_mul_overflow((u64)blocks, (u64)setup->block, &size))
		return -EINVAL;
	return legacy_set_size(setup, size);
}

static int legacy_set(struct nbd_legacy *setup, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case NBD_SET_SOCK:
		return legacy_set_sock(setup, arg);
	case NBD_SET_BLKSIZE:
		return nbd_legacy_set_block(setup, arg);
	case NBD_SET_SIZE:
		return legacy_set_size(setup, arg);
	case NBD_SET_SIZE_BLOCKS:
		return legacy_set_size_blocks(setup, arg);
	case NBD_SET_TIMEOUT:
		return nbd_legacy_timeout(arg, &setup->request_timeout);
	case NBD_SET_FLAGS:
		setup->flags = arg;
		return 0;
	}
	return -ENOTTY;
}

static int legacy_set_idle(struct nbd_device *dev, unsigned int cmd, unsigned long arg)
{
	struct nbd_legacy *setup;
	int err = -ENOMEM;

	mutex_lock(&dev->setup_lock);
	setup = legacy_setup(dev);
	if (setup)
		err = legacy_set(setup, cmd, arg);
	mutex_unlock(&dev->setup_lock);
	return err;
}

/* ---- an attached disk ---- */

static int legacy_set_live(struct nbd_device *dev, struct nbd_session *session, unsigned int cmd,
			   unsigned long arg)
{
	u32 block = session->export.min_block;
	unsigned long timeout;
	u64 size;
	int err;

	switch (cmd) {
	case NBD_SET_SIZE:
		return nbd_device_resize(dev, arg);
	case NBD_SET_SIZE_BLOCKS:
		if (check_mul_overflow((u64)arg, (u64)block, &size))
			return -EINVAL;
		return nbd_device_resize(dev, size);
	case NBD_SET_TIMEOUT:
		err = nbd_legacy_timeout(arg, &timeout);
		if (!err)
			nbd_device_set_timeout(dev, timeout);
		return err;
	case NBD_SET_BLKSIZE:
		if (!nbd_legacy_block(arg))
			return -EINVAL;
		return nbd_legacy_block(arg) == block ? 0 : -EBUSY;
	case NBD_SET_FLAGS:
		return (u16)arg == session->export.flags ? 0 : -EBUSY;
	}
	return -EBUSY;
}

/* Change an attached disk, or what is being set up */
static int legacy_change(struct nbd_device *dev, unsigned int cmd, unsigned long arg)
{
	struct nbd_session *session;
	int err;

	get_device(disk_to_dev(dev->disk));
	nbd_devices_lock(dev);
	session = nbd_device_session(dev);
	if (session)
		err = legacy_set_live(dev, session, cmd, arg);
	else if (dev->gone)
		err = -ENXIO;
	else
		err = legacy_set_idle(dev, cmd, arg);
	nbd_devices_unlock(dev);
	return err;
}

static void legacy_disconnect(struct nbd_device *dev)
{
	get_device(disk_to_dev(dev->disk));
	nbd_devices_lock(dev);
	if (nbd_device_session(dev))
		nbd_device_disconnect(dev);
	nbd_devices_unlock(dev);
}

/* Drop the sockets that were given; the rest of what was set up stays */
static void legacy_drop_sockets(struct nbd_device *dev)
{
	mutex_lock(&dev->setup_lock);
	if (dev->setup)
		nbd_legacy_put_sockets(dev->setup);
	mutex_unlock(&dev->setup_lock);
}

static void legacy_detach_now(struct nbd_device *dev, struct nbd_session *session)
{
	get_device(disk_to_dev(dev->disk));
	nbd_device_detach_now(dev, session);
}

/* A disconnect that was begun comes to its end first: what is in flight is not lost */
static int legacy_clear_sock(struct nbd_device *dev)
{
	struct nbd_session *session = nbd_devices_get_session(dev);
	int err = 0;

	if (session) {
		if (READ_ONCE(session->end_anyway))
			err = nbd_device_wait_dropped(session);
		else
			legacy_detach_now(dev, session);
		nbd_session_put(session);
	}
	legacy_drop_sockets(dev);
	return err;
}

/* ---- DO_IT ---- */

/*
 * Take what was set up, or an ERR_PTR. Not necessarily by this process: nbd-client forks before
 * DO_IT.
 */
static struct nbd_legacy *legacy_take_setup(struct nbd_device *dev)
{
	struct nbd_legacy *setup;

	mutex_lock(&dev->setup_lock);
	setup = dev->setup;
	if (!setup || !setup->nr_socks)
		setup = ERR_PTR(-EINVAL);
	else
		dev->setup = NULL;
	mutex_unlock(&dev->setup_lock);
	return setup;
}

/* Put it back if the attach failed, for the caller to try again */
static void legacy_return_setup(struct nbd_device *dev, struct nbd_legacy *setup)
{
	mutex_lock(&dev->setup_lock);
	if (!dev->setup)
		swap(dev->setup, setup);
	mutex_unlock(&dev->setup_lock);
	nbd_legacy_free(setup);
}

/* Attach to the open device; returns the session, referenced for the caller, or an ERR_PTR */
static struct nbd_session *legacy_attach(struct nbd_device *dev, struct nbd_legacy *setup)
{
	struct nbd_session *session;
	struct nbd_conn **conns;
	const char *errmsg;
	int err;

	session = nbd_legacy_session(setup, NBD_ORIGIN_IOCTL, &conns, &errmsg);
	err = PTR_ERR_OR_ZERO(session);
	if (err)
		goto out;
	nbd_session_get(session);
	err = nbd_device_attach_open(dev, session, conns, &errmsg);
	if (!err) {
		kfree(conns);
		return session;
	}
	nbd_put_conns(conns, session->nr_slots);
	nbd_session_put(session);
	nbd_session_put(session);
out:
	if (errmsg)
		pr_warn("nbd%u: cannot attach, %s\n", dev->index, errmsg);
	return ERR_PTR(err);
}

/* How the connections were lost */
static int legacy_reason(const struct nbd_session *session)
{
	u32 i;

	for (i = 0; i < session->nr_slots; i++)
		if (READ_ONCE(session->slots[i].reason) == ETIMEDOUT)
			return -ETIMEDOUT;
	return -EPIPE;
}

/*
 * Wait until the disk is detached. The process is what keeps it: if that is killed, or no
 * connection is left, the disk ends.
 */
static int legacy_wait(struct nbd_device *dev, struct nbd_session *session)
{
	int err;

	err = wait_event_interruptible(session->change_wq, READ_ONCE(session->dropped) ||
				       READ_ONCE(session->state) == NBD_SESSION_WAITING);
	if (READ_ONCE(session->dropped))
		return 0;
	if (!err)
		err = legacy_reason(session);
	legacy_detach_now(dev, session);
	return err;
}

static int legacy_do_it(struct nbd_device *dev)
{
	struct nbd_legacy *setup = legacy_take_setup(dev);
	struct nbd_session *session;
	int err;

	if (IS_ERR(setup))
		return PTR_ERR(setup);
	session = legacy_attach(dev, setup);
	if (IS_ERR(session)) {
		legacy_return_setup(dev, setup);
		return PTR_ERR(session);
	}
	nbd_legacy_free(setup);
	err = legacy_wait(dev, session);
	nbd_session_put(session);
	return err;
}

/* ---- entry ---- */

/* True if another interface has attached the device: then it can be ended here, no more */
static bool legacy_is_foreign(struct nbd_device *dev)
{
	struct nbd_session *session;
	bool foreign;

	rcu_read_lock();
	session = rcu_dereference(dev->session);
	foreign = session && session->origin != NBD_ORIGIN_IOCTL;
	rcu_read_unlock();
	return foreign;
}

static bool legacy_is_attached(struct nbd_device *dev)
{
	return rcu_access_pointer(dev->session);
}

/**
 * nbd_legacy_ioctl() - carry out an ioctl of linux/nbd.h
 * @dev: open device
 * @cmd: the ioctl, one of nbd_legacy_has_ioctl()
 * @arg: its argument, which is no pointer
 *
 * Context: Process context, sleeps; for DO_IT until the disk is detached.
 * Return: 0 or negative errno.
 */
int nbd_legacy_ioctl(struct nbd_device *dev, unsigned int cmd, unsigned long arg)
{
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	switch (cmd) {
	case NBD_DISCONNECT:
		legacy_disconnect(dev);
		return 0;
	case NBD_CLEAR_SOCK:
		return legacy_clear_sock(dev);
	}
	if (legacy_is_foreign(dev))
		return -EINVAL;
	switch (cmd) {
	case NBD_CLEAR_QUE:
	case NBD_PRINT_DEBUG:
		return 0;
	case NBD_DO_IT:
		return legacy_is_attached(dev) ? -EBUSY : legacy_do_it(dev);
	}
	return legacy_change(dev, cmd, arg);
}

/**
 * nbd_legacy_closed() - forget what was being set up, after the last close of a disk
 * @dev: the device
 *
 * Context: Process context, may sleep. The caller may hold the disk's open_mutex.
 */
void nbd_legacy_closed(struct nbd_device *dev)
{
	struct nbd_legacy *setup = NULL;

	if (disk_openers(dev->disk))
		return;
	mutex_lock(&dev->setup_lock);
	swap(dev->setup, setup);
	mutex_unlock(&dev->setup_lock);
	nbd_legacy_free(setup);
}
