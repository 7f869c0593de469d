// SPDX-License-Identifier: GPL-2.0-only
/* File operations of a disk: open, ioctl, and the end of its life. */
#include <linux/blkdev.h>
#include <linux/module.h>

#include "../uapi/linux/nbdctl.h"
#include "compat.h"
#include "device.h"
#include "devices.h"
#include "disk.h"
#include "fops.h"
#include "ioctl.h"
#include "legacy-ioctl.h"

/* An idle disk can be opened, one that is being detached cannot */
static int fops_open(NBD_OPEN_ARGS)
{
	struct nbd_device *dev = nbd_open_disk()->private_data;
	u32 state = nbd_devices_state(dev);

	if (nbd_devices_is_gone(dev))
		return -ENXIO;
	return state == NBDCTL_STATE_DRAINING || state == NBDCTL_STATE_DEAD ? -EBUSY : 0;
}

static void fops_release(NBD_RELEASE_ARGS)
{
	struct nbd_device *dev = disk->private_data;

	nbd_legacy_closed(dev);
	nbd_device_closed(dev);
}

static int fops_ioctl(struct block_device *bdev, nbd_mode_t mode, unsigned int cmd,
		      unsigned long arg)
{
	if (nbd_legacy_has_ioctl(cmd))
		return nbd_legacy_ioctl(bdev->bd_disk->private_data, cmd, arg);
	return nbd_ioctl(bdev, mode, cmd, arg);
}

static int fops_compat_ioctl(struct block_device *bdev, nbd_mode_t mode, unsigned int cmd,
			     unsigned long arg)
{
	if (nbd_legacy_has_ioctl(cmd))
		return nbd_legacy_ioctl(bdev->bd_disk->private_data, cmd, arg);
	return nbd_compat_ioctl(bdev, mode, cmd, arg);
}

static void fops_free_disk(struct gendisk *disk)
{
	struct nbd_device *dev = disk->private_data;

	blk_mq_free_tag_set(&dev->tag_set);
	nbd_devices_forget(dev);
}

const struct block_device_operations nbd_fops = {
	.owner = THIS_MODULE,
	.open = fops_open,
	.release = fops_release,
	.ioctl = fops_ioctl,
	.compat_ioctl = fops_compat_ioctl,
	.free_disk = fops_free_disk,
};
