/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_UDEV_H
#define NBD_HELPER_UDEV_H

#include <stdint.h>

struct udev_watch;

/*
 * Subscribes to the uevents of block devices, both as the kernel sends them and as udev sends them
 * on when it is done. NULL if udev does not run, or this fails.
 */
struct udev_watch *udev_watch_open(void);

/*
 * Waits until udev is done with all uevents so far of disk @index and its partitions, but at most
 * @milliseconds, and not for a udev that is idle. @watch may be NULL.
 */
void udev_watch_wait(struct udev_watch *watch, uint32_t index, unsigned int milliseconds);

void udev_watch_close(struct udev_watch *watch);

#endif
