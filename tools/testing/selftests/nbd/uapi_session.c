// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of an attached device, by netlink: what is shown of it, events,
 * connections that die and are replaced, the dead time, resize, detach. The
 * servers' logs and content are the witnesses.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/fs.h>

#include "kselftest_harness.h"
#include "uapi.h"

#define INDEX	8
#define SIZE	(16ll << 20)

/**
 * struct ground - two servers of one content, each with two contexts
 * @nl: for commands
 * @events: hears events
 * @m: a message
 * @s: the servers
 * @x: what was negotiated with each
 * @conns: connections with each
 * @disk: descriptor of the disk, or -1
 */
struct ground {
	struct nl nl;
	struct nl events;
	struct msg m;
	struct server s[2];
	struct export x[2];
	int conns[2];
	int disk;
};

static void reconnect(struct ground *g, int i)
{
	g->x[i].nr = 2;
	strcpy(g->x[i].names[0], "base:allocation");
	strcpy(g->x[i].names[1], "test:random");
	g->conns[i] = server_connect(&g->s[i], &g->x[i]);
}

static void serve(struct ground *g, int i)
{
	server_start(&g->s[i], "--size", "16M", "--context", "base:allocation", "--context",
		     "test:random=random", "--seed", i ? "2" : "1", NULL);
	reconnect(g, i);
}

static void set_up(struct ground *g)
{
	nl_open(&g->nl);
	nl_open(&g->events);
	nl_subscribe(&g->events);
	serve(g, 0);
	serve(g, 1);
	g->disk = -1;
}

static void close_disk(struct ground *g)
{
	if (g->disk >= 0)
		close(g->disk);
	g->disk = -1;
}

static void tear_down(struct __test_metadata *_metadata, struct ground *g)
{
	detach(&g->nl, INDEX, true);
	close_disk(g);
	EXPECT_EQ(NBDCTL_STATE_IDLE, state_of(&g->nl, INDEX));
	EXPECT_EQ(0, server_logged(&g->s[0], "VIOLATION"));
	EXPECT_EQ(0, server_logged(&g->s[1], "VIOLATION"));
	server_stop(&g->s[0]);
	server_stop(&g->s[1]);
}

/* Attach to the first @n servers */
static int attach(struct ground *g, int n, uint32_t dead_ms, uint32_t request_ms)
{
	int i, error;

	msg_begin(&g->nl, &g->m, NBDCTL_CMD_ATTACH);
	put_facts(&g->m, &g->x[0], INDEX, 0);
	put_u32(&g->m, NBDCTL_A_DEVICE_DEAD_TIME, dead_ms);
	put_u32(&g->m, NBDCTL_A_DEVICE_REQUEST_TIMEOUT, request_ms);
	put_str(&g->m, NBDCTL_A_DEVICE_IDENTIFIER, "an identifier");
	put_str(&g->m, NBDCTL_A_DEVICE_DISPLAY, "a display");
	for (i = 0; i < n; i++)
		put_slot(&g->m, i, g->conns[i], &g->x[i]);
	error = nl_call(&g->nl, &g->m);
	for (i = 0; i < n; i++)
		close(g->conns[i]);
	return error;
}

/* Put the connection with server @i into the slot */
static int replace(struct ground *g, int slot, int i)
{
	int error;

	msg_begin(&g->nl, &g->m, NBDCTL_CMD_SLOT_REPLACE);
	put_facts(&g->m, &g->x[i], INDEX, 1 << NBDCTL_A_DEVICE_CONTEXT);
	put_slot(&g->m, slot, g->conns[i], &g->x[i]);
	error = nl_call(&g->nl, &g->m);
	close(g->conns[i]);
	return error;
}

static struct attrs slot_of(struct ground *g, int slot)
{
	state_of(&g->nl, INDEX);
	return nested(get(reply_attrs(&g->nl), NBDCTL_A_DEVICE_SLOT, slot));
}

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

