// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/fs.h>

#include "base/error.h"
#include "kernel/device.h"
#include "kernel/kernel.h"

static enum exit_code map_code(int errnum)
{
	switch (errnum) {
	case EACCES:
	case EPERM:
		return EXIT_PERMISSION;
	case ENOTCONN:
	case ENXIO:
		return EXIT_FALSE;
	case ENOTTY:
		return EXIT_MODULE;
	default:
		return EXIT_SYSTEM;
	}
}

static int map_no_nbd(struct error *err)
{
	error_set(err, EXIT_MODULE, "not an NBD disk");
	error_hint(err, "name an NBD disk or its partition, not a device on top of it");
	return -1;
}

static int map_error(int errnum, struct error *err)
{
	switch (errnum) {
	case ENOTTY:
		error_set(err, EXIT_MODULE, "this device has no maps");
		error_hint(err, "its driver is not the one of this package");
		return -1;
	case ENODEV:
		return map_no_nbd(err);
	case ENOTCONN:
		return error_set(err, EXIT_FALSE, "not attached");
	case EOPNOTSUPP:
		error_set(err, EXIT_FALSE, "no metadata context was negotiated");
		error_hint(err, "the server has none, or --no-contexts was given");
		return -1;
	case ENOENT:
		return error_set(err, EXIT_USAGE, "the device has no such context");
	case EIO:
		error_errno(err, EXIT_SYSTEM, errnum, "cannot get the map");
		error_hint(err, "check the server and its contexts with \"nbd-info\"");
		return -1;
	default:
		return error_errno(err, map_code(errnum), errnum, "cannot get the map");
	}
}

static int map_open_error(const char *path, int errnum, struct error *err)
{
	uint32_t index;

	/* There is no such file if the module is not loaded, or has fewer devices. */
	if (errnum == ENOENT && device_is_name(path, &index))
		return error_set(err, EXIT_FALSE, "not attached");
	return error_errno(err, errnum == ENOENT ? EXIT_USAGE : map_code(errnum), errnum,
			   "cannot open");
}

static int map_look(struct kernel_map *map, struct error *err)
{
	struct stat st;
	int block;

	if (fstat(map->fd, &st) || !S_ISBLK(st.st_mode))
		return error_set(err, EXIT_USAGE, "not a block device");
	map->major = major(st.st_rdev);
	map->minor = minor(st.st_rdev);
	/* Other drivers fail with any errno on an ioctl that they do not know. */
	if (!device_may_be_nbd(st.st_rdev))
		return map_no_nbd(err);
	if (ioctl(map->fd, BLKGETSIZE64, &map->size) || ioctl(map->fd, BLKSSZGET, &block))
		return error_errno(err, EXIT_SYSTEM, errno, "cannot get the size");
	map->block = block;
	return 0;
}

int kernel_map_open(struct kernel_map *map, const char *path, struct error *err)
{
	map->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (map->fd < 0)
		return map_open_error(path, errno, err);
	if (!map_look(map, err))
		return 0;
	close(map->fd);
	return -1;
}

void kernel_map_close(struct kernel_map *map)
{
	close(map->fd);
}

int kernel_map_context(const struct kernel_map *map, uint32_t index, char *name, struct error *err)
{
	struct nbdmap_context context = {
		.index = index,
		.name_size = NBDMAP_NAME_MAX,
		.major = map->major,
		.minor = map->minor,
		.name = (uintptr_t)name,
	};

	if (ioctl(map->fd, NBDMAP_IOC_CONTEXT, &context))
		return map_error(errno, err);
	if (context.name_size > NBDMAP_NAME_MAX)
		return error_set(err, EXIT_SYSTEM, "a context name of %u bytes", context.name_size);
	name[context.name_size] = '\0';
	return context.count;
}

int kernel_map_status(const struct kernel_map *map, uint32_t context, uint64_t offset,
		      uint64_t length, struct nbdmap_extent *extents, uint32_t capacity,
		      uint64_t *covered, struct error *err)
{
	struct nbdmap_status status = {
		.offset = offset,
		.length = length,
		.context = context,
		.capacity = capacity,
		.extents = (uintptr_t)extents,
		.major = map->major,
		.minor = map->minor,
	};

	while (ioctl(map->fd, NBDMAP_IOC_STATUS, &status))
		if (errno != EINTR)
			return map_error(errno, err);
	if (!status.count || status.count > capacity || !status.covered)
		return error_set(err, EXIT_SYSTEM, "the driver's map ends at byte %llu",
				 (unsigned long long)offset);
	*covered = status.covered;
	return status.count;
}
