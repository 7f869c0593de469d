// SPDX-License-Identifier: GPL-2.0-only
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libudev.h>

#include "base/log.h"
#include "base/transport.h"
#include "kernel/device.h"
#include "kernel/udev.h"

#define UDEV_CONTROL	"/run/udev/control"
/* Exists while udev has uevents to handle. */
#define UDEV_QUEUE	"/run/udev/queue"
/* Stop waiting for a udev that is idle for this long; how often to check. */
#define UDEV_IDLE_MS	1000
#define UDEV_LOOK_MS	100

/**
 * struct udev_watch - uevents; udev sends each of the kernel's on, by the same number, when it is
 * done
 * @kernel: what the kernel sends
 * @done: what udev sends
 * @first: number of the first uevent of the disk
 * @due: how many the kernel has sent
 * @heard: how many of them udev has sent on
 */
struct udev_watch {
	struct udev *udev;
	struct udev_monitor *kernel;
	struct udev_monitor *done;
	unsigned long long first;
	unsigned int due;
	unsigned int heard;
};

static struct udev_monitor *udev_listen(struct udev *udev, const char *whom)
{
	struct udev_monitor *monitor = udev_monitor_new_from_netlink(udev, whom);

	if (!monitor)
		return NULL;
	if (udev_monitor_filter_add_match_subsystem_devtype(monitor, "block", NULL) >= 0 &&
	    udev_monitor_enable_receiving(monitor) >= 0)
		return monitor;
	udev_monitor_unref(monitor);
	return NULL;
}

struct udev_watch *udev_watch_open(void)
{
	struct udev_watch *watch;

	if (access(UDEV_CONTROL, F_OK))
		return NULL;
	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return NULL;
	watch->udev = udev_new();
	if (watch->udev) {
		watch->kernel = udev_listen(watch->udev, "kernel");
		watch->done = udev_listen(watch->udev, "udev");
	}
	if (watch->kernel && watch->done)
		return watch;
	log_note("cannot monitor udev");
	udev_watch_close(watch);
	return NULL;
}

void udev_watch_close(struct udev_watch *watch)
{
	if (!watch)
		return;
	udev_monitor_unref(watch->kernel);
	udev_monitor_unref(watch->done);
	udev_unref(watch->udev);
	free(watch);
}

/* True for a disk and its partitions: "nbd1" has "nbd1p1", but "nbd10" is another disk. */
static bool udev_is_of(struct udev_device *device, const char *disk)
{
	const char *name = udev_device_get_sysname(device);
	size_t length = strlen(disk);

	return name && !strncmp(name, disk, length) && (!name[length] || name[length] == 'p');
}

/* Counts uevents of the disk from number *@first on; if that is 0, the first one sets it. */
static unsigned int udev_count(struct udev_monitor *monitor, const char *disk,
			       unsigned long long *first)
{
	struct udev_device *device;
	unsigned long long number;
	unsigned int n = 0;

	while ((device = udev_monitor_receive_device(monitor))) {
		number = udev_device_get_seqnum(device);
		if (udev_is_of(device, disk)) {
			if (!*first)
				*first = number;
			n += number >= *first;
		}
		udev_device_unref(device);
	}
	return n;
}

/* The kernel sends each uevent before udev does, so its socket is read first. */
static bool udev_is_done(struct udev_watch *watch, const char *disk)
{
	watch->due += udev_count(watch->kernel, disk, &watch->first);
	if (watch->due)
		watch->heard += udev_count(watch->done, disk, &watch->first);
	return watch->heard >= watch->due;
}

void udev_watch_wait(struct udev_watch *watch, uint32_t index, unsigned int milliseconds)
{
	struct deadline deadline = deadline_in(milliseconds), idle = deadline_in(UDEV_IDLE_MS);
	struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLIN } };
	char disk[DEVICE_PATH_MAX];

	if (!watch)
		return;
	snprintf(disk, sizeof(disk), "nbd%u", index);
	fds[0].fd = udev_monitor_get_fd(watch->kernel);
	fds[1].fd = udev_monitor_get_fd(watch->done);
	while (!udev_is_done(watch, disk)) {
		if (!access(UDEV_QUEUE, F_OK))
			idle = deadline_in(UDEV_IDLE_MS);
		if (!deadline_left(&deadline) || !deadline_left(&idle)) {
			log_note("udev has not finished with %s, or cannot be monitored", disk);
			return;
		}
		poll(fds, 2, UDEV_LOOK_MS);
	}
}