/* A child that reads 4 KiB at 5 MiB; its exit status is the errno */
static pid_t reader(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(read_disk(open_disk(INDEX, O_RDONLY | O_DIRECT), 5 << 20));
	return pid;
}

static int status_of(pid_t pid, int ms)
{
	long long end = now_ms() + ms;
	int status;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (now_ms() > end)
			return -1;
		usleep(10000);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -2;
}

/* ---- what is shown ---- */

FIXTURE(show)
{
	struct ground g;
};

FIXTURE_SETUP(show)
{
	set_up(&self->g);
}

FIXTURE_TEARDOWN(show)
{
	tear_down(_metadata, &self->g);
}

TEST_F(show, driver)
{
	struct ground *g = &self->g;
	struct attrs a;

	msg_begin(&g->nl, &g->m, NBDCTL_CMD_DRIVER_GET);
	ASSERT_EQ(0, nl_call(&g->nl, &g->m));
	a = reply_attrs(&g->nl);
	EXPECT_STRNE("", get_str(a, NBDCTL_A_DRIVER_VERSION));
	EXPECT_EQ(3, get_u32(a, NBDCTL_A_DRIVER_HEADER_MODES));
	EXPECT_EQ(15, get_u32(a, NBDCTL_A_DRIVER_FEATURES));
	EXPECT_EQ(64, get_u32(a, NBDCTL_A_DRIVER_MAX_SLOTS));
	EXPECT_EQ(64, get_u32(a, NBDCTL_A_DRIVER_MAX_CONTEXTS));
	EXPECT_EQ(1024, get_u32(a, NBDCTL_A_DRIVER_MAX_QUEUE_DEPTH));
	EXPECT_EQ(getpagesize(), get_u32(a, NBDCTL_A_DRIVER_MAX_MIN_BLOCK_SIZE));
	/* max_part 16 needs 32 minors a disk, of 2^20 */
	EXPECT_EQ(read_number("/sys/module/nbd/parameters/max_part") == 16 ? 32767 :
		  get_u32(a, NBDCTL_A_DRIVER_MAX_INDEX), get_u32(a, NBDCTL_A_DRIVER_MAX_INDEX));
}

static void check_facts(struct __test_metadata *_metadata, struct ground *g, struct attrs a)
{
	EXPECT_EQ(INDEX, get_u32(a, NBDCTL_A_DEVICE_INDEX));
	EXPECT_EQ(NBDCTL_STATE_LIVE, get_u32(a, NBDCTL_A_DEVICE_STATE));
	EXPECT_EQ(SIZE, get_u64(a, NBDCTL_A_DEVICE_SIZE));
	EXPECT_EQ(0, memcmp(&g->x[0].flags,
			    nested(get(a, NBDCTL_A_DEVICE_TRANSMISSION_FLAGS, 0)).at, 2));
	EXPECT_EQ(NBDCTL_HEADER_MODE_STRUCTURED, get_u32(a, NBDCTL_A_DEVICE_HEADER_MODE));
	EXPECT_EQ(1, get_u32(a, NBDCTL_A_DEVICE_MIN_BLOCK_SIZE));
	EXPECT_EQ(4096, get_u32(a, NBDCTL_A_DEVICE_PREFERRED_BLOCK_SIZE));
	EXPECT_EQ(32 << 20, get_u32(a, NBDCTL_A_DEVICE_MAX_PAYLOAD));
	EXPECT_EQ(4000, get_u32(a, NBDCTL_A_DEVICE_REQUEST_TIMEOUT));
	EXPECT_EQ(3000, get_u32(a, NBDCTL_A_DEVICE_DEAD_TIME));
	EXPECT_EQ(128, get_u32(a, NBDCTL_A_DEVICE_QUEUE_DEPTH));
	EXPECT_EQ(0, count(a, NBDCTL_A_DEVICE_READ_ONLY));
	EXPECT_EQ(0, count(a, NBDCTL_A_DEVICE_GAVE_UP));
	EXPECT_STREQ("an identifier", get_str(a, NBDCTL_A_DEVICE_IDENTIFIER));
	EXPECT_STREQ("a display", get_str(a, NBDCTL_A_DEVICE_DISPLAY));
}

