// SPDX-License-Identifier: GPL-2.0-only
/* Connections that die, become unresponsive or are replaced, and the dead-connection timeout. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>
#include <sys/wait.h>

#include "uapi_session.h"

FIXTURE(replace)
{
	struct ground g;
};

FIXTURE_SETUP(replace)
{
	set_up(&self->g);
}

FIXTURE_TEARDOWN(replace)
{
	tear_down(_metadata, &self->g);
}

/* From one server to the other and back, while the disk is read */
TEST_F(replace, while_reading)
{
	struct ground *g = &self->g;
	int i, reads = 0, bad = 0, done[2], status;
	pid_t pid;

	ASSERT_EQ(0, attach(g, 1, 5000, 0));
	ASSERT_EQ(0, pipe2(done, O_NONBLOCK));
	pid = fork();
	if (!pid) {
		int fd = open_disk(INDEX, O_RDONLY | O_DIRECT);
		char c;

		for (i = 0; read(done[0], &c, 1) < 0; i++, reads++)
			if (read_disk(fd, (uint64_t)(i % 4096) * 4096))
				bad++;
		_exit(bad ? 1 : reads < 20 ? 2 : 0);
	}
	for (i = 1; i <= 8; i++) {
		usleep(150000);
		if (i > 1)
			reconnect(g, i & 1);
		ASSERT_EQ(0, replace(g, 0, i & 1)) TH_LOG("%s", g->nl.text);
	}
	EXPECT_EQ(8, get_u32(slot_of(g, 0), NBDCTL_A_SLOT_RECONNECTS));
	usleep(150000);
	ASSERT_EQ(1, write(done[1], "x", 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_GT(server_logged(&g->s[0], "READ "), 1);
	EXPECT_GT(server_logged(&g->s[1], "READ "), 1);
	EXPECT_EQ(NBDCTL_STATE_LIVE, state_of(&g->nl, INDEX));
}

/* A server that has lost a context is taken; the device knows */
TEST_F(replace, context_lost)
{
	struct ground *g = &self->g;
	struct msg *m = &g->m;
	struct attrs id;
	size_t slot, at;

	ASSERT_EQ(0, attach(g, 1, 5000, 0));
	msg_begin(&g->nl, m, NBDCTL_CMD_SLOT_REPLACE);
	put_facts(m, &g->x[1], INDEX, 1 << NBDCTL_A_DEVICE_CONTEXT);
	slot = nest(m, NBDCTL_A_DEVICE_SLOT);
	put_u32(m, NBDCTL_A_SLOT_INDEX, 0);
	put_u32(m, NBDCTL_A_SLOT_FD, g->conns[1]);
	at = nest(m, NBDCTL_A_SLOT_CONTEXT_ID);
	put_u32(m, NBDCTL_A_CONTEXT_ID_CONTEXT, 1);
	put_flag(m, NBDCTL_A_CONTEXT_ID_LOST);
	nest_end(m, at);
	at = nest(m, NBDCTL_A_SLOT_CONTEXT_ID);
	put_u32(m, NBDCTL_A_CONTEXT_ID_CONTEXT, 0);
	put_u32(m, NBDCTL_A_CONTEXT_ID_ID, g->x[1].ids[0]);
	nest_end(m, at);
	nest_end(m, slot);
	ASSERT_EQ(0, nl_call(&g->nl, m)) TH_LOG("%s", g->nl.text);
	close(g->conns[1]);
	id = nested(get(slot_of(g, 0), NBDCTL_A_SLOT_CONTEXT_ID, 1));
	EXPECT_EQ(1, count(id, NBDCTL_A_CONTEXT_ID_LOST));
	EXPECT_EQ(0, count(id, NBDCTL_A_CONTEXT_ID_ID));
	g->disk = open_disk(INDEX, O_RDONLY | O_DIRECT);
	EXPECT_EQ(0, read_disk(g->disk, 1 << 20));
}

/* Two slots in one request, the second with @fd, or that of the other server */
static int replace_both(struct ground *g, int second, int fd)
{
	msg_begin(&g->nl, &g->m, NBDCTL_CMD_SLOT_REPLACE);
	put_facts(&g->m, &g->x[0], INDEX, 1 << NBDCTL_A_DEVICE_CONTEXT);
	put_str(&g->m, NBDCTL_A_DEVICE_DISPLAY, "another display");
	put_slot(&g->m, 0, g->conns[1], &g->x[1]);
	put_slot(&g->m, second, fd, &g->x[0]);
	return nl_call(&g->nl, &g->m);
}

/* A connection that is refused leaves the one before it, and the device, alone */
TEST_F(replace, all_or_none)
{
	struct ground *g = &self->g;
	int fds[2], i;

	ASSERT_EQ(0, attach(g, 2, 5000, 0));
	reconnect(g, 0);
	reconnect(g, 1);
	/* the peer of the second one is gone; it is no socket; it is for the same slot */
	socket_pair(fds);
	close(fds[1]);
	EXPECT_EQ(ENOTCONN, replace_both(g, 1, fds[0])) TH_LOG("%s", g->nl.text);
	close(fds[0]);
	EXPECT_EQ(EBADF, replace_both(g, 1, 9999));
	EXPECT_EQ(EINVAL, replace_both(g, 0, g->conns[0]));
	EXPECT_NE(NULL, strstr(g->nl.text, "slot: given twice"));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, get_u32(slot_of(g, i), NBDCTL_A_SLOT_RECONNECTS));
		EXPECT_EQ(NBDCTL_SLOT_STATE_UP, get_u32(slot_of(g, i), NBDCTL_A_SLOT_STATE));
	}
	EXPECT_STREQ("a display", get_str(reply_attrs(&g->nl), NBDCTL_A_DEVICE_DISPLAY));
	EXPECT_EQ(0, server_logged(&g->s[0], "DISC") + server_logged(&g->s[1], "DISC"));
	g->disk = open_disk(INDEX, O_RDONLY | O_DIRECT);
	EXPECT_EQ(0, read_disk(g->disk, 1 << 20));
	/* those that were not to blame were given back as they were */
	EXPECT_EQ(0, replace_both(g, 1, g->conns[0])) TH_LOG("%s", g->nl.text);
	for (i = 0; i < 2; i++) {
		close(g->conns[i]);
		EXPECT_EQ(1, get_u32(slot_of(g, i), NBDCTL_A_SLOT_RECONNECTS));
	}
	EXPECT_STREQ("another display", get_str(reply_attrs(&g->nl), NBDCTL_A_DEVICE_DISPLAY));
	EXPECT_EQ(0, read_disk(g->disk, 8 << 20));
}

