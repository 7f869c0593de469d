// SPDX-License-Identifier: GPL-2.0-only
/* systemd.generator(7): an instance of nbd-attach@.service for each device in nbdtab(5). */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <libmount.h>

#include "base/error.h"
#include "base/log.h"
#include "kernel/device.h"
#include "verbs/nbdtab.h"
#include "verbs/table.h"
#include "verbs/verbs.h"

static const struct opt generator_opts[] = {
	{ OPT_TABLE, "table", "FILE", "what to read (default " TABLE_PATH ")" },
	{ 0 }
};

/*
 * The block device of the root file system, 0 if it has none. The number that stat(2) has for btrfs
 * is of no device.
 */
static dev_t generator_root(void)
{
	struct libmnt_table *table;
	const char *source = NULL;
	struct libmnt_fs *fs;
	struct stat st;
	dev_t rdev = 0;

	if (!stat("/", &st) && major(st.st_dev))
		return st.st_dev;
	table = mnt_new_table_from_file("/proc/self/mountinfo");
	fs = table ? mnt_table_find_target(table, "/", MNT_ITER_BACKWARD) : NULL;
	if (fs)
		source = mnt_fs_get_srcpath(fs);
	if (source && !stat(source, &st) && S_ISBLK(st.st_mode))
		rdev = st.st_rdev;
	mnt_unref_table(table);
	return rdev;
}

static bool generator_is_automatic(struct nbdtab_entry *entry)
{
	char *key, *value;

	while (nbdtab_next(entry, &key, &value))
		if (!strcmp(key, "noauto"))
			return false;
	return true;
}

/* Has @unit started with @target, a unit. */
static int generator_want(const char *dir, const char *target, const char *unit, struct error *err)
{
	char path[PATH_MAX];
	int n;

	n = snprintf(path, sizeof(path), "%s/%s.wants", dir, target);
	if (n >= (int)sizeof(path))
		return error_set(err, EXIT_USAGE, "the path of the directory is too long");
	if (mkdir(path, 0755) && errno != EEXIST)
		return error_errno(err, EXIT_SYSTEM, errno, "cannot create %s", path);
	n += snprintf(path + n, sizeof(path) - n, "/%s", unit);
	if (n >= (int)sizeof(path))
		return error_set(err, EXIT_USAGE, "the path of the directory is too long");
	/* Only its last part matters, so it leads to the template wherever that is installed. */
	if (symlink("../nbd-attach@.service", path) && errno != EEXIST)
		return error_errno(err, EXIT_SYSTEM, errno, "cannot create %s", path);
	return 0;
}

/*
 * With all other remote file systems, and earlier if something waits for the disk. A line that
 * cannot be used gets a unit, too, which then fails with the reason.
 */
static int generator_add(const char *dir, uint32_t index, struct error *err)
{
	char unit[64], device[64];

	snprintf(unit, sizeof(unit), "nbd-attach@nbd%u.service", index);
	snprintf(device, sizeof(device), "dev-nbd%u.device", index);
	return generator_want(dir, "remote-fs.target", unit, err) ||
	       generator_want(dir, device, unit, err) ? -1 : 0;
}

/*
 * The disk of the root file system was attached before systemd began, and stays so until the end.
 * Its keeper is from there, too.
 */
static int generator_lines(const char *dir, const char *text, size_t length, struct error *err)
{
	dev_t root = generator_root();
	struct nbdtab_entry *entry = malloc(sizeof(*entry));
	struct nbdtab tab = { text, length, 0 };
	struct error ignored;
	uint32_t index;
	int first, rc = 0;

	if (!entry)
		return error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot begin");
	while (!rc && nbdtab_entry(&tab, &index, entry, &ignored)) {
		if (index == NBDTAB_NO_DEVICE || device_is_on(root, index))
			continue;
		/* The first line of a device is the one that is used. */
		first = nbdtab_find(text, length, index, entry, &ignored);
		if (first < 0 || generator_is_automatic(entry))
			rc = generator_add(dir, index, err);
	}
	free(entry);
	return rc;
}

static int generator_run(const struct verb *verb, int argc, char **argv, struct error *err)
{
	const char *path = TABLE_PATH;
	size_t length;
	char *text;
	int id, rc;

	while ((id = opts_next(verb, argc, argv, err)) != -1) {
		if (!id)
			return -1;
		path = optarg;
	}
	/* systemd passes three directories; the first is the one of usual precedence. */
	if (argc - optind != 1 && argc - optind != 3)
		return error_set(err, EXIT_USAGE, "a directory is expected, or three");
	if (access(path, F_OK) && errno == ENOENT)
		return 0;
	text = table_load(path, &length, err);
	if (!text)
		return -1;
	rc = generator_lines(argv[optind], text, length, err);
	free(text);
	return rc;
}

const struct verb generator_verb = {
	.name = "nbd-attach-generator",
	.synopsis = { "DIRECTORY [EARLY LATE]" },
	.summary = "Make units of systemd that attach the devices of nbdtab(5).",
	.opts = generator_opts,
	.run = generator_run,
};
