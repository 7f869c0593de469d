// SPDX-License-Identifier: GPL-2.0-only
/* The events of an attached device, for programs and for udev. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>

#include "uapi_session.h"

/* The next event is this one, of our device. Events of others are passed over. */
static void event(struct __test_metadata *_metadata, struct nl *nl, int cmd)
{
	int got;

	do
		got = nl_event(nl, 15000);
	while (got && get_u32(reply_attrs(nl), NBDCTL_A_DEVICE_INDEX) != INDEX);
	EXPECT_EQ(cmd, got);
}

static void slot_event(struct __test_metadata *_metadata, struct nl *nl, int cmd, int slot,
		       bool reason)
{
	struct attrs a;

	event(_metadata, nl, cmd);
	a = nested(get(reply_attrs(nl), NBDCTL_A_DEVICE_SLOT, 0));
	EXPECT_EQ(slot, get_u32(a, NBDCTL_A_SLOT_INDEX));
	EXPECT_EQ(reason, get_u32(a, NBDCTL_A_SLOT_REASON) != 0);
}

FIXTURE(events)
{
	struct ground g;
};

FIXTURE_SETUP(events)
{
	set_up(&self->g);
}

FIXTURE_TEARDOWN(events)
{
	tear_down(_metadata, &self->g);
}

/* What the kernel has told udev of our disk since it was asked last */
struct changes {
	int n;
	int read_only;
};

static struct changes changes(int fd)
{
	struct changes c = { 0, 0 };
	char buf[8192];
	ssize_t n, at;

	while ((n = recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT)) > 0) {
		buf[n] = '\0';
		if (strcmp(buf, "change@/devices/virtual/block/nbd8"))
			continue;
		c.n++;
		for (at = 0; at < n; at += strlen(buf + at) + 1)
			c.read_only += !strncmp(buf + at, "DISK_RO=", 8);
	}
	return c;
}

/* One for the attach as a whole: at an earlier one udev would find a disk without a size */
TEST_F(events, uevent)
{
	struct sockaddr_nl all = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	struct ground *g = &self->g;
	struct changes c;
	int fd;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	ASSERT_EQ(0, bind(fd, (void *)&all, sizeof(all)));
	msg_begin(&g->nl, &g->m, NBDCTL_CMD_ATTACH);
	put_facts(&g->m, &g->x[0], INDEX, 0);
	put_flag(&g->m, NBDCTL_A_DEVICE_READ_ONLY);
	put_slot(&g->m, 0, g->conns[0], &g->x[0]);
	ASSERT_EQ(0, nl_call(&g->nl, &g->m)) TH_LOG("%s", g->nl.text);
	c = changes(fd);
	EXPECT_EQ(1, c.n);
	EXPECT_EQ(0, c.read_only);
	EXPECT_EQ(1, read_number("/sys/block/nbd%d/ro", INDEX));
	close(fd);
}

/* All that can happen, in its order, here and in another network namespace */
TEST_F(events, in_order)
{
	struct ground *g = &self->g;
	struct nl *ears[2] = { &g->events, NULL };
	static struct nl elsewhere;
	int home = open("/proc/self/ns/net", O_RDONLY), i;

	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	nl_open(&elsewhere);
	nl_subscribe(&elsewhere);
	ASSERT_EQ(0, setns(home, CLONE_NEWNET));
	ears[1] = &elsewhere;

	ASSERT_EQ(0, attach(g, 1, 300, 0));
	msg_begin(&g->nl, &g->m, NBDCTL_CMD_RESIZE);
	put_u32(&g->m, NBDCTL_A_DEVICE_INDEX, INDEX);
	put_u64(&g->m, NBDCTL_A_DEVICE_SIZE, SIZE / 2);
	ASSERT_EQ(0, nl_call(&g->nl, &g->m));
	server_stop(&g->s[0]);
	ASSERT_TRUE(wait_state(&g->nl, INDEX, NBDCTL_STATE_WAITING, 20000));
	usleep(800000);
	ASSERT_EQ(0, replace(g, 0, 1));
	ASSERT_EQ(0, detach(&g->nl, INDEX, true));

	for (i = 0; i < 2; i++) {
		event(_metadata, ears[i], NBDCTL_CMD_ATTACHED_EVENT);
		event(_metadata, ears[i], NBDCTL_CMD_RESIZED_EVENT);
		EXPECT_EQ(SIZE / 2, get_u64(reply_attrs(ears[i]), NBDCTL_A_DEVICE_SIZE));
		slot_event(_metadata, ears[i], NBDCTL_CMD_CONNECTION_DOWN_EVENT, 0, true);
		event(_metadata, ears[i], NBDCTL_CMD_GIVING_UP_EVENT);
		slot_event(_metadata, ears[i], NBDCTL_CMD_CONNECTION_UP_EVENT, 0, false);
		slot_event(_metadata, ears[i], NBDCTL_CMD_CONNECTION_DOWN_EVENT, 0, false);
		event(_metadata, ears[i], NBDCTL_CMD_DETACHED_EVENT);
	}
}

TEST_HARNESS_MAIN
