/* SPDX-License-Identifier: GPL-2.0-only */
/* The ioctls of a block device. */
#ifndef NBD_IOCTL_H
#define NBD_IOCTL_H

#include "compat.h"

struct block_device;

int nbd_ioctl(struct block_device *bdev, nbd_mode_t mode, unsigned int cmd, unsigned long arg);
int nbd_compat_ioctl(struct block_device *bdev, nbd_mode_t mode, unsigned int cmd,
		     unsigned long arg);

#endif /* NBD_IOCTL_H */
