/* SPDX-License-Identifier: GPL-2.0-only */
/* Files of attached devices in debugfs. */
#ifndef NBD_DEBUGFS_H
#define NBD_DEBUGFS_H

struct nbd_device;

void nbd_debugfs_init(void);
void nbd_debugfs_exit(void);
void nbd_debugfs_add(struct nbd_device *dev);
void nbd_debugfs_remove(struct nbd_device *dev);

#endif /* NBD_DEBUGFS_H */
