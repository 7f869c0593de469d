// SPDX-License-Identifier: GPL-2.0-only
/* Detach, in order and by force. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <linux/fs.h>

#include "uapi_session.h"

FIXTURE(detach)
{
	struct ground g;
};

FIXTURE_SETUP(detach)
{
	set_up(&self->g);
}

FIXTURE_TEARDOWN(detach)
{
	tear_down(_metadata, &self->g);
}

TEST_F(detach, plain)
{
	struct ground *g = &self->g;

	ASSERT_EQ(0, attach(g, 2, 0, 0));
	g->disk = open_disk(INDEX, O_RDONLY | O_DIRECT);
	ASSERT_EQ(0, read_disk(g->disk, 0));
	EXPECT_EQ(EBUSY, detach(&g->nl, INDEX, false));
	EXPECT_NE(NULL, strstr(g->nl.text, "open"));
	EXPECT_EQ(NBDCTL_STATE_LIVE, state_of(&g->nl, INDEX));
	EXPECT_LE(1, get_u32(reply_attrs(&g->nl), NBDCTL_A_DEVICE_OPENERS));
	EXPECT_EQ(0, read_disk(g->disk, 4096));
	close_disk(g);
	/* udev may look into it still */
	while (detach(&g->nl, INDEX, false) == EBUSY)
		usleep(50000);
	EXPECT_EQ(NBDCTL_STATE_IDLE, state_of(&g->nl, INDEX));
	EXPECT_EQ(0, read_number("/sys/block/nbd%d/size", INDEX));
	/* in order: both servers were told */
	EXPECT_TRUE(server_logs(&g->s[0], "DISC", 20000));
	EXPECT_TRUE(server_logs(&g->s[1], "DISC", 20000));
}

/* Attach to the second server, as the device of that number or, if negative, as any */
static int attach_second(struct ground *g, int index)
{
	int error;

	close(g->conns[1]);
	reconnect(g, 1);
	msg_begin(&g->nl, &g->m, NBDCTL_CMD_ATTACH);
	put_facts(&g->m, &g->x[1], index, 0);
	put_slot(&g->m, 0, g->conns[1], &g->x[1]);
	error = nl_call(&g->nl, &g->m);
	close(g->conns[1]);
	g->conns[1] = -1;
	return error;
}

/* Somebody has the disk open and waits for a server that does not answer */
static void force(struct __test_metadata *_metadata, struct ground *g)
{
	pid_t pid = reader();
	long long begin;
	int other;

	EXPECT_EQ(-1, status_of(pid, 300));
	begin = now_ms();
	EXPECT_EQ(0, detach(&g->nl, INDEX, true)) TH_LOG("%s", g->nl.text);
	EXPECT_LT(now_ms() - begin, 20000);
	EXPECT_EQ(EIO, status_of(pid, 20000));
	EXPECT_EQ(ENODATA, read_disk(g->disk, 1 << 20));
	EXPECT_EQ(NBDCTL_STATE_DEAD, state_of(&g->nl, INDEX));
	EXPECT_EQ(ENOTCONN, detach(&g->nl, INDEX, true));
	/* the number is not free for another server while somebody still has the old disk */
	EXPECT_EQ(EBUSY, attach_second(g, INDEX));
	EXPECT_NE(NULL, strstr(g->nl.text, "still in use"));
	EXPECT_EQ(0, attach_second(g, -1)) TH_LOG("%s", g->nl.text);
	other = get_u32(reply_attrs(&g->nl), NBDCTL_A_DEVICE_INDEX);
	EXPECT_NE(INDEX, other);
	EXPECT_EQ(0, detach(&g->nl, other, true));
	EXPECT_EQ(ENODATA, read_disk(g->disk, 1 << 20));
	/* it is as soon as nobody has it */
	close_disk(g);
	EXPECT_EQ(0, attach_second(g, INDEX)) TH_LOG("%s", g->nl.text);
	g->disk = open_disk(INDEX, O_RDONLY | O_DIRECT);
	EXPECT_EQ(0, read_disk(g->disk, 1 << 20));
}

TEST_F(detach, force_stopped_server)
{
	struct ground *g = &self->g;

	ASSERT_EQ(0, attach(g, 1, 60000, 0));
	g->disk = open_disk(INDEX, O_RDONLY | O_DIRECT);
	ASSERT_EQ(0, read_disk(g->disk, 1 << 20));
	server_pause(&g->s[0]);
	force(_metadata, g);
}

TEST_F(detach, force_parked)
{
	struct ground *g = &self->g;

	ASSERT_EQ(0, attach(g, 1, NBDCTL_TIME_FOREVER, 0));
	g->disk = open_disk(INDEX, O_RDONLY | O_DIRECT);
	ASSERT_EQ(0, read_disk(g->disk, 1 << 20));
	server_stop(&g->s[0]);
	ASSERT_TRUE(wait_state(&g->nl, INDEX, NBDCTL_STATE_WAITING, 20000));
	force(_metadata, g);
}

/*
 * BLKRRPART in a process of its own, which ends with its errno. The partition table must not come
 * from the page cache, which udev may have filled.
 */
static pid_t rescan(void)
{
	pid_t pid = fork();
	int fd;

	if (pid)
		return pid;
	fd = open_disk(INDEX, O_RDONLY);
	_exit(ioctl(fd, BLKFLSBUF) || ioctl(fd, BLKRRPART) ? errno : 0);
}

/* Whoever reads the partition table waits for a server, and nobody can open the disk meanwhile */
TEST_F(detach, rescan_parked)
{
	struct ground *g = &self->g;
	long long begin;
	pid_t pid;

	ASSERT_EQ(0, attach(g, 1, NBDCTL_TIME_FOREVER, 0));
	server_stop(&g->s[0]);
	ASSERT_TRUE(wait_state(&g->nl, INDEX, NBDCTL_STATE_WAITING, 20000));
	pid = rescan();
	EXPECT_EQ(-1, status_of(pid, 300));
	begin = now_ms();
	EXPECT_EQ(EBUSY, detach(&g->nl, INDEX, false));
	EXPECT_NE(NULL, strstr(g->nl.text, "open"));
	EXPECT_LT(now_ms() - begin, 20000);
	EXPECT_EQ(NBDCTL_STATE_WAITING, state_of(&g->nl, INDEX));
	EXPECT_EQ(0, detach(&g->nl, INDEX, true));
	EXPECT_LT(now_ms() - begin, 20000);
	EXPECT_NE(-1, status_of(pid, 20000));
}

/* The module stays while anything is attached, and goes after */
TEST_F(detach, module)
{
	struct ground *g = &self->g;
	int tries = 100;

	ASSERT_EQ(0, attach(g, 1, 0, 0));
	EXPECT_NE(0, syscall(SYS_delete_module, "nbd", O_NONBLOCK));
	EXPECT_GE(read_number("/sys/module/nbd/refcnt"), 1);
	EXPECT_EQ(0, detach(&g->nl, INDEX, true));
	EXPECT_TRUE(wait_users(0, 10000));
	/* udev may look at the disks at any time */
	while (syscall(SYS_delete_module, "nbd", O_NONBLOCK) && --tries)
		usleep(100000);
	EXPECT_GT(tries, 0);
	EXPECT_NE(0, access("/sys/block/nbd0", F_OK));
	EXPECT_EQ(0, system("modprobe nbd"));
	close(g->nl.fd);
	nl_open(&g->nl);
}

TEST_HARNESS_MAIN
