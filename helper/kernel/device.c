// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "kernel/device.h"

/* Most devices that lie on each other */
#define DEVICE_MAX_DEPTH	8

bool device_is_name(const char *s, uint32_t *index)
{
	uint64_t n;

	if (!strncmp(s, "/dev/", 5))
		s += 5;
	if (strncmp(s, "nbd", 3) || text_parse_number(s + 3, DEVICE_INDEX_MAX, &n))
		return false;
	/* "nbd03" is not the name of device 3. */
	if (s[3] == '0' && s[4])
		return false;
	*index = n;
	return true;
}

/* True for "/dev/nbd3p1" or "nbd3p1". */
static bool device_is_partition(const char *s)
{
	const char *p = strrchr(s, 'p');
	char disk[DEVICE_PATH_MAX];
	uint64_t partition;
	uint32_t index;

	if (!p || p - s >= DEVICE_PATH_MAX || text_parse_number(p + 1, UINT32_MAX, &partition))
		return false;
	memcpy(disk, s, p - s);
	disk[p - s] = '\0';
	return device_is_name(disk, &index);
}

bool device_is_meant(const char *s)
{
	struct stat st;

	if (!strncmp(s, "/dev/", 5))
		return true;
	return strchr(s, '/') && !stat(s, &st) && S_ISBLK(st.st_mode);
}

int device_refuse(const char *s, struct error *err)
{
	if (device_is_partition(s)) {
		error_set(err, EXIT_USAGE, "%s is a partition", s);
		error_hint(err, "name the disk, /dev/nbdN");
	} else {
		error_set(err, EXIT_USAGE, "%s is not an NBD disk", s);
		error_hint(err, "disks are /dev/nbdN; an export is named by --name or a URI");
	}
	return -1;
}

/*
 * Reads the link to a block device in sysfs; @to has PATH_MAX bytes. Returns 0 or a negative errno.
 */
static int device_sysfs(char *to, dev_t rdev)
{
	char link[64];
	ssize_t len;

	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(rdev), minor(rdev));
	len = readlink(link, to, PATH_MAX - 1);
	if (len < 0)
		return -errno;
	to[len] = '\0';
	return 0;
}

/* The NBD disk of @place, a directory of sysfs, which is cut. False if there is none. */
static bool device_disk(char *place, uint32_t *index)
{
	char *name;
	int i;

	/* The directory of a partition is in that of its disk. */
	for (i = 0; i < 2; i++) {
		name = strrchr(place, '/');
		if (!name)
			return false;
		if (device_is_name(name + 1, index))
			return true;
		*name = '\0';
	}
	return false;
}

bool device_may_be_nbd(dev_t rdev)
{
	char place[PATH_MAX];
	uint32_t index;

	return device_sysfs(place, rdev) || device_disk(place, &index);
}

/* The number of the block device whose directory in sysfs is @place, 0 if it has none. */
static dev_t device_number(const char *place)
{
	unsigned int major_number, minor_number;
	char path[PATH_MAX];
	dev_t rdev = 0;
	FILE *file;

	if (snprintf(path, sizeof(path), "%s/dev", place) >= (int)sizeof(path))
		return 0;
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%u:%u", &major_number, &minor_number) == 2)
		rdev = makedev(major_number, minor_number);
	fclose(file);
	return rdev;
}

/* Looks below @rdev for the disk @index, at most @depth devices deep. */
static bool device_lies_on(dev_t rdev, uint32_t index, unsigned int depth)
{
	char link[64], slaves[80], place[PATH_MAX];
	struct dirent *entry;
	bool found = false;
	uint32_t disk;
	DIR *dir;

	if (device_sysfs(place, rdev))
		return false;
	if (device_disk(place, &disk))
		return disk == index;
	if (!depth)
		return false;
	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(rdev), minor(rdev));
	snprintf(slaves, sizeof(slaves), "%s/slaves", link);
	dir = opendir(slaves);
	if (!dir) {
		/* a partition; its disk has them */
		snprintf(slaves, sizeof(slaves), "%s/../slaves", link);
		dir = opendir(slaves);
	}
	if (!dir)
		return false;
	while (!found && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(place, sizeof(place), "%s/%s", slaves, entry->d_name);
		found = device_lies_on(device_number(place), index, depth - 1);
	}
	closedir(dir);
	return found;
}

bool device_is_on(dev_t rdev, uint32_t index)
{
	return device_lies_on(rdev, index, DEVICE_MAX_DEPTH);
}

int device_resolve(const char *s, uint32_t *index, struct error *err)
{
	char target[PATH_MAX];
	const char *name;
	struct stat st;
	int rc;

	if (device_is_name(s, index))
		return 0;
	if (device_is_partition(s))
		return device_refuse(s, err);
	if (stat(s, &st))
		return error_errno(err, EXIT_USAGE, errno, "%s", s);
	if (!S_ISBLK(st.st_mode))
		return error_set(err, EXIT_USAGE, "%s: not a block device", s);
	rc = device_sysfs(target, st.st_rdev);
	if (rc)
		return error_errno(err, EXIT_USAGE, -rc, "%s: not in sysfs", s);
	name = strrchr(target, '/');
	if (!name)
		return device_refuse(s, err);
	if (device_is_name(name + 1, index))
		return 0;
	device_refuse(device_is_partition(name + 1) ? name + 1 : s, err);
	return -1;
}

int device_pid(const char *sysfs, uint32_t index)
{
	char path[PATH_MAX], text[32];
	uint64_t pid;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/nbd%u/pid", sysfs, index);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		/* Without sysfs nothing is known. */
		return errno == ENOENT && access(sysfs, F_OK) ? -ENXIO : -errno;
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		n = -errno;
	close(fd);
	/* The device was detached meanwhile. */
	if (n == -ENODEV)
		return -ENOENT;
	if (n < 0)
		return n;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return text_parse_number(text, INT_MAX, &pid) ? -EPROTO : (int)pid;
}

char *device_path(char *to, uint32_t index)
{
	snprintf(to, DEVICE_PATH_MAX, "/dev/nbd%u", index);
	return to;
}

const char *device_node(const char *s, char *room, unsigned int size)
{
	if (strchr(s, '/') || !access(s, F_OK))
		return s;
	if ((unsigned int)snprintf(room, size, "/dev/%s", s) >= size)
		return s;
	return room;
}
