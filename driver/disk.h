/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Devices: /dev/nbdN, with or without a session, and their disks. The registry (devices.h) creates
 * them, when the module is loaded or on demand. A device has one session at most; when that has
 * ended, a new device takes the number.
 */
#ifndef NBD_DISK_H
#define NBD_DISK_H

#include <linux/blk-mq.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>

struct nbd_legacy;
struct nbd_session;

#define NBD_MAJOR_NR	43

/**
 * struct nbd_device_ops - what the block layer calls for a device
 * @fops: file operations of the disk
 * @mq_ops: operations of its queue
 * @groups: attributes of the disk in sysfs
 */
struct nbd_device_ops {
	const struct block_device_operations *fops;
	const struct blk_mq_ops *mq_ops;
	const struct attribute_group **groups;
};

/**
 * struct nbd_device - /dev/nbdN
 * @ops: what the block layer calls for it
 * @index: N
 * @depth: requests in flight per hardware queue, as requested; the block layer may have granted
 *	fewer
 * @gone: the disk was removed, or is about to be; written under @lock
 * @lock: serialises attach, detach and resize; see nbd_devices_lock()
 * @noio: allocation scope to restore when @lock is released; under @lock
 * @session: what is attached, or NULL; RCU, written under @lock
 * @tag_set: hardware queues and tags
 * @disk: the disk; its reference count is the device's
 * @detach_work: orderly detach of @detaching
 * @detaching: the session, referenced for @detach_work; this and the next two are written under
 *	@lock, before @detach_work is queued
 * @detach_timeout: limit in milliseconds, see nbd_device_detach()
 * @detach_usable: a connection could flush when the detach began
 * @sync_work: writes the page cache for @detach_work
 * @close_work: detaches after the last close, for nbd_session.end_on_close
 * @destroy: no device takes the number when this one is gone; written with @gone
 * @del_work: removes the disk
 * @renew_work: creates the next device of this number
 * @setup: attach that is being set up by ioctls of linux/nbd.h, or NULL; under @setup_lock
 * @setup_lock: protects @setup; taken under the disk's open_mutex
 * @debugfs: its directory in debugfs while something is attached; under @lock
 * @rcu: frees the device
 */
struct nbd_device {
	const struct nbd_device_ops *ops;
	u32 index;
	u32 depth;
	bool gone;
	struct mutex lock;	/* attach, detach, resize */
	unsigned int noio;
	struct nbd_session __rcu *session;
	struct blk_mq_tag_set tag_set;
	struct gendisk *disk;
	struct work_struct detach_work;
	struct nbd_session *detaching;
	u32 detach_timeout;
	bool detach_usable;
	bool destroy;
	struct work_struct sync_work;
	struct work_struct close_work;
	struct work_struct del_work;
	struct work_struct renew_work;
	struct nbd_legacy *setup;
	struct mutex setup_lock;	/* setup */
	struct dentry *debugfs;
	struct rcu_head rcu;
};

/* Session of a device, or NULL; the caller holds the device's lock */
static inline struct nbd_session *nbd_device_session(struct nbd_device *dev)
{
	return rcu_dereference_protected(dev->session, lockdep_is_held(&dev->lock));
}

extern unsigned int max_part;

unsigned int nbd_disk_minors(void);
int nbd_disk_add(struct nbd_device *dev, u32 queues, u32 depth);
void nbd_disk_del(struct nbd_device *dev);
void nbd_disk_set_size(struct nbd_device *dev, u64 size);
void nbd_disk_set_ro(struct nbd_device *dev, bool read_only);
u32 nbd_disk_in_flight(struct nbd_device *dev, u32 *oldest_ms);

#endif /* NBD_DISK_H */
