// SPDX-License-Identifier: GPL-2.0-only
/* The map ioctls take permission to read, and no more. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/fs.h>
#include <linux/nbdmap.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "uapi.h"

#define INDEX		9
#define SIZE		(1 << 20)
#define NOBODY		65534

FIXTURE(map)
{
	struct nl nl;
	struct msg m;
	struct server s;
	struct export x;
	/* a node of our own, as udev minds the permissions of the others */
	char node[64];
};

FIXTURE_SETUP(map)
{
	struct stat st;
	int fd;

	nl_open(&self->nl);
	detach(&self->nl, INDEX, true);
	self->x.nr = 1;
	strcpy(self->x.names[0], "base:allocation");
	server_start(&self->s, "--size", "1M", "--context", "base:allocation", NULL);
	fd = server_connect(&self->s, &self->x);
	msg_begin(&self->nl, &self->m, NBDCTL_CMD_ATTACH);
	put_facts(&self->m, &self->x, INDEX, 0);
	put_slot(&self->m, 0, fd, &self->x);
	ASSERT_EQ(0, nl_call(&self->nl, &self->m)) TH_LOG("%s", self->nl.text);
	close(fd);
	sprintf(self->node, "/tmp/uapi-%d-node", getpid());
	ASSERT_EQ(0, stat("/dev/nbd9", &st));
	ASSERT_EQ(0, mknod(self->node, S_IFBLK, st.st_rdev));
}

FIXTURE_TEARDOWN(map)
{
	unlink(self->node);
	EXPECT_EQ(0, detach(&self->nl, INDEX, true));
	server_stop(&self->s);
}

static int set_ids(void)
{
	return setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	       setresuid(NOBODY, NOBODY, NOBODY);
}

/* As nobody, by a node of this mode. Return: 0, or which line went wrong */
static int map_as_nobody(const char *node, int flags, int error)
{
	char name[64] = "";
	struct nbdmap_context context = { .name = (uintptr_t)name, .name_size = sizeof(name) };
	struct nbdmap_extent extent;
	struct nbdmap_status status = {
		.length = SIZE,
		.capacity = 1,
		.extents = (uintptr_t)&extent,
	};
	uint64_t range[2] = { 0, 4096 };
	int fd;

	if (set_ids())
		return 1;
	fd = open(node, flags);
	if (fd < 0)
		return 2;
	if ((map_context(fd, &context) ? errno : 0) != error)
		return 3;
	if ((map_status(fd, &status) ? errno : 0) != error)
		return 4;
	/* who may only read gets no further */
	if (flags == O_RDONLY && (open(node, O_RDWR) >= 0 || !ioctl(fd, BLKDISCARD, range)))
		return 5;
	return !error && strcmp(name, "base:allocation") ? 6 : 0;
}

static void check_map(struct __test_metadata *_metadata, const char *node, mode_t mode, int flags,
		      int error)
{
	int status = -1;
	pid_t pid;

	ASSERT_EQ(0, chmod(node, mode));
	pid = fork();
	if (!pid)
		_exit(map_as_nobody(node, flags, error));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status) TH_LOG("exit %d", WEXITSTATUS(status));
}

TEST_F(map, read_permission_is_enough)
{
	check_map(_metadata, self->node, 0604, O_RDONLY, 0);
}

TEST_F(map, write_permission_is_not)
{
	check_map(_metadata, self->node, 0602, O_WRONLY, EBADF);
}

/* Access mode 3 needs both permissions, and gives neither: it is for ioctls */
TEST_F(map, descriptor_for_neither)
{
	check_map(_metadata, self->node, 0606, O_ACCMODE, EBADF);
}

TEST_HARNESS_MAIN
