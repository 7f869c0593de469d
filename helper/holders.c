// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "holders.h"
#include "text.h"

/* The disk and its partitions. */
#define HOLDERS_MAX_NODES	256
/* Mount namespaces looked at. */
#define HOLDERS_MAX_NAMESPACES	64
/* Of all NBD disks. */
#define HOLDERS_MAJOR		43

struct node {
	char name[32];
	dev_t number;
};

struct holders {
	struct node nodes[HOLDERS_MAX_NODES];
	unsigned int n_nodes;
	char *to;
	size_t room;
	unsigned int found;
};

__attribute__((format(printf, 2, 3)))
static void holders_add(struct holders *holders, const char *fmt, ...)
{
	size_t len = strlen(holders->to);
	va_list ap;

	if (holders->found++ >= HOLDERS_MAX)
		return;
	if (len && len + 3 < holders->room) {
		strcpy(holders->to + len, ", ");
		len += 2;
	}
	va_start(ap, fmt);
	vsnprintf(holders->to + len, holders->room - len, fmt, ap);
	va_end(ap);
}

static void holders_add_node(struct holders *holders, const char *folder, const char *name)
{
	struct node *node = &holders->nodes[holders->n_nodes];
	unsigned int major_number, minor_number;
	char path[600];
	FILE *file;

	if (holders->n_nodes == HOLDERS_MAX_NODES || strlen(name) >= sizeof(node->name))
		return;
	snprintf(path, sizeof(path), "%s/dev", folder);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fscanf(file, "%u:%u", &major_number, &minor_number) == 2) {
		strcpy(node->name, name);
		node->number = makedev(major_number, minor_number);
		holders->n_nodes++;
	}
	fclose(file);
}

/*
 * A disk that was taken away by force, and is still in use, is not in sysfs any more. Its numbers
 * stay what they were.
 */
static void holders_add_gone(struct holders *holders, uint32_t index)
{
	unsigned int max_part = 0, minors = 1, i;
	struct node *node;
	FILE *file;

	file = fopen("/sys/module/nbd/parameters/max_part", "re");
	if (!file)
		return;
	if (fscanf(file, "%u", &max_part) != 1)
		max_part = 0;
	fclose(file);
	while (minors < max_part + 1 && max_part < HOLDERS_MAX_NODES)
		minors *= 2;
	for (i = 0; i <= max_part && holders->n_nodes < HOLDERS_MAX_NODES; i++) {
		node = &holders->nodes[holders->n_nodes++];
		snprintf(node->name, sizeof(node->name), i ? "nbd%up%u" : "nbd%u", index, i);
		node->number = makedev(HOLDERS_MAJOR, index * minors + i);
	}
}

static void holders_find_nodes(struct holders *holders, uint32_t index)
{
	char disk[32], folder[64], path[600], prefix[40];
	struct dirent *entry;
	DIR *dir;

	snprintf(disk, sizeof(disk), "nbd%u", index);
	snprintf(folder, sizeof(folder), "/sys/block/%s", disk);
	snprintf(prefix, sizeof(prefix), "%sp", disk);
	holders_add_node(holders, folder, disk);
	dir = opendir(folder);
	if (!dir) {
		holders_add_gone(holders, index);
		return;
	}
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, prefix, strlen(prefix)))
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		holders_add_node(holders, path, entry->d_name);
	}
	closedir(dir);
}

static const struct node *holders_node(const struct holders *holders, dev_t number)
{
	unsigned int i;

	for (i = 0; i < holders->n_nodes; i++)
		if (holders->nodes[i].number == number)
			return &holders->nodes[i];
	return NULL;
}

/*
 * File systems say their device, which need not be the one in the third field
 * (btrfs), so the source is looked at as well, as @proc sees it.
 */
static const struct node *holders_mounted(const struct holders *holders, const char *proc,
					  char *line, char *point)
{
	unsigned int major_number, minor_number;
	const struct node *node;
	char path[PATH_MAX];
	struct stat st;
	char *source;

	if (sscanf(line, "%*u %*u %u:%u %*s %255s", &major_number, &minor_number, point) != 3)
		return NULL;
	node = holders_node(holders, makedev(major_number, minor_number));
	source = strstr(line, " - ");
	source = source ? strchr(source + 3, ' ') : NULL;
	if (node || !source || source[1] != '/')
		return node;
	source++;
	source[strcspn(source, "\n ")] = '\0';
	text_unescape_octal(source);
	if (snprintf(path, sizeof(path), "%s/root%s", proc, source) >= (int)sizeof(path) ||
	    stat(path, &st) || !S_ISBLK(st.st_mode))
		return NULL;
	return holders_node(holders, st.st_rdev);
}

/* The mounts that a process sees; @whose is said of them. */
static void holders_find_mounts(struct holders *holders, const char *proc, const char *whose)
{
	char path[64], point[256], shown[512], *line = NULL;
	const struct node *node;
	size_t size = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/mountinfo", proc);
	file = fopen(path, "re");
	if (!file)
		return;
	while (getline(&line, &size, file) > 0) {
		node = holders_mounted(holders, proc, line, point);
		if (!node)
			continue;
		text_escape(shown, sizeof(shown), point, text_unescape_octal(point));
		holders_add(holders, "%s is mounted on %s%s", node->name, shown, whose);
	}
	free(line);
	fclose(file);
}

