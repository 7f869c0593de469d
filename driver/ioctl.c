// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of linux/nbdmap.h: their arguments are checked here, walk.c queries the status.
 * Offsets count from the start of the block device that was opened, a disk or a partition.
 */
#include <linux/blkdev.h>
#include <linux/compat.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "../uapi/linux/nbdmap.h"
#include "devices.h"
#include "disk.h"
#include "ioctl.h"
#include "session.h"
#include "walk.h"

/*
 * Check that the caller has opened this block device. Device mapper passes ioctls down, also from
 * devices that are a part of this one only, or span several.
 */
static int ioctl_check_node(const struct block_device *bdev, u32 major, u32 minor)
{
	return MAJOR(bdev->bd_dev) == major && MINOR(bdev->bd_dev) == minor ? 0 : -ENODEV;
}

static int ioctl_check_contexts(const struct nbd_session *session)
{
	return session->export.nr_contexts ? 0 : -EOPNOTSUPP;
}

static int ioctl_find_context(const struct nbd_session *session, const struct nbdmap_context *arg)
{
	const struct nbd_export *export = &session->export;
	int err = -ENOENT;
	char *name;
	u32 i;

	if (arg->name_size > NBDMAP_NAME_MAX)
		return -ENOENT;
	name = memdup_user_nul(u64_to_user_ptr(arg->name), arg->name_size);
	if (IS_ERR(name))
		return PTR_ERR(name);
	for (i = 0; i < export->nr_contexts; i++) {
		if (strlen(name) == arg->name_size && !strcmp(name, export->contexts[i])) {
			err = i;
			break;
		}
	}
	kfree(name);
	return err;
}

static int ioctl_show_context(const struct nbd_session *session, struct nbdmap_context *arg)
{
	const char *name;
	u32 len;

	if (arg->index >= session->export.nr_contexts)
		return -ENOENT;
	name = session->export.contexts[arg->index];
	len = strlen(name);
	if (copy_to_user(u64_to_user_ptr(arg->name), name, min(len, arg->name_size)))
		return -EFAULT;
	arg->name_size = len;
	return 0;
}

static int ioctl_context(struct block_device *bdev, struct nbd_session *session,
			 void __user *argp)
{
	struct nbdmap_context arg;
	int err;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	err = ioctl_check_node(bdev, arg.major, arg.minor);
	if (err)
		return err;
	if (arg.reserved)
		return -EINVAL;
	err = ioctl_check_contexts(session);
	if (err)
		return err;
	if (arg.index == NBDMAP_BY_NAME) {
		err = ioctl_find_context(session, &arg);
		if (err < 0)
			return err;
		arg.index = err;
	} else {
		err = ioctl_show_context(session, &arg);
		if (err)
			return err;
	}
	arg.count = session->export.nr_contexts;
	return copy_to_user(argp, &arg, sizeof(arg)) ? -EFAULT : 0;
}

/*
 * Check that the range is inside the block device, and consists of the server's minimum blocks. The
 * end may instead be that of the block device.
 */
static int ioctl_check_range(const struct nbd_session *session, struct block_device *bdev,
			     const struct nbdmap_status *arg)
{
	u64 mask = session->export.min_block - 1;
	u64 start = (u64)get_start_sect(bdev) << SECTOR_SHIFT, size = bdev_nr_bytes(bdev);

	if (!arg->length || arg->length > size || arg->offset > size - arg->length)
		return -EINVAL;
	if ((start + arg->offset) & mask)
		return -EINVAL;
	if (((start + arg->offset + arg->length) & mask) && arg->offset + arg->length != size)
		return -EINVAL;
	return 0;
}

static int ioctl_check_status(const struct nbd_session *session, struct block_device *bdev,
			      const struct nbdmap_status *arg)
{
	u32 nr = session->export.nr_contexts;
	int err;

	err = ioctl_check_node(bdev, arg->major, arg->minor);
	if (err)
		return err;
	if (arg->reserved || arg->flags & ~NBDMAP_REQ_ONE)
		return -EINVAL;
	err = ioctl_check_contexts(session);
	if (err)
		return err;
	if (arg->context != NBDMAP_ALL && arg->context >= nr)
		return -ENOENT;
	if (arg->capacity < (arg->context == NBDMAP_ALL ? nr : 1))
		return -EINVAL;
	return ioctl_check_range(session, bdev, arg);
}

static int ioctl_status(struct block_device *bdev, struct nbd_session *session, void __user *argp)
{
	struct nbdmap_status arg;
	int err;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	err = ioctl_check_status(session, bdev, &arg);
	if (err)
		return err;
	err = nbd_walk(session, bdev, &arg);
	if (err)
		return err;
	return copy_to_user(argp, &arg, sizeof(arg)) ? -EFAULT : 0;
}

int nbd_ioctl(struct block_device *bdev, nbd_mode_t mode, unsigned int cmd, unsigned long arg)
{
	struct nbd_device *dev = bdev->bd_disk->private_data;
	struct nbd_session *session;
	int err;

	if (cmd != NBDMAP_IOC_CONTEXT && cmd != NBDMAP_IOC_STATUS)
		return -ENOTTY;
	if (!(mode & NBD_MODE_READ))
		return -EBADF;
	session = nbd_devices_get_session(dev);
	if (!session)
		return -ENOTCONN;
	if (cmd == NBDMAP_IOC_CONTEXT)
		err = ioctl_context(bdev, session, (void __user *)arg);
	else
		err = ioctl_status(bdev, session, (void __user *)arg);
	nbd_session_put(session);
	return err;
}

int nbd_compat_ioctl(struct block_device *bdev, nbd_mode_t mode, unsigned int cmd,
		     unsigned long arg)
{
	/* The structures are the same for 32-bit callers, the pointer is not */
	return nbd_ioctl(bdev, mode, cmd, (unsigned long)compat_ptr(arg));
}
