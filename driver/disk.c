// SPDX-License-Identifier: GPL-2.0-only
/* The gendisk of a device: how it is created, sized and removed; its requests in flight. */
#include <linux/blkdev.h>
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "cmd.h"
#include "compat.h"
#include "disk.h"
#include "limits.h"
#include "session.h"

unsigned int max_part = 16;

/* Minors of each disk */
unsigned int nbd_disk_minors(void)
{
	return max_part ? roundup_pow_of_two(max_part + 1) : 1;
}

static int disk_alloc_tag_set(struct nbd_device *dev, u32 queues, u32 depth)
{
	dev->tag_set.ops = dev->ops->mq_ops;
	dev->tag_set.nr_hw_queues = queues;
	dev->tag_set.queue_depth = depth + NBD_QUERY_TAGS;
	dev->tag_set.reserved_tags = NBD_QUERY_TAGS;
	dev->tag_set.numa_node = NUMA_NO_NODE;
	dev->tag_set.cmd_size = sizeof(struct nbd_pdu);
	/*
	 * BLK_MQ_F_STACKING: CPU hotplug does not drain hardware queues. Replies arrive on any CPU;
	 * and in suspend the wait would not end, as the network is down by then.
	 */
	dev->tag_set.flags = NBD_MQ_SHOULD_MERGE | BLK_MQ_F_NO_SCHED_BY_DEFAULT |
			     BLK_MQ_F_STACKING;
	return blk_mq_alloc_tag_set(&dev->tag_set);
}

static void disk_set_name(struct gendisk *disk, struct nbd_device *dev)
{
	unsigned int minors = nbd_disk_minors();

	disk->major = NBD_MAJOR_NR;
	disk->first_minor = dev->index * minors;
	disk->minors = minors;
	disk->fops = dev->ops->fops;
	disk->private_data = dev;
	snprintf(disk->disk_name, sizeof(disk->disk_name), "nbd%u", dev->index);
}

/**
 * nbd_disk_add() - create the disk of a device
 * @dev: device with its index and its operations; on success its life ends with the disk's
 *	references
 * @queues: number of hardware queues
 * @depth: requests in flight per hardware queue, without those with reserved tags
 *
 * Context: Process context, may sleep.
 * Return: 0; or negative errno, and the caller still owns @dev.
 */
int nbd_disk_add(struct nbd_device *dev, u32 queues, u32 depth)
{
	struct gendisk *disk;
	int err;

	err = disk_alloc_tag_set(dev, queues, depth);
	if (err)
		return err;
	disk = nbd_alloc_disk(&dev->tag_set, dev);
	if (IS_ERR(disk)) {
		err = PTR_ERR(disk);
		goto free_tag_set;
	}
	disk_set_name(disk, dev);
	nbd_limits_reset(disk);
	dev->disk = disk;
	err = device_add_disk(NULL, disk, dev->ops->groups);
	if (err)
		goto put_disk;
	return 0;

put_disk:
	/* It was not added, so this does not free the device */
	disk->fops = NULL;
	put_disk(disk);
free_tag_set:
	blk_mq_free_tag_set(&dev->tag_set);
	return err;
}

/**
 * nbd_disk_del() - remove the disk of a device
 * @dev: the device, which is freed with the last reference to its disk
 *
 * Users of the disk keep it, marked dead.
 *
 * Context: Process context, sleeps. If the disk may be open, no lock may be held: file systems are
 * called.
 */
void nbd_disk_del(struct nbd_device *dev)
{
	blk_mark_disk_dead(dev->disk);
	del_gendisk(dev->disk);
	put_disk(dev->disk);
}

/**
 * nbd_disk_set_size() - set the capacity of a disk
 * @dev: the device
 * @size: in bytes
 *
 * The partition table is read when the disk is next opened. A uevent is sent in any case.
 *
 * Context: Process context, may sleep.
 */
void nbd_disk_set_size(struct nbd_device *dev, u64 size)
{
	set_bit(GD_NEED_PART_SCAN, &dev->disk->state);
	if (!set_capacity_and_notify(dev->disk, size >> SECTOR_SHIFT))
		kobject_uevent(&disk_to_dev(dev->disk)->kobj, KOBJ_CHANGE);
}

/*
 * Call this before nbd_disk_set_size(), whose uevent covers both; set_disk_ro() would send one of
 * its own.
 */
void nbd_disk_set_ro(struct nbd_device *dev, bool read_only)
{
	if (read_only)
		set_bit(GD_READ_ONLY, &dev->disk->state);
}

/**
 * struct disk_load - requests in flight
 * @in_flight: number of requests
 * @since: when the first of them was submitted, in ns since boot; U64_MAX if unknown
 */
struct disk_load {
	u32 in_flight;
	u64 since;
};

static bool disk_count(struct request *rq, void *arg)
{
	struct disk_load *load = arg;

	load->in_flight++;
	/* The block layer does not time the others: /sys/block/nbdN/queue/iostats is 0 */
	if (rq->rq_flags & RQF_IO_STAT)
		load->since = min(load->since, rq->start_time_ns);
	return true;
}

/**
 * nbd_disk_in_flight() - count the requests that are not completed
 * @dev: referenced device
 * @oldest_ms: set to the time since the first of them was submitted, in milliseconds; 0 if there is
 *	none or the block layer has not recorded it
 *
 * Parked requests count, too, as do block status queries.
 *
 * Context: Process context. Walks all tags of the disk.
 * Return: number of requests.
 */
u32 nbd_disk_in_flight(struct nbd_device *dev, u32 *oldest_ms)
{
	struct disk_load load = { .since = U64_MAX };
	u64 now;

	blk_mq_tagset_busy_iter(&dev->tag_set, disk_count, &load);
	now = ktime_get_ns();
	*oldest_ms = load.since < now ? min_t(u64, div_u64(now - load.since, NSEC_PER_MSEC),
					      U32_MAX) : 0;
	return load.in_flight;
}
