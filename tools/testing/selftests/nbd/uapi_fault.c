// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory runs out. Each operation is done again and again while the kernel
 * fails its first allocation, then its second, and so on, until one was done
 * without a failure: see "fail-nth" in the kernel's document on fault
 * injection. Each time it either succeeds or ends in an errno that says so,
 * and nothing of it is left behind. With STEP in the environment only every
 * STEP-th allocation gets its turn.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <linux/nbdmap.h>

#include "kselftest_harness.h"
#include "uapi.h"

#define INDEX	9
#define SLOTS	4
#define SIZE	(16ll << 20)

/**
 * struct ground - a server, and what fails
 * @nl: for commands
 * @m: a message
 * @s: the server
 * @x: what was negotiated
 * @conns: connections with it
 * @nth: /proc/thread-self/fail-nth
 * @n: allocation that fails
 * @step: to the next one
 * @failed: attempts that ended in an errno
 * @users: of the module, when nothing is attached
 */
struct ground {
	struct nl nl;
	struct msg m;
	struct server s;
	struct export x;
	int conns[SLOTS];
	int nth;
	unsigned int n;
	unsigned int step;
	unsigned int failed;
	long long users;
};

static void reconnect(struct ground *g, int slots)
{
	int i;

	for (i = 0; i < slots; i++)
		g->conns[i] = server_connect(&g->s, &g->x);
}

static void hang_up(struct ground *g, int slots)
{
	while (slots--)
		close(g->conns[slots]);
}

FIXTURE(fault)
{
	struct ground g;
};

FIXTURE_SETUP(fault)
{
	struct ground *g = &self->g;
	const char *step = getenv("STEP");

	g->step = step ? atoi(step) : 1;
	nl_open(&g->nl);
	server_start(&g->s, "--size", "16M", "--context", "base:allocation", NULL);
	g->x.nr = 1;
	strcpy(g->x.names[0], "base:allocation");
	g->nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, g->nth);
	detach(&g->nl, INDEX, true);
	g->users = read_number("/sys/module/nbd/refcnt");
}

FIXTURE_TEARDOWN(fault)
{
	struct ground *g = &self->g;

	detach(&g->nl, INDEX, true);
	EXPECT_EQ(g->users, read_number("/sys/module/nbd/refcnt"));
	EXPECT_EQ(0, server_logged(&g->s, "VIOLATION"));
	server_stop(&g->s);
	TH_LOG("%u allocations, %u failures were told", g->n, g->failed);
}

static void set_nth(struct ground *g, unsigned int n)
{
	char text[16];

	if (pwrite(g->nth, text, sprintf(text, "%u", n), 0) < 0)
		_exit(1);
}

/* From here to end_fault() the kernel fails the @n-th allocation of this task */
static void begin_fault(struct ground *g)
{
	g->n += g->step;
	set_nth(g, g->n);
}

/* False if that many allocations were not made */
static bool end_fault(struct ground *g)
{
	char text[16] = "";
	bool hit;

	hit = pread(g->nth, text, sizeof(text) - 1, 0) > 0 && !atoi(text);
	set_nth(g, 0);
	return hit;
}

/* Send what is in @m with a fault. Return: 0 or a positive errno; @hit: did the fault happen? */
static int call_fault(struct ground *g, bool *hit)
{
	int error;

	begin_fault(g);
	error = nl_call(&g->nl, &g->m);
	*hit = end_fault(g);
	g->failed += !!error;
	return error;
}

/*
 * ENOMEM has no text, which could only name what is not to blame. ENOBUFS: the
 * kernel had no memory for a message of netlink's own, the answer perhaps. A new
 * disk that could not be given its name is EINVAL to add_disk().
 */
static bool is_memory(const struct ground *g, int error)
{
	return !error || (error == ENOMEM && !*g->nl.text) || error == ENOBUFS ||
	       (error == EINVAL && !strcmp(g->nl.text, "cannot create a device"));
}

static void attach_message(struct ground *g, int slots, uint32_t depth)
{
	int i;

	msg_begin(&g->nl, &g->m, NBDCTL_CMD_ATTACH);
	put_facts(&g->m, &g->x, INDEX, 0);
	if (depth)
		put_u32(&g->m, NBDCTL_A_DEVICE_QUEUE_DEPTH, depth);
	put_u32(&g->m, NBDCTL_A_DEVICE_DEAD_TIME, 1000);
	put_str(&g->m, NBDCTL_A_DEVICE_IDENTIFIER, "an identifier");
	put_str(&g->m, NBDCTL_A_DEVICE_DISPLAY, "a display");
	for (i = 0; i < slots; i++)
		put_slot(&g->m, i, g->conns[i], &g->x);
}