static void check_lists(struct __test_metadata *_metadata, struct ground *g, struct attrs a)
{
	struct attrs slot, id, context;
	int i, k;

	EXPECT_EQ(2, count(a, NBDCTL_A_DEVICE_CONTEXT));
	EXPECT_EQ(2, count(a, NBDCTL_A_DEVICE_SLOT));
	for (i = 0; i < 2; i++) {
		context = nested(get(a, NBDCTL_A_DEVICE_CONTEXT, i));
		EXPECT_EQ(i, get_u32(context, NBDCTL_A_CONTEXT_INDEX));
		EXPECT_STREQ(g->x[0].names[i], get_str(context, NBDCTL_A_CONTEXT_NAME));
		slot = nested(get(a, NBDCTL_A_DEVICE_SLOT, i));
		EXPECT_EQ(i, get_u32(slot, NBDCTL_A_SLOT_INDEX));
		EXPECT_EQ(NBDCTL_SLOT_STATE_UP, get_u32(slot, NBDCTL_A_SLOT_STATE));
		EXPECT_EQ(NBDCTL_TRANSPORT_UNIX, get_u32(slot, NBDCTL_A_SLOT_TRANSPORT));
		EXPECT_EQ(0, get_u32(slot, NBDCTL_A_SLOT_RECONNECTS));
		EXPECT_EQ(0, get_u32(slot, NBDCTL_A_SLOT_REASON));
		EXPECT_EQ(2, count(slot, NBDCTL_A_SLOT_CONTEXT_ID));
		for (k = 0; k < 2; k++) {
			id = nested(get(slot, NBDCTL_A_SLOT_CONTEXT_ID, k));
			EXPECT_EQ(k, get_u32(id, NBDCTL_A_CONTEXT_ID_CONTEXT));
			EXPECT_EQ(g->x[i].ids[k], get_u32(id, NBDCTL_A_CONTEXT_ID_ID));
		}
	}
	/* the servers make ids up for each connection */
	EXPECT_NE(g->x[0].ids[0], g->x[1].ids[0]);
}

struct both {
	struct __test_metadata *_metadata;
	struct ground *g;
	int seen;
};

static void check_dumped(struct attrs a, void *arg)
{
	struct both *b = arg;

	if (get_u32(a, NBDCTL_A_DEVICE_INDEX) != INDEX)
		return;
	check_facts(b->_metadata, b->g, a);
	check_lists(b->_metadata, b->g, a);
	b->seen++;
}

TEST_F(show, device)
{
	struct ground *g = &self->g;
	struct both b = { _metadata, g, 0 };

	ASSERT_EQ(0, attach(g, 2, 3000, 4000)) TH_LOG("%s", g->nl.text);
	EXPECT_EQ(INDEX, get_u32(reply_attrs(&g->nl), NBDCTL_A_DEVICE_INDEX));
	ASSERT_EQ(NBDCTL_STATE_LIVE, state_of(&g->nl, INDEX));
	check_facts(_metadata, g, reply_attrs(&g->nl));
	check_lists(_metadata, g, reply_attrs(&g->nl));
	msg_begin(&g->nl, &g->m, NBDCTL_CMD_DEVICE_GET);
	EXPECT_EQ(0, nl_dump(&g->nl, &g->m, check_dumped, &b));
	EXPECT_EQ(1, b.seen);
}

