/* SPDX-License-Identifier: GPL-2.0-only */
/* The ioctls of linux/nbd.h. */
#ifndef NBD_LEGACY_IOCTL_H
#define NBD_LEGACY_IOCTL_H

#include <linux/errno.h>
#include <linux/ioctl.h>
#include <linux/types.h>

struct nbd_device;

#ifdef NBD_LEGACY

/* That header cannot be included beside proto.h, as both define the constants of the protocol */
#define NBD_SET_SOCK		_IO(0xab, 0)
#define NBD_SET_BLKSIZE		_IO(0xab, 1)
#define NBD_SET_SIZE		_IO(0xab, 2)
#define NBD_DO_IT		_IO(0xab, 3)
#define NBD_CLEAR_SOCK		_IO(0xab, 4)
#define NBD_CLEAR_QUE		_IO(0xab, 5)
#define NBD_PRINT_DEBUG		_IO(0xab, 6)
#define NBD_SET_SIZE_BLOCKS	_IO(0xab, 7)
#define NBD_DISCONNECT		_IO(0xab, 8)
#define NBD_SET_TIMEOUT		_IO(0xab, 9)
#define NBD_SET_FLAGS		_IO(0xab, 10)

static inline bool nbd_legacy_has_ioctl(unsigned int cmd)
{
	return cmd >= NBD_SET_SOCK && cmd <= NBD_SET_FLAGS;
}

int nbd_legacy_ioctl(struct nbd_device *dev, unsigned int cmd, unsigned long arg);
void nbd_legacy_closed(struct nbd_device *dev);

#else

static inline bool nbd_legacy_has_ioctl(unsigned int cmd)
{
	return false;
}

static inline int nbd_legacy_ioctl(struct nbd_device *dev, unsigned int cmd, unsigned long arg)
{
	return -ENOTTY;
}

static inline void nbd_legacy_closed(struct nbd_device *dev) { }

#endif

#endif /* NBD_LEGACY_IOCTL_H */
