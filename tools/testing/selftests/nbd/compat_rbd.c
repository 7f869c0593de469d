// SPDX-License-Identifier: GPL-2.0-only
/*
 * The calls of rbd-nbd: a Unix socket pair that is mapped by ioctl, or by netlink with a backend
 * identifier, resized, unmapped, and attached again by a new daemon.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/fs.h>

#include "compat.h"
#undef ARRAY_SIZE
#include "kselftest_harness.h"

#define FLAGS	(NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_TRIM)
#define COOKIE	"fsid/pool/image"

FIXTURE(rbd)
{
	struct peer peer;
	int index;
};

FIXTURE_SETUP(rbd)
{
	const char *dev = getenv("DEV");

	ASSERT_NE(NULL, dev);
	self->index = atoi(dev + strlen("/dev/nbd"));
	ASSERT_TRUE(nl_open_family(&nl, NBD_GENL_FAMILY_NAME, NBD_GENL_MCAST_GROUP_NAME));
	self->peer = start_peer(0);
}

FIXTURE_TEARDOWN(rbd)
{
	begin_request(NBD_CMD_DISCONNECT, self->index);
	nl_call(&nl, &request);
	stop_peer(&self->peer);
}

static unsigned long long size_of(int index)
{
	return 512ull * read_number("/sys/block/nbd%d/size", index);
}

/* It reads through the page cache, as any user of the disk does */
static int read_first(int index)
{
	char data[512];
	int fd = open_disk(index, O_RDONLY);
	int error = fd < 0 || pread(fd, data, sizeof(data), 0) < 0 ? errno : 0;

	if (fd >= 0) {
		ioctl(fd, BLKFLSBUF);
		close(fd);
	}
	return error;
}

TEST_F(rbd, map_by_ioctl)
{
	int fd = open_disk(self->index, O_RDWR), status;
	pid_t pid;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, NBD_SET_SOCK, self->peer.fd));
	ASSERT_EQ(0, ioctl(fd, NBD_SET_BLKSIZE, 512ul));
	ASSERT_EQ(0, ioctl(fd, NBD_SET_SIZE, (unsigned long)EXPORT_SIZE));
	ASSERT_EQ(0, ioctl(fd, NBD_SET_FLAGS, (unsigned long)FLAGS));
	ASSERT_EQ(0, ioctl(fd, NBD_SET_TIMEOUT, 30ul));
	pid = start_do_it(self->index, fd);
	EXPECT_EQ(EXPORT_SIZE, size_of(self->index));
	EXPECT_EQ(pid, read_number("/sys/block/nbd%d/pid", self->index));
	EXPECT_EQ(0, read_first(self->index));
	/* the image has grown, and the daemon was told */
	EXPECT_EQ(0, ioctl(fd, NBD_SET_SIZE, (unsigned long)(2 * EXPORT_SIZE)));
	EXPECT_EQ(2 * EXPORT_SIZE, size_of(self->index));
	EXPECT_EQ(0, ioctl(fd, NBD_SET_SIZE, (unsigned long)EXPORT_SIZE));
	EXPECT_EQ(0, read_first(self->index));
	/* rbd-nbd unmap, from another process */
	EXPECT_EQ(0, ioctl(fd, NBD_DISCONNECT));
	ASSERT_TRUE(reap(pid, &status, 20000));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, ioctl(fd, NBD_CLEAR_SOCK));
	close(fd);
	EXPECT_TRUE(wait_pid_file(self->index, false));
	EXPECT_EQ(0ull, size_of(self->index));
}

static int try_map(int index, const struct peer *peer)
{
	begin_connect(index, EXPORT_SIZE, FLAGS);
	put_u64(&request, NBD_ATTR_BLOCK_SIZE_BYTES, 512);
	put_u64(&request, NBD_ATTR_TIMEOUT, 30);
	put_u64(&request, NBD_ATTR_DEAD_CONN_TIMEOUT, 30);
	put_str(&request, NBD_ATTR_BACKEND_IDENTIFIER, COOKIE);
	add_sockets(&peer->fd, 1);
	return nl_call(&nl, &request);
}

/* The in-tree driver takes a device that udev looks into for busy */
static int map_by_netlink(int index, const struct peer *peer)
{
	long long end = now_ms() + 20000;
	int error;

	do {
		error = try_map(index, peer);
	} while (error == EBUSY && now_ms() < end && !usleep(50000));
	return error;
}

static int resize_by_netlink(int index, uint64_t size)
{
	begin_request(NBD_CMD_RECONFIGURE, index);
	put_u64(&request, NBD_ATTR_SIZE_BYTES, size);
	put_str(&request, NBD_ATTR_BACKEND_IDENTIFIER, COOKIE);
	return nl_call(&nl, &request);
}

TEST_F(rbd, map_by_netlink)
{
	ASSERT_EQ(0, map_by_netlink(self->index, &self->peer));
	EXPECT_EQ(self->index, get_u32(reply_attrs(&nl), NBD_ATTR_INDEX));
	EXPECT_STREQ(COOKIE, text_of("/sys/block/nbd%d/backend", self->index));
	EXPECT_EQ(getpid(), read_number("/sys/block/nbd%d/pid", self->index));
	EXPECT_EQ(EXPORT_SIZE, size_of(self->index));
	EXPECT_EQ(0, read_first(self->index));
	EXPECT_EQ(0, resize_by_netlink(self->index, 2 * EXPORT_SIZE));
	EXPECT_EQ(2 * EXPORT_SIZE, size_of(self->index));
	EXPECT_EQ(0, resize_by_netlink(self->index, EXPORT_SIZE));
	begin_request(NBD_CMD_DISCONNECT, self->index);
	EXPECT_EQ(0, nl_call(&nl, &request));
	EXPECT_TRUE(wait_pid_file(self->index, false));
	EXPECT_EQ(0ull, size_of(self->index));
	EXPECT_STREQ("-", text_of("/sys/block/nbd%d/backend", self->index));
}

static int attach_again(int index, const struct peer *peer, const char *cookie)
{
	begin_request(NBD_CMD_RECONFIGURE, index);
	put_u64(&request, NBD_ATTR_DEAD_CONN_TIMEOUT, 30);
	put_str(&request, NBD_ATTR_BACKEND_IDENTIFIER, cookie);
	add_sockets(&peer->fd, 1);
	return nl_call(&nl, &request);
}

/* The daemon has died; a reader waits until the next one attaches to the same device */
TEST_F(rbd, attach_again)
{
	int status;
	pid_t pid;

	ASSERT_EQ(0, map_by_netlink(self->index, &self->peer));
	EXPECT_EQ(0, read_first(self->index));
	stop_peer(&self->peer);
	pid = fork();
	if (!pid)
		_exit(read_first(self->index));
	EXPECT_FALSE(reap(pid, &status, 1000));
	self->peer = start_peer(0);
	EXPECT_EQ(EINVAL, attach_again(self->index, &self->peer, "fsid/pool/other"));
	EXPECT_FALSE(reap(pid, &status, 500));
	EXPECT_EQ(0, attach_again(self->index, &self->peer, COOKIE));
	ASSERT_TRUE(reap(pid, &status, 20000));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, read_first(self->index));
}

TEST_HARNESS_MAIN
