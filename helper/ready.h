/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_READY_H
#define NBD_HELPER_READY_H

#include <stdint.h>

struct error;
struct kernel;
struct udev_watch;

/*
 * Waits until the disk can be used: its node opens and has @size bytes, the
 * partitions are there, udev is done with it, if @udev was opened before the
 * attach. A server that hangs up before that is an error; nobody has been told
 * of the disk yet.
 */
int ready_wait(struct kernel *kernel, struct udev_watch *udev, uint32_t index, uint64_t size,
	       unsigned int milliseconds, struct error *err);

#endif
