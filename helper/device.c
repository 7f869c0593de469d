// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "device.h"
#include "error.h"
#include "text.h"

bool device_is_name(const char *s, uint32_t *index)
{
	uint64_t n;

	if (!strncmp(s, "/dev/", 5))
		s += 5;
	if (strncmp(s, "nbd", 3) || text_parse_number(s + 3, DEVICE_INDEX_MAX, &n))
		return false;
	/* "nbd03" is another name. */
	if (s[3] == '0' && s[4])
		return false;
	*index = n;
	return true;
}

int device_resolve(const char *s, uint32_t *index, struct error *err)
{
	char link[64], target[PATH_MAX];
	const char *name;
	struct stat st;
	ssize_t len;

	if (device_is_name(s, index))
		return 0;
	if (stat(s, &st))
		return error_errno(err, EXIT_USAGE, errno, "%s", s);
	if (!S_ISBLK(st.st_mode))
		return error_set(err, EXIT_USAGE, "%s: not a block device", s);
	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(st.st_rdev),
		 minor(st.st_rdev));
	len = readlink(link, target, sizeof(target) - 1);
	if (len < 0)
		return error_errno(err, EXIT_USAGE, errno, "%s: %s", s, link);
	target[len] = '\0';
	name = strrchr(target, '/');
	if (!name || !device_is_name(name + 1, index))
		return error_set(err, EXIT_USAGE, "%s: not a whole NBD disk", s);
	return 0;
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