/* What went over each connection, by our count and by the servers' */
TEST_F(show, counters)
{
	struct ground *g = &self->g;
	int64_t sent = 0, got = 0, replies = 0, bytes = 0, logged = 0;
	struct attrs a;
	int i;

	ASSERT_EQ(0, attach(g, 2, 0, 0));
	g->disk = open_disk(INDEX, O_RDWR | O_DIRECT);
	ASSERT_GE(g->disk, 0);
	for (i = 0; i < 64; i++)
		ASSERT_EQ(0, read_disk(g->disk, (4 << 20) + i * 4096));
	/* udev reads too; nothing may be under way when we count */
	ASSERT_EQ(0, system("udevadm settle --timeout=60"));
	usleep(300000);
	for (i = 0; i < 2; i++) {
		a = slot_of(g, i);
		sent += get_u64(a, NBDCTL_A_SLOT_REQUESTS);
		replies += get_u64(a, NBDCTL_A_SLOT_REPLIES);
		bytes += get_u64(a, NBDCTL_A_SLOT_BYTES_SENT);
		got += get_u64(a, NBDCTL_A_SLOT_BYTES_RECEIVED);
		EXPECT_EQ(0, get_u64(a, NBDCTL_A_SLOT_ERRORS));
		logged += server_logged(&g->s[i], "READ ");
	}
	EXPECT_GE(sent, 64);
	EXPECT_EQ(sent, replies);
	EXPECT_EQ(sent, logged);
	EXPECT_EQ(sent * 28, bytes);
	EXPECT_GE(got, 64 * (4096 + 20 + 8));
}

TEST_F(show, any_and_new)
{
	struct ground *g = &self->g;
	int index;

	msg_begin(&g->nl, &g->m, NBDCTL_CMD_ATTACH);
	put_facts(&g->m, &g->x[0], -1, 0);
	put_slot(&g->m, -1, g->conns[0], &g->x[0]);
	ASSERT_EQ(0, nl_call(&g->nl, &g->m)) TH_LOG("%s", g->nl.text);
	index = get_u32(reply_attrs(&g->nl), NBDCTL_A_DEVICE_INDEX);
	EXPECT_EQ(SIZE / 512, read_number("/sys/block/nbd%d/size", index));
	EXPECT_EQ(0, detach(&g->nl, index, true));

	/* a number beyond those made when the module was loaded */
	msg_begin(&g->nl, &g->m, NBDCTL_CMD_ATTACH);
	put_facts(&g->m, &g->x[1], 300, 0);
	put_flag(&g->m, NBDCTL_A_DEVICE_READ_ONLY);
	put_slot(&g->m, 0, g->conns[1], &g->x[1]);
	ASSERT_EQ(0, nl_call(&g->nl, &g->m)) TH_LOG("%s", g->nl.text);
	EXPECT_EQ(SIZE / 512, read_number("/sys/block/nbd300/size"));
	EXPECT_EQ(1, read_number("/sys/block/nbd300/ro"));
	EXPECT_EQ(NBDCTL_STATE_LIVE, state_of(&g->nl, 300));
	EXPECT_EQ(1, count(reply_attrs(&g->nl), NBDCTL_A_DEVICE_READ_ONLY));
	EXPECT_EQ(0, detach(&g->nl, 300, true));
}

/* ---- events ---- */

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
	ASSERT_TRUE(wait_state(&g->nl, INDEX, NBDCTL_STATE_WAITING, 5000));
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

/* ---- connections come and go ---- */

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

