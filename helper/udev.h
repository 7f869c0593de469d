/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_UDEV_H
#define NBD_HELPER_UDEV_H

#include <stdint.h>

struct udev_watch;

/*
 * Hears from now on what the kernel tells udev of disks, and what udev is done with. NULL if no
 * udev is there, or it cannot be heard.
 */
struct udev_watch *udev_watch_open(void);

/*
 * Waits until udev is done with all that the kernel has told it of disk @index and its partitions,
 * but no longer than @milliseconds, nor for a udev that does nothing. @watch may be NULL.
 */
void udev_watch_wait(struct udev_watch *watch, uint32_t index, unsigned int milliseconds);

void udev_watch_close(struct udev_watch *watch);

#endif
