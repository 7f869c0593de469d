/* SPDX-License-Identifier: GPL-2.0-only */
/* Interface to the block layer's file operations. */
#ifndef NBD_FOPS_H
#define NBD_FOPS_H

#include <linux/blkdev.h>

extern const struct block_device_operations nbd_fops;

#endif /* NBD_FOPS_H */
