// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <libmount.h>

#include "base/text.h"
#include "kernel/holders.h"

/* Most block devices: the disk and its partitions. */
#define HOLDERS_MAX_NODES	256
/* Most mount namespaces that are searched. */
#define HOLDERS_MAX_NAMESPACES	64
/* Major number of all NBD disks. */
#define HOLDERS_MAJOR		43

struct node {
	char name[32];
	dev_t number;
};

/**
 * struct holders - users found so far
 * @nodes: the disk and its partitions
 * @to, @room: the text, and its size in bytes
 * @found: how many users, named or not
 * @stay: one of them will not go away by itself
 */
struct holders {
	struct node nodes[HOLDERS_MAX_NODES];
	unsigned int n_nodes;
	char *to;
	size_t room;
	unsigned int found;
	bool stay;
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
 * A disk whose detach was forced, and that is still in use, is not in sysfs any more. Its device
 * numbers follow from the parameters of the driver.
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

static const struct node *holders_node_at(const struct holders *holders, const char *path)
{
	struct stat st;

	return stat(path, &st) || !S_ISBLK(st.st_mode) ? NULL : holders_node(holders, st.st_rdev);
}

/*
 * The device number of a mount may differ from that of its block device (btrfs), so its source is
 * looked up as well, in the root directory of process @proc.
 */
static const struct node *holders_mounted(const struct holders *holders, const char *proc,
					  struct libmnt_fs *fs)
{
	const struct node *node = holders_node(holders, mnt_fs_get_devno(fs));
	const char *source = mnt_fs_get_srcpath(fs);
	char path[PATH_MAX];

	if (node || !source || source[0] != '/' ||
	    snprintf(path, sizeof(path), "%s/root%s", proc, source) >= (int)sizeof(path))
		return node;
	return holders_node_at(holders, path);
}

typedef void (*holders_fs_fn)(struct holders *holders, struct libmnt_fs *fs, const char *proc,
			      const char *whose);

static void holders_for_each(struct holders *holders, struct libmnt_table *table, holders_fs_fn fn,
			     const char *proc, const char *whose)
{
	struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
	struct libmnt_fs *fs;

	while (iter && table && !mnt_table_next_fs(table, iter, &fs))
		fn(holders, fs, proc, whose);
	mnt_free_iter(iter);
	mnt_unref_table(table);
}

static void holders_add_mount(struct holders *holders, struct libmnt_fs *fs, const char *proc,
			      const char *whose)
{
	const struct node *node = holders_mounted(holders, proc, fs);
	const char *point = mnt_fs_get_target(fs);
	char shown[512];

	if (!node || !point)
		return;
	text_escape(shown, sizeof(shown), point, strlen(point));
	holders_add(holders, "%s is mounted on %s%s", node->name, shown, whose);
	holders->stay = true;
}

/* The mounts in the namespace of a process; @whose is appended to each. */
static void holders_find_mounts(struct holders *holders, const char *proc, const char *whose)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/mountinfo", proc);
	holders_for_each(holders, mnt_new_table_from_file(path), holders_add_mount, proc, whose);
}

/* True if a process is in a mount namespace that has not been searched; it is added to @seen. */
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

/* The mounts in other namespaces: of containers, and of services with a private view. */
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

static void holders_add_swap(struct holders *holders, struct libmnt_fs *fs, const char *proc,
			     const char *whose)
{
	const char *path = mnt_fs_get_srcpath(fs);
	const struct node *node = path ? holders_node_at(holders, path) : NULL;

	(void)proc;
	(void)whose;
	if (!node)
		return;
	holders_add(holders, "%s is used as swap", node->name);
	holders->stay = true;
}

static void holders_find_swaps(struct holders *holders, const char *path)
{
	struct libmnt_table *table = mnt_new_table();

	if (table)
		mnt_table_parse_swaps(table, path);
	holders_for_each(holders, table, holders_add_swap, NULL, NULL);
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
		while ((entry = readdir(dir))) {
			if (entry->d_name[0] == '.')
				continue;
			holders_add(holders, "%s is part of %s", holders->nodes[i].name,
				    entry->d_name);
			holders->stay = true;
		}
		closedir(dir);
	}
}

/**
 * struct holders_file - users that open a block device by path, and are not its holders in sysfs
 * @pattern: files that contain such a path
 * @is: what the block device is to the user
 * @depth: component of the file's own path that names the user
 */
struct holders_file {
	const char *pattern;
	const char *is;
	unsigned int depth;
};

static const struct holders_file holders_files[] = {
	{ "/sys/block/*/loop/backing_file", "part of", 3 },
	{ "/sys/kernel/config/target/core/*/*/udev_path", "exported by the SCSI target as", 7 },
	{ "/sys/kernel/config/nvmet/subsystems/*/namespaces/*/device_path",
	  "exported by the NVMe target", 6 },
};