/* All servers gone: reads wait, fail after the dead time, then at once, until one is back */
TEST_F(dead_time, waits_fails_revives)
{
	struct ground *g = &self->g;
	long long begin;
	pid_t pid;

	ASSERT_EQ(0, attach(g, 1, 2000, 0));
	g->disk = open_disk(INDEX, O_RDONLY | O_DIRECT);
	ASSERT_EQ(0, read_disk(g->disk, 0));
	begin = now_ms();
	server_stop(&g->s[0]);
	ASSERT_TRUE(wait_state(&g->nl, INDEX, NBDCTL_STATE_WAITING, 5000));
	EXPECT_EQ(0, count(reply_attrs(&g->nl), NBDCTL_A_DEVICE_GAVE_UP));
	EXPECT_NE(0, get_u32(slot_of(g, 0), NBDCTL_A_SLOT_REASON));
	EXPECT_EQ(NBDCTL_SLOT_STATE_EMPTY, get_u32(slot_of(g, 0), NBDCTL_A_SLOT_STATE));
	pid = reader();
	EXPECT_EQ(-1, status_of(pid, 500));
	EXPECT_EQ(EIO, status_of(pid, 10000));
	EXPECT_GE(now_ms() - begin, 1900);
	state_of(&g->nl, INDEX);
	EXPECT_EQ(1, count(reply_attrs(&g->nl), NBDCTL_A_DEVICE_GAVE_UP));
	begin = now_ms();
	EXPECT_EQ(EIO, read_disk(g->disk, 8 << 20));
	EXPECT_LT(now_ms() - begin, 1000);
	ASSERT_EQ(0, replace(g, 0, 1)) TH_LOG("%s", g->nl.text);
	EXPECT_EQ(NBDCTL_STATE_LIVE, state_of(&g->nl, INDEX));
	EXPECT_EQ(0, count(reply_attrs(&g->nl), NBDCTL_A_DEVICE_GAVE_UP));
	EXPECT_EQ(0, read_disk(g->disk, 8 << 20));
	EXPECT_TRUE(server_logs(&g->s[1], "READ 8388608 4096", 1000));
}

/* A read that waits goes to the server that comes in time; never is never */
TEST_F(dead_time, comes_in_time)
{
	struct ground *g = &self->g;
	pid_t pid;

	ASSERT_EQ(0, attach(g, 1, NBDCTL_TIME_FOREVER, 0));
	server_stop(&g->s[0]);
	ASSERT_TRUE(wait_state(&g->nl, INDEX, NBDCTL_STATE_WAITING, 5000));
	pid = reader();
	EXPECT_EQ(-1, status_of(pid, 1500));
	ASSERT_EQ(0, replace(g, 0, 1));
	EXPECT_EQ(0, status_of(pid, 10000));
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

/* A server that is silent loses its connection, and the read goes on elsewhere */
TEST_F(request_timeout, silent_server)
{
	struct ground *g = &self->g;
	long long begin;
	pid_t pid;

	ASSERT_EQ(0, attach(g, 1, 10000, 1000));
	kill(g->s[0].pid, SIGSTOP);
	begin = now_ms();
	pid = reader();
	ASSERT_TRUE(wait_state(&g->nl, INDEX, NBDCTL_STATE_WAITING, 15000));
	EXPECT_GE(now_ms() - begin, 900);
	EXPECT_EQ(ETIMEDOUT, get_u32(slot_of(g, 0), NBDCTL_A_SLOT_REASON));
	ASSERT_EQ(0, replace(g, 0, 1));
	EXPECT_EQ(0, status_of(pid, 10000));
}

/* Without a timeout a silent server has all the time there is */
TEST_F(request_timeout, none)
{
	struct ground *g = &self->g;
	pid_t pid;

	ASSERT_EQ(0, attach(g, 1, 0, 0));
	kill(g->s[0].pid, SIGSTOP);
	pid = reader();
	EXPECT_EQ(-1, status_of(pid, 4000));
	EXPECT_EQ(NBDCTL_STATE_LIVE, state_of(&g->nl, INDEX));
	kill(g->s[0].pid, SIGCONT);
	EXPECT_EQ(0, status_of(pid, 10000));
}

/* ---- resize ---- */

FIXTURE(resize)
{
	struct ground g;
};

FIXTURE_SETUP(resize)
{
	set_up(&self->g);
}

FIXTURE_TEARDOWN(resize)
{
	tear_down(_metadata, &self->g);
}

static int resize(struct ground *g, uint64_t size)
{
	msg_begin(&g->nl, &g->m, NBDCTL_CMD_RESIZE);
	put_u32(&g->m, NBDCTL_A_DEVICE_INDEX, INDEX);
	put_u64(&g->m, NBDCTL_A_DEVICE_SIZE, size);
	return nl_call(&g->nl, &g->m);
}

/* The kernel's uevent of our disk with RESIZE=1 */
static bool hear_resize(int fd)
{
	long long end = now_ms() + 5000;
	char buf[4096];
	ssize_t n;

	while (now_ms() < end) {
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n < 0)
			usleep(10000);
		else if (memmem(buf, n, "/nbd8", 6) && memmem(buf, n, "RESIZE=1", 9))
			return true;
	}
	return false;
}