static int attach(struct ground *g, int slots)
{
	int error;

	reconnect(g, slots);
	attach_message(g, slots, 0);
	error = nl_call(&g->nl, &g->m);
	hang_up(g, slots);
	return error;
}

static int read_back(uint64_t offset)
{
	int fd = open_disk(INDEX, O_RDONLY | O_DIRECT), error;

	error = fd < 0 ? errno : read_disk(fd, offset);
	close(fd);
	return error;
}

/* A device that could not be replaced is there again when the next is attached */
static void check_idle(struct __test_metadata *_metadata, struct ground *g)
{
	long long end = now_ms() + 20000;
	int state;

	do {
		state = state_of(&g->nl, INDEX);
	} while (state != NBDCTL_STATE_IDLE && state != -ENODEV && now_ms() < end);
	ASSERT_TRUE(state == NBDCTL_STATE_IDLE || state == -ENODEV)
		TH_LOG("allocation %u: state %d", g->n, state);
	ASSERT_GE(0, read_number("/sys/block/nbd%d/size", INDEX));
	ASSERT_TRUE(wait_users(g->users, 20000)) TH_LOG("allocation %u", g->n);
}

/*
 * The same sockets go through all attempts: one that fails has not used them.
 * With another queue depth each time, each attempt takes a new disk.
 */
static void attach_each(struct __test_metadata *_metadata, struct ground *g, int slots,
			uint32_t depth)
{
	bool hit = true;
	int error;

	reconnect(g, slots);
	while (hit) {
		attach_message(g, slots, depth ? depth + g->n / g->step % 2 : 0);
		error = call_fault(g, &hit);
		ASSERT_TRUE(is_memory(g, error))
			TH_LOG("allocation %u: %s: %s", g->n, strerror(error), g->nl.text);
		if (state_of(&g->nl, INDEX) == NBDCTL_STATE_LIVE) {
			ASSERT_EQ(0, read_back(5 << 20)) TH_LOG("allocation %u", g->n);
			ASSERT_EQ(0, detach(&g->nl, INDEX, true));
			hang_up(g, slots);
			reconnect(g, slots);
		} else {
			ASSERT_NE(0, error) TH_LOG("allocation %u", g->n);
		}
		check_idle(_metadata, g);
	}
	ASSERT_EQ(0, error);
	hang_up(g, slots);
}

TEST_F_TIMEOUT(fault, attach, 300)
{
	attach_each(_metadata, &self->g, 1, 0);
}

TEST_F_TIMEOUT(fault, attach_four, 300)
{
	attach_each(_metadata, &self->g, SLOTS, 0);
}

TEST_F_TIMEOUT(fault, disk, 600)
{
	attach_each(_metadata, &self->g, 1, 64);
}

/* With a reader of the disk, who keeps what is left of it, or without */
static void detach_each(struct __test_metadata *_metadata, struct ground *g, bool force, bool open)
{
	bool hit = true;
	int error, fd = -1;

	while (hit) {
		if (state_of(&g->nl, INDEX) != NBDCTL_STATE_LIVE)
			ASSERT_EQ(0, attach(g, 2));
		if (open)
			fd = open_disk(INDEX, O_RDONLY | O_DIRECT);
		msg_begin(&g->nl, &g->m, NBDCTL_CMD_DETACH);
		put_u32(&g->m, NBDCTL_A_DEVICE_INDEX, INDEX);
		if (force)
			put_flag(&g->m, NBDCTL_A_DEVICE_FORCE);
		error = call_fault(g, &hit);
		close(fd);
		ASSERT_TRUE(is_memory(g, error))
			TH_LOG("allocation %u: %s: %s", g->n, strerror(error), g->nl.text);
		while (state_of(&g->nl, INDEX) == NBDCTL_STATE_DRAINING)
			usleep(1000);
		if (state_of(&g->nl, INDEX) == NBDCTL_STATE_LIVE) {
			ASSERT_NE(0, error) TH_LOG("allocation %u", g->n);
			ASSERT_EQ(0, read_back(5 << 20)) TH_LOG("allocation %u", g->n);
		} else {
			check_idle(_metadata, g);
		}
	}
	ASSERT_EQ(0, error);
}

TEST_F_TIMEOUT(fault, detach, 300)
{
	detach_each(_metadata, &self->g, false, false);
}

TEST_F_TIMEOUT(fault, detach_force, 300)
{
	detach_each(_metadata, &self->g, true, false);
}

