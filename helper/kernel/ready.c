// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <linux/fs.h>

#include "base/error.h"
#include "base/process.h"
#include "base/transport.h"
#include "kernel/device.h"
#include "kernel/kernel.h"
#include "kernel/ready.h"
#include "kernel/udev.h"

#define READY_POLL_MS		20
#define READY_LOOK_MS		500
/* udev may be busy with other devices: do not wait longer, the disk is usable without it. */
#define READY_UDEV_MS		10000

/* Exit status of the child if the size is wrong; otherwise it is 0 or an errno. */
#define READY_WRONG_SIZE	255

static uint64_t ready_sysfs_size(uint32_t index)
{
	uint64_t sectors = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/block/nbd%u/size", index);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%" SCNu64, &sectors) != 1)
		sectors = 0;
	fclose(file);
	return sectors * 512;
}

/* Opens the disk, which makes the kernel look for partitions. Returns 0, an errno or the above. */
static int ready_open(uint32_t index, uint64_t size)
{
	char path[DEVICE_PATH_MAX];
	uint64_t bytes = 0;
	int fd, rc = 0;

	fd = open(device_path(path, index), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (ioctl(fd, BLKGETSIZE64, &bytes))
		rc = errno;
	else if (bytes != size || ready_sysfs_size(index) != size)
		rc = READY_WRONG_SIZE;
	close(fd);
	return rc;
}

/* True if /dev has a block device for each partition in sysfs. */
static bool ready_partitions(uint32_t index)
{
	char path[DEVICE_PATH_MAX], node[300], prefix[32];
	struct dirent *entry;
	bool all = true;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/block/nbd%u", index);
	snprintf(prefix, sizeof(prefix), "nbd%up", index);
	dir = opendir(path);
	if (!dir)
		return false;
	while (all && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, prefix, strlen(prefix)))
			continue;
		snprintf(node, sizeof(node), "/dev/%s", entry->d_name);
		all = !access(node, F_OK);
	}
	closedir(dir);
	return all;
}

static int ready_try(uint32_t index, uint64_t size, const struct deadline *deadline)
{
	int rc;

	for (;;) {
		rc = ready_open(index, size);
		if (!rc && ready_partitions(index))
			return 0;
		/* Waiting does not help against these. */
		if (rc == EACCES || rc == EPERM)
			return rc;
		if (!deadline_left(deadline))
			return rc ? rc : ETIMEDOUT;
		poll(NULL, 0, READY_POLL_MS);
	}
}

static int ready_failed(int rc, uint32_t index, uint64_t size, struct error *err)
{
	char path[DEVICE_PATH_MAX];

	device_path(path, index);
	if (rc == READY_WRONG_SIZE)
		return error_set(err, EXIT_TIMEOUT,
				 "%s has %" PRIu64 " bytes and does not become %" PRIu64, path,
				 ready_sysfs_size(index), size);
	return error_errno(err, rc == EACCES || rc == EPERM ? EXIT_PERMISSION : EXIT_TIMEOUT, rc,
			   "%s does not become usable", path);
}

static int ready_check_live(struct kernel *kernel, uint32_t index, struct error *err)
{
	struct kernel_device *device = malloc(sizeof(*device));
	int rc;

	if (!device)
		return error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot query the device");
	rc = kernel_device(kernel, index, device, err);
	if (!rc) {
		if (device->state != NBDCTL_STATE_LIVE)
			rc = error_set(err, EXIT_REACH,
				       "the server closed the connections right after the handshake");
		kernel_device_free(device);
	}
	free(device);
	return rc;
}

/*
 * Waits for the child, which keeps to the deadline unless open() blocks. If the connections are
 * lost, that may take until the dead-connection timeout: check the state of the device meanwhile.
 */
static int ready_watch(struct kernel *kernel, uint32_t index, pid_t pid,
		       const struct deadline *deadline, siginfo_t *info, struct error *err)
{
	int left;

	do {
		left = deadline_left(deadline);
		if (process_ended(pid, left && left < READY_LOOK_MS ? left : READY_LOOK_MS, 0,
				  info))
			return 0;
		if (process_is_interrupted())
			return error_set(err, EXIT_SYSTEM, "interrupted");
		if (ready_check_live(kernel, index, err))
			return -1;
	} while (left);
	return error_set(err, EXIT_TIMEOUT, "the server does not reply to the first read");
}

/*
 * If the server does not reply to the reads of the partition table, open() blocks in the kernel,
 * and no signal ends it. So a child opens the disk. If the caller gives up, its forced detach ends
 * the wait.
 */
static int ready_child(struct kernel *kernel, uint32_t index, uint64_t size,
		       unsigned int milliseconds, struct error *err)
{
	struct deadline deadline = deadline_in(milliseconds);
	siginfo_t info;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return error_errno(err, EXIT_SYSTEM, errno, "cannot fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		_exit(ready_try(index, size, &deadline));
	}
	if (ready_watch(kernel, index, pid, &deadline, &info, err)) {
		/*
		 * Once its wait ends, it must not open the device again: that may be another disk.
		 */
		kill(pid, SIGKILL);
		return -1;
	}
	if (info.si_code != CLD_EXITED)
		return error_set(err, EXIT_SYSTEM, "a child died");
	return info.si_status ? ready_failed(info.si_status, index, size, err) : 0;
}

int ready_wait(struct kernel *kernel, struct udev_watch *udev, uint32_t index, uint64_t size,
	       unsigned int milliseconds, struct error *err)
{
	if (ready_child(kernel, index, size, milliseconds, err))
		return -1;
	udev_watch_wait(udev, index, READY_UDEV_MS);
	return ready_check_live(kernel, index, err);
}