TEST_F(resize, is_seen)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	struct ground *g = &self->g;
	int64_t bytes = 0;
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT);

	ASSERT_EQ(0, attach(g, 1, 0, 0));
	g->disk = open_disk(INDEX, O_RDONLY | O_DIRECT);
	ASSERT_EQ(0, bind(fd, (void *)&addr, sizeof(addr)));
	ASSERT_EQ(0, resize(g, 8 << 20));
	EXPECT_EQ(0, ioctl(g->disk, BLKGETSIZE64, &bytes));
	EXPECT_EQ(8 << 20, bytes);
	EXPECT_TRUE(hear_resize(fd));
	EXPECT_EQ(ENODATA, read_disk(g->disk, 8 << 20));
	EXPECT_EQ(0, read_disk(g->disk, (8 << 20) - 4096));
	/* a size of part blocks shows the whole ones; the fact stays as it was given */
	ASSERT_EQ(0, resize(g, (10 << 20) + 700));
	EXPECT_EQ((10 << 20) / 512 + 1, read_number("/sys/block/nbd%d/size", INDEX));
	state_of(&g->nl, INDEX);
	EXPECT_EQ((10 << 20) + 700, get_u64(reply_attrs(&g->nl), NBDCTL_A_DEVICE_SIZE));
	ASSERT_EQ(0, resize(g, SIZE));
	EXPECT_TRUE(hear_resize(fd));
	EXPECT_EQ(0, read_disk(g->disk, SIZE - 4096));
	close(fd);
}

/* ---- detach ---- */

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
	EXPECT_TRUE(server_logs(&g->s[0], "DISC", 2000));
	EXPECT_TRUE(server_logs(&g->s[1], "DISC", 2000));
}

/* Somebody has the disk open and waits for a server that does not answer */
static void force(struct __test_metadata *_metadata, struct ground *g)
{
	pid_t pid = reader();
	long long begin;

	EXPECT_EQ(-1, status_of(pid, 300));
	begin = now_ms();
	EXPECT_EQ(0, detach(&g->nl, INDEX, true)) TH_LOG("%s", g->nl.text);
	EXPECT_LT(now_ms() - begin, 3000);
	EXPECT_EQ(EIO, status_of(pid, 3000));
	EXPECT_EQ(ENODATA, read_disk(g->disk, 1 << 20));
	/* the number is free for another server, whoever still has the old disk */
	g->x[0] = g->x[1];
	g->conns[0] = g->conns[1];
	EXPECT_EQ(0, attach(g, 1, 0, 0)) TH_LOG("%s", g->nl.text);
	EXPECT_EQ(ENODATA, read_disk(g->disk, 1 << 20));
	close_disk(g);
	g->disk = open_disk(INDEX, O_RDONLY | O_DIRECT);
	EXPECT_EQ(0, read_disk(g->disk, 1 << 20));
}

TEST_F(detach, force_stopped_server)
{
	struct ground *g = &self->g;

	ASSERT_EQ(0, attach(g, 1, 60000, 0));
	g->disk = open_disk(INDEX, O_RDONLY | O_DIRECT);
	ASSERT_EQ(0, read_disk(g->disk, 1 << 20));
	kill(g->s[0].pid, SIGSTOP);
	force(_metadata, g);
}

TEST_F(detach, force_parked)
{
	struct ground *g = &self->g;

	ASSERT_EQ(0, attach(g, 1, NBDCTL_TIME_FOREVER, 0));
	g->disk = open_disk(INDEX, O_RDONLY | O_DIRECT);
	ASSERT_EQ(0, read_disk(g->disk, 1 << 20));
	server_stop(&g->s[0]);
	ASSERT_TRUE(wait_state(&g->nl, INDEX, NBDCTL_STATE_WAITING, 5000));
	force(_metadata, g);
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
