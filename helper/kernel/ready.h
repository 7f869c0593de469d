/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_READY_H
#define NBD_HELPER_READY_H

#include <stdint.h>

struct error;
struct kernel;
struct udev_watch;

/*
 * Waits until the disk can be used: within @milliseconds it can be opened, has @size bytes, and its
 * partitions are in /dev; then udev is done with it. @udev was opened before the attach, or is
 * NULL. Fails if the server has disconnected by then.
 */
int ready_wait(struct kernel *kernel, struct udev_watch *udev, uint32_t index, uint64_t size,
	       unsigned int milliseconds, struct error *err);

#endif
