/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Devices: /dev/nbdN, with or without a session. The registry (devices.h) creates them, when the
 * module is loaded or on demand. A device has one session at most; when that has ended, a new
 * device takes the number.
 */
#ifndef NBD_DEVICE_H
#define NBD_DEVICE_H

#include <linux/blk-mq.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>

#include "session.h"

#define NBD_MAJOR_NR	43

/* Timeout of a detach: none while servers reply to anything */
#define NBD_DETACH_WHILE_ANSWERED	0

/**
 * struct nbd_device - /dev/nbdN
 * @index: N
 * @depth: requests in flight per hardware queue, as requested; the block layer may have granted
 *	fewer
 * @gone: the disk was removed, or is about to be; written under @lock
 * @lock: serialises attach, detach and resize; see nbd_device_lock()
 * @noio: allocation scope to restore when @lock is released; under @lock
 * @session: what is attached, or NULL; RCU, written under @lock
 * @tag_set: hardware queues and tags
 * @disk: the disk; its reference count is the device's
 * @detach_work: orderly detach of @detaching
 * @detaching: the session, referenced for @detach_work; this and the next two are written under
 *	@lock, before @detach_work is queued
 * @detach_timeout: limit in milliseconds, see nbd_device_detach()
 * @detach_flush: flush the server before the detach
 * @del_work: removes the disk
 * @renew_work: creates the next device of this number
 * @rcu: frees the device
 */
struct nbd_device {
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
	bool detach_flush;
	struct work_struct del_work;
	struct work_struct renew_work;
	struct rcu_head rcu;
};

void nbd_device_lock(struct nbd_device *dev);
bool nbd_device_trylock(struct nbd_device *dev);
void nbd_device_unlock(struct nbd_device *dev);
void nbd_device_put(struct nbd_device *dev);

int nbd_device_attach(struct nbd_device *dev, struct nbd_session *session,
		      struct nbd_conn **conns, const char **why);
int nbd_device_detach(struct nbd_device *dev, u32 timeout, const char **why);
void nbd_device_detach_work(struct work_struct *work);
void nbd_device_detach_now(struct nbd_device *dev, struct nbd_session *session);
int nbd_device_resize(struct nbd_device *dev, u64 size);

/* Session of a device, or NULL; the caller holds the device's lock */
static inline struct nbd_session *nbd_device_session(struct nbd_device *dev)
{
	return rcu_dereference_protected(dev->session, lockdep_is_held(&dev->lock));
}

struct nbd_session *nbd_device_get_session(struct nbd_device *dev);
u32 nbd_device_state(struct nbd_device *dev);

/* disk.c */
int nbd_disk_add(struct nbd_device *dev, u32 queues, u32 depth);
void nbd_disk_del(struct nbd_device *dev);
void nbd_disk_set_size(struct nbd_device *dev, u64 size);
void nbd_disk_set_ro(struct nbd_device *dev, bool read_only);

/* queue.c */
extern const struct blk_mq_ops nbd_mq_ops;

/* limits.c */
void nbd_reset_limits(struct gendisk *disk);
int nbd_set_limits(struct gendisk *disk, const struct nbd_export *export);

/* ioctl.c */
int nbd_ioctl(struct block_device *bdev, nbd_mode_t mode, unsigned int cmd, unsigned long arg);
int nbd_compat_ioctl(struct block_device *bdev, nbd_mode_t mode, unsigned int cmd,
		     unsigned long arg);

#endif /* NBD_DEVICE_H */