/* Reads the first line of a file, "" if there is none. */
static void holders_line(char *to, size_t room, const char *path)
{
	FILE *file = fopen(path, "re");

	if (!file || !fgets(to, room, file))
		*to = '\0';
	to[strcspn(to, "\n")] = '\0';
	if (file)
		fclose(file);
}

static void holders_look_at_file(struct holders *holders, const struct holders_file *what,
				 const char *path)
{
	char line[PATH_MAX], enable[PATH_MAX], shown[512];
	const char *last = strrchr(path, '/'), *user = path;
	const struct node *node;
	unsigned int i;

	holders_line(line, sizeof(line), path);
	node = holders_node_at(holders, line);
	if (!node)
		return;
	/* A target has its device open while it is enabled. */
	snprintf(enable, sizeof(enable), "%.*s/enable", (int)(last - path), path);
	holders_line(line, sizeof(line), enable);
	if (line[0] == '0')
		return;
	for (i = 0; i < what->depth; i++)
		user = strchr(user, '/') + 1;
	text_escape(shown, sizeof(shown), user, strcspn(user, "/"));
	holders_add(holders, "%s is %s %s", node->name, what->is, shown);
	holders->stay = true;
}

static void holders_find_in_files(struct holders *holders, const struct holders_file *what)
{
	glob_t found;
	size_t i;

	if (!glob(what->pattern, GLOB_NOSORT, NULL, &found))
		for (i = 0; i < found.gl_pathc; i++)
			holders_look_at_file(holders, what, found.gl_pathv[i]);
	globfree(&found);
}

static void holders_add_process(struct holders *holders, const char *pid, const char *what,
				const struct node *node)
{
	char path[300], name[64], shown[TEXT_ESCAPED_MAX(64)];

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	holders_line(name, sizeof(name), path);
	text_escape(shown, sizeof(shown), name, strlen(name));
	holders_add(holders, "%s %s in process %s (%s)", node->name, what, pid, shown);
}

/*
 * The disk or partition that is open at @name, or, with @files, that has a file that is open there.
 * AT_STATX_DONT_SYNC avoids waiting for the server of a network file system.
 */
static const struct node *holders_opened(const struct holders *holders, int dir, const char *name,
					 bool files, bool *is_file)
{
	struct statx st;

	if (statx(dir, name, AT_STATX_DONT_SYNC, STATX_TYPE, &st))
		return NULL;
	*is_file = !S_ISBLK(st.stx_mode);
	if (!*is_file)
		return holders_node(holders, makedev(st.stx_rdev_major, st.stx_rdev_minor));
	return files ? holders_node(holders, makedev(st.stx_dev_major, st.stx_dev_minor)) : NULL;
}

static const struct node *holders_find_opened(const struct holders *holders, const char *pid,
					      bool files, bool *is_file)
{
	static const char *const others[] = { "../cwd", "../root", "../exe" };
	const struct node *node = NULL;
	struct dirent *entry;
	char path[300];
	unsigned int i;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	if (!dir)
		return NULL;
	while (!node && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			node = holders_opened(holders, dirfd(dir), entry->d_name, files, is_file);
	for (i = 0; files && !node && i < sizeof(others) / sizeof(others[0]); i++)
		node = holders_opened(holders, dirfd(dir), others[i], files, is_file);
	closedir(dir);
	return node;
}

/*
 * Each process counts once. Files are looked for if no mount was found: a file system that was
 * unmounted lazily is in use until the last of its files is closed.
 */
static void holders_find_processes(struct holders *holders, bool files)
{
	const struct node *node;
	struct dirent *entry;
	bool is_file = false;
	DIR *dir = opendir("/proc");

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		node = holders_find_opened(holders, entry->d_name, files, &is_file);
		if (!node)
			continue;
		holders_add_process(holders, entry->d_name, is_file ? "has files" : "is open",
				    node);
		holders->stay |= is_file;
	}
	closedir(dir);
}

unsigned int holders_find(uint32_t index, char *to, size_t room, bool *stay)
{
	struct holders *holders = calloc(1, sizeof(*holders));
	unsigned int found, i;
	bool mounted;

	*to = '\0';
	*stay = false;
	if (!holders)
		return 0;
	holders->to = to;
	holders->room = room;
	holders_find_nodes(holders, index);
	holders_find_mounts(holders, "/proc/self", "");
	if (!holders->found)
		holders_find_mounts_elsewhere(holders);
	mounted = holders->found;
	holders_find_swaps(holders, NULL);
	holders_find_stacked(holders);
	for (i = 0; i < sizeof(holders_files) / sizeof(holders_files[0]); i++)
		holders_find_in_files(holders, &holders_files[i]);
	holders_find_processes(holders, !mounted);
	found = holders->found;
	*stay = holders->stay;
	free(holders);
	return found;
}
