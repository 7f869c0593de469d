// SPDX-License-Identifier: GPL-2.0-only
/*
 * NBD_DISCONNECT of a disk that is being read: no request is in flight when DISC is sent. And what
 * netlink replies to NBD_CMD_DISCONNECT, and when.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#include <linux/nbd-netlink.h>
#include <linux/nbd.h>
#include <linux/netlink.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "uapi_session.h"

#define ROUNDS	2
/* The kernel wakes all that have waited until nothing is in flight, which takes long for so many */
#define READERS	150

#define ACK_LEN		((ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)))

/* Read until that fails; the exit status is the errno */
static pid_t persistent_reader(int fd)
{
	pid_t pid = fork();
	int error;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	do
		error = read_disk(fd, 5 << 20);
	while (!error);
	_exit(error);
}

FIXTURE(disconnect)
{
	struct ground g;
};

FIXTURE_SETUP(disconnect)
{
	set_up(&self->g);
}

FIXTURE_TEARDOWN(disconnect)
{
	tear_down(_metadata, &self->g);
}

TEST_F_TIMEOUT(disconnect, being_read, 300)
{
	struct ground *g = &self->g;
	pid_t pids[READERS];
	int round, i, error;

	for (round = 0; round < ROUNDS; round++) {
		if (round)
			reconnect(g, 0);
		ASSERT_EQ(0, attach(g, 1, 0, 0)) TH_LOG("%s", g->nl.text);
		g->disk = open_disk(INDEX, O_RDONLY | O_DIRECT);
		for (i = 0; i < READERS; i++)
			pids[i] = persistent_reader(g->disk);
		usleep(200000);
		ASSERT_EQ(0, ioctl(g->disk, NBD_DISCONNECT));
		for (i = 0; i < READERS; i++) {
			error = status_of(pids[i], 60000);
			EXPECT_TRUE(error == EIO || error == ENODATA) TH_LOG("errno %d", error);
		}
		close_disk(g);
		ASSERT_TRUE(wait_state(&g->nl, INDEX, NBDCTL_STATE_IDLE, 20000));
		ASSERT_TRUE(server_logs(&g->s[0], "DISC", 20000));
		ASSERT_EQ(0, server_logged(&g->s[0], "VIOLATION")) TH_LOG("round %d", round);
	}
}

/* Return: true if it was sent */
static bool send_disconnect(struct ground *g, struct nl *old, int flags)
{
	struct nlmsghdr *h = (void *)g->m.data;

	msg_begin(old, &g->m, NBD_CMD_DISCONNECT);
	put_u32(&g->m, NBD_ATTR_INDEX, INDEX);
	h->nlmsg_len = g->m.len;
	h->nlmsg_flags = flags;
	return send(old->fd, h, h->nlmsg_len, 0) == (ssize_t)h->nlmsg_len;
}

/* Take what comes, with its length, or 0 if nothing does in that time */
static ssize_t take(struct nl *nl, int ms)
{
	struct pollfd p = { .fd = nl->fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1 ? recv(nl->fd, nl->reply.data, MSG_MAX, 0) : 0;
}

TEST_F(disconnect, acknowledged)
{
	struct ground *g = &self->g;
	const struct nlmsghdr *sent = (void *)g->m.data, *h;
	const struct nlmsgerr *e;
	static struct nl old;
	int state;

	ASSERT_TRUE(nl_open_family(&old, NBD_GENL_FAMILY_NAME, NBD_GENL_MCAST_GROUP_NAME));
	h = (void *)old.reply.data;
	e = NLMSG_DATA(h);
	ASSERT_EQ(0, attach(g, 1, 0, 0)) TH_LOG("%s", g->nl.text);
	server_pause(&g->s[0]);
	ASSERT_TRUE(send_disconnect(g, &old, NLM_F_REQUEST | NLM_F_ACK));
	/* the call does not wait for the server */
	EXPECT_EQ(NBDCTL_STATE_DRAINING, state_of(&g->nl, INDEX));
	EXPECT_EQ(0, take(&old, 500));
	server_resume(&g->s[0]);
	ASSERT_EQ(ACK_LEN, take(&old, 9000));
	/* udev may have opened the old disk, and have it still */
	state = state_of(&g->nl, INDEX);
	EXPECT_TRUE(state == NBDCTL_STATE_IDLE || state == NBDCTL_STATE_DEAD) TH_LOG("%d", state);
	EXPECT_EQ(ACK_LEN, h->nlmsg_len);
	EXPECT_EQ(NLMSG_ERROR, h->nlmsg_type);
	EXPECT_EQ(NLM_F_CAPPED, h->nlmsg_flags);
	EXPECT_EQ(sent->nlmsg_seq, h->nlmsg_seq);
	EXPECT_EQ(0, e->error);
	EXPECT_EQ(0, memcmp(sent, &e->msg, sizeof(*sent)));
	ASSERT_TRUE(server_logs(&g->s[0], "DISC", 20000));

	/* of a disk that is not attached, it is acknowledged by netlink, in the same way */
	ASSERT_TRUE(send_disconnect(g, &old, NLM_F_REQUEST | NLM_F_ACK));
	EXPECT_EQ(ACK_LEN, take(&old, 500));
	EXPECT_EQ(NLM_F_CAPPED, h->nlmsg_flags);
	EXPECT_EQ(0, e->error);
	close(old.fd);
}

TEST_F(disconnect, not_acknowledged)
{
	struct ground *g = &self->g;
	static struct nl old;

	ASSERT_TRUE(nl_open_family(&old, NBD_GENL_FAMILY_NAME, NBD_GENL_MCAST_GROUP_NAME));
	ASSERT_EQ(0, attach(g, 1, 0, 0)) TH_LOG("%s", g->nl.text);
	server_pause(&g->s[0]);
	ASSERT_TRUE(send_disconnect(g, &old, NLM_F_REQUEST));
	EXPECT_EQ(NBDCTL_STATE_DRAINING, state_of(&g->nl, INDEX));
	server_resume(&g->s[0]);
	EXPECT_TRUE(wait_state(&g->nl, INDEX, NBDCTL_STATE_IDLE, 9000));
	EXPECT_EQ(0, take(&old, 500));
	close(old.fd);
}

TEST_HARNESS_MAIN
