// SPDX-License-Identifier: GPL-2.0-only
/* The gendisk of a device: made, sized, removed. */
#include <linux/blkdev.h>
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "cmd.h"
#include "device.h"
#include "devices.h"

/* Opening an idle disk is harmless, opening one that is on its way out is not */
static int disk_open(NBD_OPEN_ARGS)
{
	struct nbd_device *dev = nbd_open_disk()->private_data;
	u32 state = nbd_device_state(dev);

	if (nbd_devices_is_gone(dev))
		return -ENXIO;
	return state == NBDCTL_STATE_DRAINING || state == NBDCTL_STATE_DEAD ? -EBUSY : 0;
}

static void free_disk(struct gendisk *disk)
{
	struct nbd_device *dev = disk->private_data;

	blk_mq_free_tag_set(&dev->tag_set);
	nbd_devices_forget(dev);
}

static const struct block_device_operations disk_ops = {
	.owner = THIS_MODULE,
	.open = disk_open,
	.ioctl = nbd_ioctl,
	.compat_ioctl = nbd_compat_ioctl,
	.free_disk = free_disk,
};

static int alloc_tag_set(struct nbd_device *dev, u32 queues, u32 depth)
{
	dev->tag_set.ops = &nbd_mq_ops;
	dev->tag_set.nr_hw_queues = queues;
	dev->tag_set.queue_depth = depth + NBD_RESERVED_TAGS;
	dev->tag_set.reserved_tags = NBD_RESERVED_TAGS;
	dev->tag_set.numa_node = NUMA_NO_NODE;
	dev->tag_set.cmd_size = sizeof(struct nbd_pdu);
	/*
	 * Stacking: a processor goes offline without waiting for the answers to what it
	 * asked for. They come to another; and when the machine goes to sleep the network
	 * sleeps already, so they would never come.
	 */
	dev->tag_set.flags = NBD_MQ_SHOULD_MERGE | BLK_MQ_F_NO_SCHED_BY_DEFAULT |
			     BLK_MQ_F_STACKING;
	return blk_mq_alloc_tag_set(&dev->tag_set);
}

static void name_disk(struct gendisk *disk, struct nbd_device *dev)
{
	unsigned int minors = max_part ? roundup_pow_of_two(max_part + 1) : 1;

	disk->major = NBD_MAJOR_NR;
	disk->first_minor = dev->index * minors;
	disk->minors = minors;
	disk->fops = &disk_ops;
	disk->private_data = dev;
	snprintf(disk->disk_name, sizeof(disk->disk_name), "nbd%u", dev->index);
}

/**
 * nbd_disk_add() - give a device its disk
 * @dev: the device; its index is set. On success the disk's reference count is
 *	the device's
 * @queues: hardware queues
 * @depth: requests in flight on each
 *
 * Return: 0 or negative errno, then the device is still the caller's.
 */
int nbd_disk_add(struct nbd_device *dev, u32 queues, u32 depth)
{
	struct gendisk *disk;
	int err;

	err = alloc_tag_set(dev, queues, depth);
	if (err)
		return err;
	disk = nbd_alloc_disk(&dev->tag_set, dev);
	if (IS_ERR(disk)) {
		err = PTR_ERR(disk);
		goto free_tag_set;
	}
	name_disk(disk, dev);
	nbd_reset_limits(disk);
	dev->disk = disk;
	err = add_disk(disk);
	if (err)
		goto put_disk;
	return 0;

put_disk:
	/* Not yet added, so this does not free the device */
	disk->fops = NULL;
	put_disk(disk);
free_tag_set:
	blk_mq_free_tag_set(&dev->tag_set);
	return err;
}

/* Remove the disk, whoever uses it. The device goes with its last reference. */
void nbd_disk_del(struct nbd_device *dev)
{
	blk_mark_disk_dead(dev->disk);
	del_gendisk(dev->disk);
	put_disk(dev->disk);
}

/**
 * nbd_disk_set_size() - let the disk have a size
 * @dev: the device
 * @size: in bytes
 *
 * The partition table is read when the disk is next opened. udev is told.
 */
void nbd_disk_set_size(struct nbd_device *dev, u64 size)
{
	set_bit(GD_NEED_PART_SCAN, &dev->disk->state);
	if (!set_capacity_and_notify(dev->disk, size >> SECTOR_SHIFT))
		kobject_uevent(&disk_to_dev(dev->disk)->kobj, KOBJ_CHANGE);
}

/* Before the size, whose event tells of both: of this alone udev should not hear */
void nbd_disk_set_ro(struct nbd_device *dev, bool read_only)
{
	if (read_only)
		set_bit(GD_READ_ONLY, &dev->disk->state);
}
