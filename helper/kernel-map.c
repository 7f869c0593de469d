// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/fs.h>

#include "error.h"
#include "kernel.h"

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

static int map_error(int errnum, struct error *err)
{
	switch (errnum) {
	case ENOTTY:
		error_set(err, EXIT_MODULE, "this device has no maps");
		error_hint(err, "no NBD disk, or not the driver of this package");
		return -1;
	case ENOTCONN:
		return error_set(err, EXIT_FALSE, "not attached");
	case EOPNOTSUPP:
		error_set(err, EXIT_FALSE, "no metadata context was negotiated");
		error_hint(err, "the server has none, or --no-contexts was given");
		return -1;
	case ENOENT:
		return error_set(err, EXIT_USAGE, "the device has no such context");
	default:
		return error_errno(err, map_code(errnum), errnum, "cannot get the map");
	}
}

int kernel_map_open(struct kernel_map *map, const char *path, struct error *err)
{
	struct stat st;
	int block;

	map->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (map->fd < 0)
		return error_errno(err, errno == ENOENT ? EXIT_USAGE : map_code(errno), errno,
				   "cannot open");
	if (fstat(map->fd, &st) || !S_ISBLK(st.st_mode)) {
		error_set(err, EXIT_USAGE, "not a block device");
		goto close;
	}
	if (ioctl(map->fd, BLKGETSIZE64, &map->size) || ioctl(map->fd, BLKSSZGET, &block)) {
		error_errno(err, EXIT_SYSTEM, errno, "cannot get the size");
		goto close;
	}
	map->block = block;
	return 0;

close:
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
