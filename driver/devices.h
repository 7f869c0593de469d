/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The registry: which device has which number. It alone knows the numbers that are in use, and
 * creates and removes devices. A number stays reserved while its disk is added or removed. No lock
 * is held then, except for that of a device whose disk is removed while it is not open.
 */
#ifndef NBD_DEVICES_H
#define NBD_DEVICES_H

#include <linux/types.h>

struct nbd_device;
struct nbd_device_ops;
struct nbd_session;
struct workqueue_struct;

extern struct workqueue_struct *nbd_disk_wq;
extern unsigned int nbds_max;
extern unsigned int pre_defined_connections;

int nbd_devices_init(const struct nbd_device_ops *ops);
void nbd_devices_exit(void);
u32 nbd_index_max(void);

struct nbd_device *nbd_devices_find(u32 index);
struct nbd_device *nbd_devices_next(u32 *index);
struct nbd_device *nbd_devices_find_locked(u32 index);
struct nbd_device *nbd_devices_lock_for_attach(u32 index, bool any, u32 slots, u32 depth,
					       const char **errmsg);
void nbd_devices_put(struct nbd_device *dev);
void nbd_devices_lock(struct nbd_device *dev);
bool nbd_devices_trylock(struct nbd_device *dev);
void nbd_devices_unlock(struct nbd_device *dev);
struct nbd_session *nbd_devices_get_session(struct nbd_device *dev);
u32 nbd_devices_state(struct nbd_device *dev);

bool nbd_devices_wait_closed(struct nbd_device *dev);
int nbd_devices_prepare(struct nbd_device *dev, u32 slots, const char **errmsg);
void nbd_devices_renew(struct nbd_device *dev, const struct nbd_session *session);
bool nbd_devices_is_gone(const struct nbd_device *dev);
void nbd_devices_forget(struct nbd_device *dev);

#endif /* NBD_DEVICES_H */