FIXTURE(dead_time)
{
	struct ground g;
};

FIXTURE_SETUP(dead_time)
{
	set_up(&self->g);
}

FIXTURE_TEARDOWN(dead_time)
{
	tear_down(_metadata, &self->g);
}

/*
 * Without a server, reads wait for the dead-connection timeout and fail, then at once, until a
 * server is back.
 */
TEST_F(dead_time, waits_fails_revives)
{
	struct ground *g = &self->g;
	long long begin;
	pid_t pid;

	ASSERT_EQ(0, attach(g, 1, 8000, 0));
	g->disk = open_disk(INDEX, O_RDONLY | O_DIRECT);
	ASSERT_EQ(0, read_disk(g->disk, 0));
	begin = now_ms();
	server_stop(&g->s[0]);
	ASSERT_TRUE(wait_state(&g->nl, INDEX, NBDCTL_STATE_WAITING, 20000));
	EXPECT_EQ(0, count(reply_attrs(&g->nl), NBDCTL_A_DEVICE_GAVE_UP));
	EXPECT_NE(0, get_u32(slot_of(g, 0), NBDCTL_A_SLOT_REASON));
	EXPECT_EQ(NBDCTL_SLOT_STATE_EMPTY, get_u32(slot_of(g, 0), NBDCTL_A_SLOT_STATE));
	pid = reader();
	EXPECT_EQ(-1, status_of(pid, 500));
	EXPECT_EQ(EIO, status_of(pid, 20000));
	EXPECT_GE(now_ms() - begin, 7900);
	state_of(&g->nl, INDEX);
	EXPECT_EQ(1, count(reply_attrs(&g->nl), NBDCTL_A_DEVICE_GAVE_UP));
	begin = now_ms();
	EXPECT_EQ(EIO, read_disk(g->disk, 8 << 20));
	EXPECT_LT(now_ms() - begin, 6000);
	ASSERT_EQ(0, replace(g, 0, 1)) TH_LOG("%s", g->nl.text);
	EXPECT_EQ(NBDCTL_STATE_LIVE, state_of(&g->nl, INDEX));
	EXPECT_EQ(0, count(reply_attrs(&g->nl), NBDCTL_A_DEVICE_GAVE_UP));
	EXPECT_EQ(0, read_disk(g->disk, 8 << 20));
	EXPECT_TRUE(server_logs(&g->s[1], "READ 8388608 4096", 20000));
}