TEST_F_TIMEOUT(fault, detach_force_open, 600)
{
	detach_each(_metadata, &self->g, true, true);
}

/* What is attached continues to work, whatever is asked of it */
static void ask_each(struct __test_metadata *_metadata, struct ground *g,
		     void (*message)(struct ground *g, int fd))
{
	bool hit = true;
	int error, fd;

	ASSERT_EQ(0, attach(g, 2));
	while (hit) {
		fd = server_connect(&g->s, &g->x);
		message(g, fd);
		error = call_fault(g, &hit);
		close(fd);
		ASSERT_TRUE(is_memory(g, error))
			TH_LOG("allocation %u: %s: %s", g->n, strerror(error), g->nl.text);
		ASSERT_EQ(0, read_back(5 << 20)) TH_LOG("allocation %u", g->n);
	}
	ASSERT_EQ(0, error);
}

static void replace_message(struct ground *g, int fd)
{
	msg_begin(&g->nl, &g->m, NBDCTL_CMD_SLOT_REPLACE);
	put_u32(&g->m, NBDCTL_A_DEVICE_INDEX, INDEX);
	put_u64(&g->m, NBDCTL_A_DEVICE_SIZE, g->x.size);
	put_u16(&g->m, NBDCTL_A_DEVICE_TRANSMISSION_FLAGS, g->x.flags);
	put_u32(&g->m, NBDCTL_A_DEVICE_HEADER_MODE, g->x.structured);
	put_str(&g->m, NBDCTL_A_DEVICE_DISPLAY, "another display");
	put_slot(&g->m, g->n / g->step % 2, fd, &g->x);
}

TEST_F_TIMEOUT(fault, replace, 300)
{
	ask_each(_metadata, &self->g, replace_message);
}

static void resize_message(struct ground *g, int fd)
{
	msg_begin(&g->nl, &g->m, NBDCTL_CMD_RESIZE);
	put_u32(&g->m, NBDCTL_A_DEVICE_INDEX, INDEX);
	put_u64(&g->m, NBDCTL_A_DEVICE_SIZE, SIZE / (1 + g->n / g->step % 2));
}

TEST_F_TIMEOUT(fault, resize, 300)
{
	ask_each(_metadata, &self->g, resize_message);
}

static void get_message(struct ground *g, int fd)
{
	msg_begin(&g->nl, &g->m, NBDCTL_CMD_DEVICE_GET);
	put_u32(&g->m, NBDCTL_A_DEVICE_INDEX, INDEX);
}

TEST_F_TIMEOUT(fault, get, 300)
{
	ask_each(_metadata, &self->g, get_message);
}

static void seen(struct attrs a, void *arg)
{
	*(int *)arg += get_u32(a, NBDCTL_A_DEVICE_INDEX) == INDEX;
}

/* A dump that failed leaves its socket in the middle of it, so each has one of its own */
TEST_F_TIMEOUT(fault, dump, 300)
{
	struct ground *g = &self->g;
	static struct nl nl;
	bool hit = true;
	int error, n;

	ASSERT_EQ(0, attach(g, 2));
	while (hit) {
		nl_open(&nl);
		msg_begin(&nl, &g->m, NBDCTL_CMD_DEVICE_GET);
		n = 0;
		begin_fault(g);
		error = nl_dump(&nl, &g->m, seen, &n);
		hit = end_fault(g);
		g->failed += !!error;
		close(nl.fd);
		ASSERT_TRUE(is_memory(g, error)) TH_LOG("allocation %u: %d", g->n, error);
		ASSERT_TRUE(error || n == 1) TH_LOG("allocation %u: seen %d times", g->n, n);
	}
	ASSERT_EQ(0, error);
}

TEST_F_TIMEOUT(fault, map, 300)
{
	struct ground *g = &self->g;
	struct nbdmap_extent extents[64];
	struct nbdmap_status status;
	bool hit = true;
	int fd, error;

	ASSERT_EQ(0, attach(g, 2));
	fd = open_disk(INDEX, O_RDONLY);
	ASSERT_LE(0, fd);
	while (hit) {
		status = (struct nbdmap_status){ .length = SIZE, .capacity = 64,
						 .extents = (uintptr_t)extents };
		begin_fault(g);
		error = map_status(fd, &status) ? errno : 0;
		hit = end_fault(g);
		g->failed += !!error;
		ASSERT_TRUE(is_memory(g, error)) TH_LOG("allocation %u: %d", g->n, error);
		ASSERT_TRUE(error || status.covered == SIZE) TH_LOG("allocation %u", g->n);
	}
	close(fd);
	ASSERT_EQ(0, error);
}

TEST_HARNESS_MAIN
