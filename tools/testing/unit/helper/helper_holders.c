// SPDX-License-Identifier: GPL-2.0-only
/* Who holds a disk: what is read of mounts, swap, targets and processes. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "unit.h"

#include "kernel/holders.c"

static char folder[64];
static char said[700];
static struct holders *holders;

/* A disk nbd3 with a partition, and nobody who holds them */
static int setup(void **state)
{
	(void)state;
	holders = calloc(1, sizeof(*holders));
	*said = '\0';
	holders->to = said;
	holders->room = sizeof(said);
	holders->nodes[0] = (struct node){ "nbd3", makedev(43, 96) };
	holders->nodes[1] = (struct node){ "nbd3p1", makedev(43, 97) };
	holders->n_nodes = 2;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(holders);
	return 0;
}

static int setup_all(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/nbd-unit-holders-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown_all(void **state)
{
	char command[sizeof(folder) + 8];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

/* @name below the folder, whose directories are made */
static char *place(const char *name)
{
	static char path[256];
	char *slash;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	for (slash = path + strlen(folder); (slash = strchr(slash + 1, '/'));) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
	return path;
}

static void put(const char *name, const char *text)
{
	FILE *file = fopen(place(name), "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* The node of the partition; it cannot be made without privilege. */
static const char *make_node(const char *name)
{
	const char *path = place(name);

	if (access(path, F_OK) && mknod(path, S_IFBLK | 0600, makedev(43, 97)))
		skip_as("making a device node needs root");
	return path;
}

static void assert_found(unsigned int found, bool stay, const char *text)
{
	assert_string_equal(said, text);
	assert_int_equal(holders->found, found);
	assert_int_equal(holders->stay, stay);
}

/* The kernel escapes spaces, tabs, newlines and backslashes in mount points. */
static void test_mounts(void **state)
{
	(void)state;
	put("proc/mountinfo",
	    "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
	    "36 21 43:96 / /mnt/a\\040place rw,relatime shared:9 - ext4 /dev/nbd3 rw\n"
	    "37 21 43:97 /sub /x\\134040 rw master:1 propagate_from:2 - xfs /dev/nbd3p1 rw\n"
	    "38 21 43:96 / /tab\\011 rw - ext4 /dev/other rw\n"
	    "39 21 43:0 / /nbd0 rw - ext4 /dev/nbd0 rw\n");
	holders_find_mounts(holders, place("proc"), " here");
	assert_int_equal(holders->found, 3);
	assert_true(holders->stay);
	assert_non_null(strstr(said, "nbd3 is mounted on /mnt/a place here, "));
	assert_non_null(strstr(said, "nbd3p1 is mounted on /x\\x5c040 here, "));
	assert_non_null(strstr(said, "nbd3 is mounted on /tab\\x09 here"));
}

/* btrfs has device numbers of its own; its device is looked for where the process sees it. */
static void test_mount_by_source(void **state)
{
	(void)state;
	make_node("own/root/dev/my disk");
	put("own/root/dev/file", "");
	put("own/mountinfo",
	    "36 21 0:45 / /b rw - btrfs /dev/my\\040disk rw\n"
	    "37 21 0:46 / /c rw - fuse /dev/file rw\n"
	    "38 21 0:47 / /d rw - tmpfs none rw\n"
	    "39 21 0:48 / /e rw - nfs host:/dev/file rw\n");
	holders_find_mounts(holders, place("own"), "");
	assert_found(1, true, "nbd3p1 is mounted on /b");
}

static void test_no_mounts(void **state)
{
	(void)state;
	holders_find_mounts(holders, place("nobody"), "");
	put("empty/mountinfo", "");
	holders_find_mounts(holders, place("empty"), "");
	put("broken/mountinfo", "36 21 43:96 / /a rw - ext4 /dev/nbd3 rw\n36 21\n\n");
	holders_find_mounts(holders, place("broken"), "");
	assert_in_range(holders->found, 0, 1);
}

static void test_swaps(void **state)
{
	char text[400];

	(void)state;
	make_node("a node");
	snprintf(text, sizeof(text),
		 "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
		 "%s/file                              file\t\t1024\t\t0\t\t-3\n"
		 "%s/a\\040node                      partition\t1024\t\t0\t\t-2\n", folder, folder);
	put("file", "");
	put("swaps", text);
	holders_find_swaps(holders, place("swaps"));
	assert_found(1, true, "nbd3p1 is used as swap");
	holders_find_swaps(holders, place("none"));
	assert_int_equal(holders->found, 1);
}

/* A target that is not enabled has let go of its device, or has not taken it yet. */
static void test_targets(void **state)
{
	struct holders_file what = { .is = "exported as" };
	char pattern[256], line[300];

	(void)state;
	snprintf(line, sizeof(line), "%s\n", make_node("node"));
	put("nvmet/on/1/device_path", line);
	put("nvmet/on/1/enable", "1\n");
	put("nvmet/off/1/device_path", line);
	put("nvmet/off/1/enable", "0\n");
	put("nvmet/other/1/device_path", "/dev/null\n");
	put("nvmet/empty/1/device_path", "");
	/* A loop device has no such file. */
	put("nvmet/plain/1/device_path", line);
	strcpy(pattern, place("nvmet/*/1/device_path"));
	what.pattern = pattern;
	what.depth = 4;
	holders_find_in_files(holders, &what);
	assert_int_equal(holders->found, 2);
	assert_true(holders->stay);
	assert_non_null(strstr(said, "nbd3p1 is exported as on"));
	assert_non_null(strstr(said, "nbd3p1 is exported as plain"));
}

/* What was unmounted lazily shows by the files that are in use. */
static void test_files(void **state)
{
	char want[64];
	struct stat st;
	FILE *file;

	(void)state;
	put("open", "");
	file = fopen(place("open"), "r");
	assert_int_equal(fstat(fileno(file), &st), 0);
	holders->nodes[1].number = st.st_dev;
	snprintf(want, sizeof(want), "nbd3p1 has files in process %d (", getpid());
	holders_find_processes(holders, false);
	assert_found(0, false, "");
	holders_find_processes(holders, true);
	assert_true(holders->found > 0);
	assert_true(holders->stay);
	/* Others may have files there, too. */
	if (holders->found <= HOLDERS_MAX)
		assert_non_null(strstr(said, want));
	fclose(file);
}

/* More than can be named are counted. */
static void test_many(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < 3 * HOLDERS_MAX; i++)
		holders_add(holders, "%u", i);
	assert_found(3 * HOLDERS_MAX, false, "0, 1, 2, 3, 4, 5, 6, 7");
	holders->room = 4;
	holders->found = 0;
	*said = '\0';
	holders_add(holders, "abcdefg");
	holders_add(holders, "h");
	assert_string_equal(said, "abc");
}

#define TEST(name)	cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(mounts),
		TEST(mount_by_source),
		TEST(no_mounts),
		TEST(swaps),
		TEST(targets),
		TEST(files),
		TEST(many),
	};

	return cmocka_run_group_tests_name("helper_holders", tests, setup_all, teardown_all);
}