/* A read that waits goes to the server that comes in time; never is never */
TEST_F(dead_time, comes_in_time)
{
	struct ground *g = &self->g;
	pid_t pid;

	ASSERT_EQ(0, attach(g, 1, NBDCTL_TIME_FOREVER, 0));
	server_stop(&g->s[0]);
	ASSERT_TRUE(wait_state(&g->nl, INDEX, NBDCTL_STATE_WAITING, 20000));
	pid = reader();
	EXPECT_EQ(-1, status_of(pid, 1500));
	ASSERT_EQ(0, replace(g, 0, 1));
	EXPECT_EQ(0, status_of(pid, 20000));
}

/* One of two servers gone: the other serves */
TEST_F(dead_time, one_is_enough)
{
	struct ground *g = &self->g;
	int i;

	ASSERT_EQ(0, attach(g, 2, 0, 0));
	g->disk = open_disk(INDEX, O_RDONLY | O_DIRECT);
	server_stop(&g->s[0]);
	for (i = 0; i < 32; i++)
		EXPECT_EQ(0, read_disk(g->disk, i * 65536));
	EXPECT_EQ(NBDCTL_STATE_LIVE, state_of(&g->nl, INDEX));
}

FIXTURE(request_timeout)
{
	struct ground g;
};

FIXTURE_SETUP(request_timeout)
{
	set_up(&self->g);
}

FIXTURE_TEARDOWN(request_timeout)
{
	tear_down(_metadata, &self->g);
}

/* An unresponsive server loses its connection, and the read moves to another */
TEST_F(request_timeout, silent_server)
{
	struct ground *g = &self->g;
	long long begin;
	pid_t pid;

	ASSERT_EQ(0, attach(g, 1, 10000, 1000));
	server_pause(&g->s[0]);
	begin = now_ms();
	pid = reader();
	ASSERT_TRUE(wait_state(&g->nl, INDEX, NBDCTL_STATE_WAITING, 20000));
	EXPECT_GE(now_ms() - begin, 900);
	EXPECT_EQ(ETIMEDOUT, get_u32(slot_of(g, 0), NBDCTL_A_SLOT_REASON));
	ASSERT_EQ(0, replace(g, 0, 1));
	EXPECT_EQ(0, status_of(pid, 20000));
}

/* Without a timeout a silent server has all the time there is */
TEST_F(request_timeout, none)
{
	struct ground *g = &self->g;
	pid_t pid;

	ASSERT_EQ(0, attach(g, 1, 0, 0));
	server_pause(&g->s[0]);
	pid = reader();
	EXPECT_EQ(-1, status_of(pid, 4000));
	EXPECT_EQ(NBDCTL_STATE_LIVE, state_of(&g->nl, INDEX));
	server_resume(&g->s[0]);
	EXPECT_EQ(0, status_of(pid, 20000));
}

TEST_HARNESS_MAIN
