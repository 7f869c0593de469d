// SPDX-License-Identifier: GPL-2.0-only
/* Orderly and forced detach. */
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
	EXPECT_TRUE(wait_state(&g->nl, INDEX, NBDCTL_STATE_IDLE, 20000));
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

/* udev looks at a disk that is new; it is not to wait for a server that stands still */
static bool seen_by_udev(void)
{
	return !system("udevadm settle --timeout=60");
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

/* A task that reads the partition table waits for a server; nobody can open the disk meanwhile */
TEST_F(detach, rescan_parked)
{
	struct ground *g = &self->g;
	long long begin;
	pid_t pid;

	ASSERT_EQ(0, attach(g, 1, NBDCTL_TIME_FOREVER, 0));
	ASSERT_TRUE(seen_by_udev());
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

/* Nothing waits for a server that stands still but what it owes; and that has an end */
TEST_F_TIMEOUT(detach, called_off, 300)
{
	struct ground *g = &self->g;
	int64_t session;
	long long begin;
	int event;

	ASSERT_EQ(0, attach(g, 1, 0, 0));
	session = get_u64(reply_attrs(&g->nl), NBDCTL_A_DEVICE_SESSION);
	while (nl_event(&g->events, 0))
		;
	ASSERT_TRUE(seen_by_udev());
	server_pause(&g->s[0]);
	/* a time of the caller's, then none */
	for (uint32_t timeout = 3000; ; timeout = 0) {
		begin = now_ms();
		while (begin_detach(&g->nl, INDEX, timeout) == EBUSY)
			usleep(50000);
		EXPECT_EQ(NBDCTL_STATE_DRAINING, state_of(&g->nl, INDEX));
		EXPECT_EQ(EALREADY, begin_detach(&g->nl, INDEX, timeout));
		EXPECT_NE(NULL, strstr(g->nl.text, "being detached"));
		do {
			event = nl_event(&g->events, 100000);
		} while (event && event != NBDCTL_CMD_DETACH_FAILED_EVENT);
		EXPECT_EQ(NBDCTL_CMD_DETACH_FAILED_EVENT, event);
		EXPECT_EQ(INDEX, get_u32(reply_attrs(&g->events), NBDCTL_A_DEVICE_INDEX));
		EXPECT_EQ(session, get_u64(reply_attrs(&g->events), NBDCTL_A_DEVICE_SESSION));
		EXPECT_EQ(ETIMEDOUT, get_u32(reply_attrs(&g->events), NBDCTL_A_DEVICE_REASON));
		EXPECT_LE(timeout ?: 60000, now_ms() - begin);
		EXPECT_EQ(NBDCTL_STATE_LIVE, state_of(&g->nl, INDEX));
		if (!timeout)
			break;
	}
	server_resume(&g->s[0]);
	g->disk = open_disk(INDEX, O_RDONLY | O_DIRECT);
	EXPECT_EQ(0, read_disk(g->disk, 1 << 20));
	close_disk(g);
	while (detach(&g->nl, INDEX, false) == EBUSY)
		usleep(50000);
	EXPECT_TRUE(server_logs(&g->s[0], "DISC", 20000));
}

/* A forced detach waits for nothing, also if it began as an orderly one */
TEST_F(detach, force_after_plain)
{
	struct ground *g = &self->g;

	ASSERT_EQ(0, attach(g, 2, 0, 0));
	ASSERT_TRUE(seen_by_udev());
	server_pause(&g->s[0]);
	server_pause(&g->s[1]);
	while (begin_detach(&g->nl, INDEX, NBDCTL_TIME_FOREVER) == EBUSY)
		usleep(50000);
	EXPECT_EQ(NBDCTL_STATE_DRAINING, state_of(&g->nl, INDEX));
	EXPECT_EQ(0, detach(&g->nl, INDEX, true));
	EXPECT_TRUE(wait_state(&g->nl, INDEX, NBDCTL_STATE_IDLE, 20000));
	EXPECT_TRUE(wait_users(0, 10000));
}

/* A server that is started again while it is waited for is flushed */
TEST_F(detach, reconnect)
{
	struct ground *g = &self->g;

	ASSERT_EQ(0, attach(g, 1, NBDCTL_TIME_FOREVER, 0));
	ASSERT_TRUE(seen_by_udev());
	server_pause(&g->s[0]);
	while (begin_detach(&g->nl, INDEX, NBDCTL_TIME_FOREVER) == EBUSY)
		usleep(50000);
	server_stop(&g->s[0]);
	usleep(500000);
	EXPECT_EQ(NBDCTL_STATE_DRAINING, state_of(&g->nl, INDEX));
	EXPECT_EQ(0, replace(g, 0, 1)) TH_LOG("%s", g->nl.text);
	EXPECT_TRUE(wait_state(&g->nl, INDEX, NBDCTL_STATE_IDLE, 20000));
	EXPECT_TRUE(server_logs(&g->s[1], "FLUSH", 20000));
	EXPECT_TRUE(server_logs(&g->s[1], "DISC", 20000));
}

static int detach_number(struct ground *g, int64_t session, bool force)
{
	msg_begin(&g->nl, &g->m, NBDCTL_CMD_DETACH);
	put_u32(&g->m, NBDCTL_A_DEVICE_INDEX, INDEX);
	put_u64(&g->m, NBDCTL_A_DEVICE_SESSION, session);
	if (force)
		put_flag(&g->m, NBDCTL_A_DEVICE_FORCE);
	return nl_call(&g->nl, &g->m);
}

/* Who names a session ends no other */
TEST_F(detach, session)
{
	struct ground *g = &self->g;
	int64_t session;
	int event;

	ASSERT_EQ(0, attach(g, 1, 0, 0));
	session = get_u64(reply_attrs(&g->nl), NBDCTL_A_DEVICE_SESSION);
	EXPECT_EQ(ESTALE, detach_number(g, session - 1, false));
	EXPECT_EQ(ESTALE, detach_number(g, session + 1, true));
	EXPECT_EQ(NBDCTL_A_DEVICE_SESSION, g->nl.bad);
	EXPECT_EQ(NBDCTL_STATE_LIVE, state_of(&g->nl, INDEX));
	EXPECT_EQ(0, detach_number(g, session, true));
	do {
		event = nl_event(&g->events, 20000);
		EXPECT_EQ(session, get_u64(reply_attrs(&g->events), NBDCTL_A_DEVICE_SESSION));
	} while (event && event != NBDCTL_CMD_DETACHED_EVENT);
	EXPECT_EQ(NBDCTL_CMD_DETACHED_EVENT, event);
}

#define MANY	12

/* Servers that never close after DISC are waited for together */
TEST_F(detach, mute_servers)
{
	/* HAS_FLAGS and CAN_MULTI_CONN: nothing to flush */
	struct export x = { .size = SIZE, .flags = 0x101, .structured = true };
	struct ground *g = &self->g;
	int fds[MANY][2], i;
	long long begin;

	msg_begin(&g->nl, &g->m, NBDCTL_CMD_ATTACH);
	put_facts(&g->m, &x, INDEX, 0);
	for (i = 0; i < MANY; i++) {
		socket_pair(fds[i]);
		put_slot(&g->m, i, fds[i][0], &x);
	}
	/* nobody reads the partition table, which nobody would answer */
	ASSERT_EQ(0, system("udevadm control --stop-exec-queue"));
	EXPECT_EQ(0, nl_call(&g->nl, &g->m)) TH_LOG("%s", g->nl.text);
	begin = now_ms();
	EXPECT_EQ(0, detach(&g->nl, INDEX, false));
	EXPECT_GT(now_ms() - begin, 1000);
	EXPECT_LT(now_ms() - begin, MANY * 1000);
	EXPECT_EQ(0, system("udevadm control --start-exec-queue"));
	for (i = 0; i < MANY; i++) {
		close(fds[i][0]);
		close(fds[i][1]);
	}
}

/* The module stays while anything is attached, and goes after */
TEST_F(detach, module)
{
	struct ground *g = &self->g;
	int tries = 100;
	int64_t session;

	ASSERT_EQ(0, attach(g, 1, 0, 0));
	session = get_u64(reply_attrs(&g->nl), NBDCTL_A_DEVICE_SESSION);
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
	/* no number of an attach comes again */
	EXPECT_EQ(0, attach_second(g, INDEX)) TH_LOG("%s", g->nl.text);
	EXPECT_GT(get_u64(reply_attrs(&g->nl), NBDCTL_A_DEVICE_SESSION), session);
	EXPECT_EQ(0, detach(&g->nl, INDEX, true));
}

TEST_HARNESS_MAIN