/* Whether a process sees other mounts than those that were looked at. */
static bool holders_is_elsewhere(const char *proc, ino_t *seen, unsigned int *n)
{
	struct stat st;
	char path[64];
	unsigned int i;

	snprintf(path, sizeof(path), "%s/ns/mnt", proc);
	if (*n == HOLDERS_MAX_NAMESPACES || stat(path, &st))
		return false;
	for (i = 0; i < *n; i++)
		if (seen[i] == st.st_ino)
			return false;
	seen[(*n)++] = st.st_ino;
	return true;
}

/* Containers, and services with a view of their own. */
static void holders_find_mounts_elsewhere(struct holders *holders)
{
	ino_t seen[HOLDERS_MAX_NAMESPACES];
	char proc[32], whose[64];
	struct dirent *entry;
	unsigned int n = 0;
	DIR *dir;

	holders_is_elsewhere("/proc/self", seen, &n);
	dir = opendir("/proc");
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(proc, sizeof(proc), "/proc/%.20s", entry->d_name);
		snprintf(whose, sizeof(whose), " as process %.20s sees it", entry->d_name);
		if (holders_is_elsewhere(proc, seen, &n))
			holders_find_mounts(holders, proc, whose);
	}
	closedir(dir);
}

static void holders_find_swaps(struct holders *holders)
{
	const struct node *node;
	char path[256], line[512];
	struct stat st;
	FILE *file;

	file = fopen("/proc/swaps", "re");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%255s", path) != 1)
			continue;
		text_unescape_octal(path);
		if (stat(path, &st) || !S_ISBLK(st.st_mode))
			continue;
		node = holders_node(holders, st.st_rdev);
		if (node)
			holders_add(holders, "%s is used as swap", node->name);
	}
	fclose(file);
}

/* Device mapper, MD and the like. */
static void holders_find_stacked(struct holders *holders)
{
	struct dirent *entry;
	char path[128];
	unsigned int i;
	DIR *dir;

	for (i = 0; i < holders->n_nodes; i++) {
		snprintf(path, sizeof(path), "/sys/class/block/%s/holders",
			 holders->nodes[i].name);
		dir = opendir(path);
		if (!dir)
			continue;
		while ((entry = readdir(dir)))
			if (entry->d_name[0] != '.')
				holders_add(holders, "%s is part of %s", holders->nodes[i].name,
					    entry->d_name);
		closedir(dir);
	}
}

/* A loop device says what it is made of, but the disk does not know of it. */
static void holders_find_loops(struct holders *holders)
{
	const struct node *node;
	struct dirent *entry;
	char path[300], backing[PATH_MAX];
	struct stat st;
	FILE *file;
	DIR *dir;

	dir = opendir("/sys/block");
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/block/%s/loop/backing_file", entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		node = NULL;
		if (fgets(backing, sizeof(backing), file)) {
			backing[strcspn(backing, "\n")] = '\0';
			if (!stat(backing, &st) && S_ISBLK(st.st_mode))
				node = holders_node(holders, st.st_rdev);
		}
		fclose(file);
		if (node)
			holders_add(holders, "%s is part of %s", node->name, entry->d_name);
	}
	closedir(dir);
}

static void holders_add_process(struct holders *holders, const char *pid,
				const struct node *node)
{
	char path[300], name[64] = "", shown[TEXT_ESCAPED_MAX(64)];
	ssize_t len = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		len = read(fd, name, sizeof(name));
		close(fd);
	}
	if (len > 0 && name[len - 1] == '\n')
		len--;
	text_escape(shown, sizeof(shown), name, len > 0 ? len : 0);
	holders_add(holders, "%s is open in process %s (%s)", node->name, pid, shown);
}

/* One process counts once. */
static void holders_look_at(struct holders *holders, const char *pid)
{
	const struct node *node = NULL;
	struct dirent *entry;
	char path[300];
	struct stat st;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	if (!dir)
		return;
	while (!node && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && !fstatat(dirfd(dir), entry->d_name, &st, 0) &&
		    S_ISBLK(st.st_mode))
			node = holders_node(holders, st.st_rdev);
	closedir(dir);
	if (node)
		holders_add_process(holders, pid, node);
}

static void holders_find_processes(struct holders *holders)
{
	struct dirent *entry;
	DIR *dir = opendir("/proc");

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			holders_look_at(holders, entry->d_name);
	closedir(dir);
}

unsigned int holders_find(uint32_t index, char *to, size_t room)
{
	struct holders *holders = calloc(1, sizeof(*holders));
	unsigned int found;

	*to = '\0';
	if (!holders)
		return 0;
	holders->to = to;
	holders->room = room;
	holders_find_nodes(holders, index);
	holders_find_mounts(holders, "/proc/self", "");
	if (!holders->found)
		holders_find_mounts_elsewhere(holders);
	holders_find_swaps(holders);
	holders_find_stacked(holders);
	holders_find_loops(holders);
	holders_find_processes(holders);
	found = holders->found;
	free(holders);
	return found;
}
