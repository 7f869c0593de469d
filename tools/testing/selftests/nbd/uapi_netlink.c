// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the family "nbdctl" refuses: with which errno, which words, and that
 * nothing is left behind. Policy violations have the kernel's own words; they
 * point at the attribute.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <arpa/inet.h>
#include <netinet/in.h>

#include "kselftest_harness.h"
#include "uapi.h"

#define INDEX		9
#define BIT(n)		(1u << (n))
#define HAS_FLAGS	BIT(0)
#define MULTI_CONN	BIT(8)

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP	262
#endif

struct ground {
	struct nl nl;
	struct msg m;
	struct export x;
	int fds[2];
	int fds2[2];
	long long users;
};

static void set_up(struct ground *g)
{
	nl_open(&g->nl);
	socket_pair(g->fds);
	socket_pair(g->fds2);
	g->x = (struct export){ .size = 1 << 20, .flags = HAS_FLAGS | MULTI_CONN,
				.structured = true };
	detach(&g->nl, INDEX, true);
	wait_users(0, 3000);
	g->users = read_number("/sys/module/nbd/refcnt");
}

/* The socket of a refused attach is its owner's, and the kernel has no part in it any more */
static void check_socket(struct __test_metadata *_metadata, int fds[2])
{
	char c = 0;

	ASSERT_EQ(1, send(fds[0], "x", 1, MSG_NOSIGNAL));
	ASSERT_EQ(1, recv(fds[1], &c, 1, 0));
	ASSERT_EQ(1, send(fds[1], "y", 1, MSG_NOSIGNAL));
	ASSERT_EQ(1, recv(fds[0], &c, 1, 0));
	ASSERT_EQ('y', c);
	close(fds[0]);
	/* were a reference left, this would not be the end of file */
	ASSERT_EQ(0, recv(fds[1], &c, 1, MSG_DONTWAIT));
	close(fds[1]);
}

static void tear_down(struct __test_metadata *_metadata, struct ground *g)
{
	if (g->fds[0] >= 0)
		check_socket(_metadata, g->fds);
	check_socket(_metadata, g->fds2);
	EXPECT_EQ(0, close(g->nl.fd));
}

static int count_fds(void)
{
	int fd, n = 0;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/*
 * The message is refused with @error. @words are in the extack text, if any are
 * given; @bad is the attribute it points at, if one is given.
 */
static void refused(struct __test_metadata *_metadata, struct ground *g, int error,
		    const char *words, int bad, const char *what)
{
	int fds = count_fds(), got = nl_call(&g->nl, &g->m);

	if (got != error || !g->nl.text[0] || (words && !strstr(g->nl.text, words)) ||
	    (bad && g->nl.bad != bad))
		TH_LOG("%s: error %d, '%s', attribute %d", what, got, g->nl.text, g->nl.bad);
	EXPECT_EQ(error, got);
	EXPECT_NE('\0', g->nl.text[0]);
	if (words)
		EXPECT_NE(NULL, strstr(g->nl.text, words));
	if (bad)
		EXPECT_EQ(bad, g->nl.bad);
	EXPECT_EQ(NBDCTL_STATE_IDLE, state_of(&g->nl, INDEX));
	EXPECT_EQ(0, read_number("/sys/block/nbd%d/size", INDEX));
	EXPECT_EQ(fds, count_fds());
	EXPECT_TRUE(wait_users(g->users, 3000));
	if (!got)
		detach(&g->nl, INDEX, true);
}

/* REFUSE(command, errno, words, attribute, statements that put into the message m) */
#define REFUSE(command, error, words, bad, ...) do {				\
	struct ground *g = &self->g;						\
	struct msg *m = &g->m;							\
										\
	msg_begin(&g->nl, m, NBDCTL_CMD_##command);				\
	__VA_ARGS__;								\
	refused(_metadata, g, error, words, bad, #__VA_ARGS__);			\
} while (0)

#define facts(skip)	put_facts(m, &g->x, INDEX, skip)
#define slot()		put_slot(m, 0, g->fds[0], &g->x)
#define whole()		do { facts(0); slot(); } while (0)
#define U16(attr, v)	put_u16(m, NBDCTL_A_##attr, v)
#define U32(attr, v)	put_u32(m, NBDCTL_A_##attr, v)
#define U64(attr, v)	put_u64(m, NBDCTL_A_##attr, v)

/* Within a nest of the given type */
#define NEST(attr, ...) do {							\
	size_t at = nest(m, NBDCTL_A_##attr);					\
										\
	__VA_ARGS__;								\
	nest_end(m, at);							\
} while (0)

#define CONTEXT(name)	NEST(DEVICE_CONTEXT, put_str(m, NBDCTL_A_CONTEXT_NAME, name))
#define SLOT(...)	NEST(DEVICE_SLOT, U32(SLOT_FD, g->fds[0]); __VA_ARGS__)
#define ID(context, id)	NEST(SLOT_CONTEXT_ID, U32(CONTEXT_ID_CONTEXT, context);	\
			     U32(CONTEXT_ID_ID, id))

/* As set_up() has it, the message is right: so each refusal is for the reason it names */
#define ACCEPT(...) do {							\
	struct ground *g = &self->g;						\
	struct msg *m = &g->m;							\
										\
	msg_begin(&g->nl, m, NBDCTL_CMD_ATTACH);				\
	__VA_ARGS__;								\
	EXPECT_EQ(0, nl_call(&g->nl, m)) TH_LOG("%s: %s", #__VA_ARGS__, g->nl.text); \
	EXPECT_EQ(0, detach(&g->nl, INDEX, true));				\
	close(g->fds[0]);							\
	close(g->fds[1]);							\
	socket_pair(g->fds);							\
} while (0)

/* ---- attach: attributes ---- */

FIXTURE(attach)
{
	struct ground g;
};

FIXTURE_SETUP(attach)
{
	set_up(&self->g);
}

FIXTURE_TEARDOWN(attach)
{
	tear_down(_metadata, &self->g);
}

TEST_F(attach, right_is_accepted)
{
	ACCEPT(whole());
	ACCEPT(whole(); put_str(m, NBDCTL_A_DEVICE_IDENTIFIER, "i"); U32(DEVICE_QUEUE_DEPTH, 1));
	ACCEPT(facts(0); CONTEXT("a:"); CONTEXT("b:x"); SLOT(ID(1, 5); ID(0, 0)));
}

TEST_F(attach, unknown_attribute)
{
	REFUSE(ATTACH, EINVAL, "Unknown", 999, whole(); put_u32(m, 999, 0));
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_DEVICE_STATE, whole(); U32(DEVICE_STATE, 0));
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_DEVICE_FORCE,
	       whole(); put_flag(m, NBDCTL_A_DEVICE_FORCE));
	REFUSE(ATTACH, EINVAL, NULL, 99, facts(0); SLOT(put_u32(m, 99, 0)));
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_SLOT_STATE, facts(0); SLOT(U32(SLOT_STATE, 1)));
	REFUSE(ATTACH, EINVAL, NULL, 99, facts(0); CONTEXT("a:b");
	       SLOT(NEST(SLOT_CONTEXT_ID, U32(CONTEXT_ID_CONTEXT, 0); U32(CONTEXT_ID_ID, 1);
			 put_u32(m, 99, 0))));
	REFUSE(ATTACH, EINVAL, NULL, 99, whole();
	       NEST(DEVICE_CONTEXT, put_str(m, NBDCTL_A_CONTEXT_NAME, "a:b"); put_u32(m, 99, 0)));
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_CONTEXT_INDEX, whole();
	       NEST(DEVICE_CONTEXT, put_str(m, NBDCTL_A_CONTEXT_NAME, "a:b");
		    U32(CONTEXT_INDEX, 0)));
}

TEST_F(attach, required)
{
	REFUSE(ATTACH, EINVAL, "size is required", 0, facts(BIT(NBDCTL_A_DEVICE_SIZE)); slot());
	REFUSE(ATTACH, EINVAL, "transmission-flags", 0,
	       facts(BIT(NBDCTL_A_DEVICE_TRANSMISSION_FLAGS)); slot());
	REFUSE(ATTACH, EINVAL, "header-mode is required", 0,
	       facts(BIT(NBDCTL_A_DEVICE_HEADER_MODE)); slot());
	REFUSE(ATTACH, EINVAL, "slot is required", 0, facts(0));
	REFUSE(ATTACH, EINVAL, "fd", NBDCTL_A_DEVICE_SLOT, facts(0);
	       NEST(DEVICE_SLOT, U32(SLOT_INDEX, 0)));
}

/* Each number one byte too long and one too short */
TEST_F(attach, wrong_length)
{
	static const struct {
		int type;
		size_t size;
	} fields[] = {
		{ NBDCTL_A_DEVICE_INDEX, 4 }, { NBDCTL_A_DEVICE_SIZE, 8 },
		{ NBDCTL_A_DEVICE_TRANSMISSION_FLAGS, 2 }, { NBDCTL_A_DEVICE_HEADER_MODE, 4 },
		{ NBDCTL_A_DEVICE_MIN_BLOCK_SIZE, 4 }, { NBDCTL_A_DEVICE_PREFERRED_BLOCK_SIZE, 4 },
		{ NBDCTL_A_DEVICE_MAX_PAYLOAD, 4 }, { NBDCTL_A_DEVICE_REQUEST_TIMEOUT, 4 },
		{ NBDCTL_A_DEVICE_DEAD_TIME, 4 }, { NBDCTL_A_DEVICE_QUEUE_DEPTH, 4 },
	};
	static const char bytes[16] = { 1 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		int type = fields[i].type;

		REFUSE(ATTACH, EINVAL, NULL, type, facts(BIT(type)); slot();
		       put(m, type, bytes, fields[i].size + 1));
		REFUSE(ATTACH, EINVAL, NULL, type, facts(BIT(type)); slot();
		       put(m, type, bytes, fields[i].size - 1));
		REFUSE(ATTACH, EINVAL, NULL, type, facts(BIT(type)); slot();
		       put(m, type, NULL, 0));
	}
	REFUSE(ATTACH, ERANGE, NULL, NBDCTL_A_DEVICE_READ_ONLY, whole();
	       put(m, NBDCTL_A_DEVICE_READ_ONLY, bytes, 1));
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_SLOT_FD, facts(0);
	       NEST(DEVICE_SLOT, put(m, NBDCTL_A_SLOT_FD, bytes, 8)));
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_SLOT_INDEX, facts(0);
	       SLOT(put(m, NBDCTL_A_SLOT_INDEX, bytes, 2)));
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_CONTEXT_ID_ID, facts(0); CONTEXT("a:b");
	       SLOT(NEST(SLOT_CONTEXT_ID, put(m, NBDCTL_A_CONTEXT_ID_ID, bytes, 5))));
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_CONTEXT_ID_CONTEXT, facts(0); CONTEXT("a:b");
	       SLOT(NEST(SLOT_CONTEXT_ID, put(m, NBDCTL_A_CONTEXT_ID_CONTEXT, bytes, 3))));
	REFUSE(ATTACH, ERANGE, NULL, NBDCTL_A_CONTEXT_ID_LOST, facts(0); CONTEXT("a:b");
	       SLOT(NEST(SLOT_CONTEXT_ID, put(m, NBDCTL_A_CONTEXT_ID_LOST, bytes, 4))));
	/* bytes that are no attribute */
	REFUSE(ATTACH, EINVAL, NULL, 0, whole(); m->len += 3);
}

TEST_F(attach, strings)
{
	static char text[5000];

	memset(text, 'x', sizeof(text));
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_DEVICE_IDENTIFIER, whole();
	       put(m, NBDCTL_A_DEVICE_IDENTIFIER, text, 4));
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_DEVICE_IDENTIFIER, whole();
	       put(m, NBDCTL_A_DEVICE_IDENTIFIER, text, 0));
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_DEVICE_DISPLAY, whole();
	       put(m, NBDCTL_A_DEVICE_DISPLAY, text, 4096));
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_CONTEXT_NAME, whole();
	       NEST(DEVICE_CONTEXT, put(m, NBDCTL_A_CONTEXT_NAME, "a:b", 3)));
	text[256] = '\0';
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_DEVICE_IDENTIFIER, whole();
	       put(m, NBDCTL_A_DEVICE_IDENTIFIER, text, 257));
	text[255] = '\0';
	ACCEPT(whole(); put(m, NBDCTL_A_DEVICE_IDENTIFIER, text, 256));
	memset(text, 'x', sizeof(text));
	text[1] = ':';
	text[4097] = '\0';
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_DEVICE_DISPLAY, whole();
	       put(m, NBDCTL_A_DEVICE_DISPLAY, text, 4098));
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_CONTEXT_NAME, facts(0); SLOT(ID(0, 1));
	       NEST(DEVICE_CONTEXT, put(m, NBDCTL_A_CONTEXT_NAME, text, 4098)));
	text[4096] = '\0';
	ACCEPT(facts(0); SLOT(ID(0, 1));
	       NEST(DEVICE_CONTEXT, put(m, NBDCTL_A_CONTEXT_NAME, text, 4097)));
}

TEST_F(attach, nested_flag)
{
	uint32_t fd[2] = { NLA_HDRLEN + 4 + (NBDCTL_A_SLOT_FD << 16), self->g.fds[0] };

	REFUSE(ATTACH, EINVAL, "NLA_F_NESTED", NBDCTL_A_DEVICE_SLOT, facts(0);
	       put(m, NBDCTL_A_DEVICE_SLOT, fd, sizeof(fd)));
	REFUSE(ATTACH, EINVAL, "NLA_F_NESTED", NBDCTL_A_DEVICE_CONTEXT, whole();
	       put(m, NBDCTL_A_DEVICE_CONTEXT, fd, sizeof(fd)));
	REFUSE(ATTACH, EINVAL, "NLA_F_NESTED", NBDCTL_A_SLOT_CONTEXT_ID, facts(0);
	       SLOT(put(m, NBDCTL_A_SLOT_CONTEXT_ID, fd, sizeof(fd))));
	REFUSE(ATTACH, EINVAL, "NLA_F_NESTED", NBDCTL_A_DEVICE_QUEUE_DEPTH, whole();
	       put_u32(m, NBDCTL_A_DEVICE_QUEUE_DEPTH | NLA_F_NESTED, 8));
}

TEST_F(attach, values)
{
	REFUSE(ATTACH, EINVAL, "index", NBDCTL_A_DEVICE_INDEX,
	       facts(BIT(NBDCTL_A_DEVICE_INDEX)); slot(); U32(DEVICE_INDEX, 1 << 20));
	REFUSE(ATTACH, EINVAL, "index", NBDCTL_A_DEVICE_INDEX,
	       facts(BIT(NBDCTL_A_DEVICE_INDEX)); slot(); U32(DEVICE_INDEX, UINT32_MAX));
	REFUSE(ATTACH, EOPNOTSUPP, "header-mode", NBDCTL_A_DEVICE_HEADER_MODE,
	       facts(BIT(NBDCTL_A_DEVICE_HEADER_MODE)); slot(); U32(DEVICE_HEADER_MODE, 2));
	REFUSE(ATTACH, EINVAL, "transmission-flags", NBDCTL_A_DEVICE_TRANSMISSION_FLAGS,
	       facts(BIT(NBDCTL_A_DEVICE_TRANSMISSION_FLAGS)); slot();
	       U16(DEVICE_TRANSMISSION_FLAGS, 0xfffe));
	REFUSE(ATTACH, EINVAL, "queue-depth", NBDCTL_A_DEVICE_QUEUE_DEPTH, whole();
	       U32(DEVICE_QUEUE_DEPTH, 0));
	REFUSE(ATTACH, EINVAL, "queue-depth", NBDCTL_A_DEVICE_QUEUE_DEPTH, whole();
	       U32(DEVICE_QUEUE_DEPTH, 1025));
}

TEST_F(attach, sizes)
{
	static const uint64_t wrong[] = { 0, 1, 511, 1ull << 63, UINT64_MAX };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		REFUSE(ATTACH, EINVAL, "size", NBDCTL_A_DEVICE_SIZE,
		       facts(BIT(NBDCTL_A_DEVICE_SIZE)); slot(); U64(DEVICE_SIZE, wrong[i]));
	REFUSE(ATTACH, EINVAL, "size", NBDCTL_A_DEVICE_SIZE, facts(BIT(NBDCTL_A_DEVICE_SIZE));
	       slot(); U64(DEVICE_SIZE, 4095); U32(DEVICE_MIN_BLOCK_SIZE, 4096));
	ACCEPT(facts(BIT(NBDCTL_A_DEVICE_SIZE)); slot(); U64(DEVICE_SIZE, 512));
}

TEST_F(attach, block_sizes)
{
	static const uint32_t min[] = { 0, 3, 1000, 8192, 65536, 1u << 31 };
	static const uint32_t preferred[] = { 0, 256, 511, 4097, 1u << 26, 1u << 31 };
	static const uint32_t payload[] = { 0, 512, 4095, (32 << 20) + 1, UINT32_MAX };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(min); i++)
		REFUSE(ATTACH, EINVAL, "min-block-size", NBDCTL_A_DEVICE_MIN_BLOCK_SIZE,
		       whole(); U32(DEVICE_MIN_BLOCK_SIZE, min[i]));
	for (i = 0; i < ARRAY_SIZE(preferred); i++)
		REFUSE(ATTACH, EINVAL, "preferred-block-size",
		       NBDCTL_A_DEVICE_PREFERRED_BLOCK_SIZE, whole();
		       U32(DEVICE_PREFERRED_BLOCK_SIZE, preferred[i]));
	REFUSE(ATTACH, EINVAL, "preferred-block-size", NBDCTL_A_DEVICE_PREFERRED_BLOCK_SIZE,
	       whole(); U32(DEVICE_MIN_BLOCK_SIZE, 4096); U32(DEVICE_PREFERRED_BLOCK_SIZE, 2048));
	for (i = 0; i < ARRAY_SIZE(payload); i++)
		REFUSE(ATTACH, EINVAL, "max-payload", NBDCTL_A_DEVICE_MAX_PAYLOAD, whole();
		       U32(DEVICE_MAX_PAYLOAD, payload[i]));
	ACCEPT(whole(); U32(DEVICE_MIN_BLOCK_SIZE, 1); U32(DEVICE_PREFERRED_BLOCK_SIZE, 512);
	       U32(DEVICE_MAX_PAYLOAD, 4096));
	ACCEPT(whole(); U32(DEVICE_MIN_BLOCK_SIZE, 4096); U32(DEVICE_MAX_PAYLOAD, 32 << 20));
}

TEST_F(attach, contexts)
{
	int i;

	REFUSE(ATTACH, EINVAL, "context", NBDCTL_A_DEVICE_CONTEXT, whole();
	       NEST(DEVICE_CONTEXT, ;));
	REFUSE(ATTACH, EINVAL, "context", NBDCTL_A_DEVICE_CONTEXT, whole(); CONTEXT(""));
	REFUSE(ATTACH, EINVAL, "context", NBDCTL_A_DEVICE_CONTEXT, whole(); CONTEXT("colonless"));
	REFUSE(ATTACH, EINVAL, "context", NBDCTL_A_DEVICE_CONTEXT, whole(); CONTEXT("a:b");
	       CONTEXT("c:d"); CONTEXT("a:b"));
	REFUSE(ATTACH, EINVAL, "context", NBDCTL_A_DEVICE_CONTEXT,
	       facts(BIT(NBDCTL_A_DEVICE_HEADER_MODE)); U32(DEVICE_HEADER_MODE, 0);
	       CONTEXT("a:b"); SLOT(ID(0, 1)));
	REFUSE(ATTACH, E2BIG, "context", NBDCTL_A_DEVICE_CONTEXT, whole();
	       for (i = 0; i < 65; i++) CONTEXT("a:b"));
}

TEST_F(attach, context_ids)
{
	REFUSE(ATTACH, EINVAL, "context-id", NBDCTL_A_DEVICE_SLOT, facts(0); CONTEXT("a:b");
	       slot());
	REFUSE(ATTACH, EINVAL, "context-id", NBDCTL_A_DEVICE_SLOT, facts(0); CONTEXT("a:b");
	       CONTEXT("c:d"); SLOT(ID(1, 7)));
	REFUSE(ATTACH, EINVAL, "context-id", NBDCTL_A_SLOT_CONTEXT_ID, facts(0); CONTEXT("a:b");
	       SLOT(ID(0, 7); ID(0, 8)));
	REFUSE(ATTACH, EINVAL, "context-id", NBDCTL_A_SLOT_CONTEXT_ID, facts(0); CONTEXT("a:b");
	       CONTEXT("c:d"); SLOT(ID(0, 7); ID(1, 7)));
	REFUSE(ATTACH, EINVAL, "context-id", NBDCTL_A_SLOT_CONTEXT_ID, facts(0); CONTEXT("a:b");
	       SLOT(ID(0, 7); ID(1, 8)));
	REFUSE(ATTACH, EINVAL, "context-id", NBDCTL_A_SLOT_CONTEXT_ID, facts(0);
	       SLOT(ID(0, 7)));
	REFUSE(ATTACH, EINVAL, "context-id", NBDCTL_A_SLOT_CONTEXT_ID, facts(0); CONTEXT("a:b");
	       SLOT(ID(UINT32_MAX, 7)));
	REFUSE(ATTACH, EINVAL, "context-id", NBDCTL_A_SLOT_CONTEXT_ID, facts(0); CONTEXT("a:b");
	       SLOT(NEST(SLOT_CONTEXT_ID, U32(CONTEXT_ID_ID, 7))));
	REFUSE(ATTACH, EINVAL, "context-id", NBDCTL_A_SLOT_CONTEXT_ID, facts(0); CONTEXT("a:b");
	       SLOT(NEST(SLOT_CONTEXT_ID, U32(CONTEXT_ID_CONTEXT, 0))));
	REFUSE(ATTACH, EINVAL, "context-id", NBDCTL_A_SLOT_CONTEXT_ID, facts(0); CONTEXT("a:b");
	       SLOT(NEST(SLOT_CONTEXT_ID, U32(CONTEXT_ID_CONTEXT, 0);
			 put_flag(m, NBDCTL_A_CONTEXT_ID_LOST))));
	REFUSE(ATTACH, EINVAL, "context-id", NBDCTL_A_SLOT_CONTEXT_ID, facts(0); CONTEXT("a:b");
	       SLOT(NEST(SLOT_CONTEXT_ID, U32(CONTEXT_ID_CONTEXT, 0); U32(CONTEXT_ID_ID, 1);
			 put_flag(m, NBDCTL_A_CONTEXT_ID_LOST))));
}

TEST_F(attach, slots)
{
	int i;

	REFUSE(ATTACH, EINVAL, "slot", NBDCTL_A_DEVICE_SLOT,
	       facts(BIT(NBDCTL_A_DEVICE_TRANSMISSION_FLAGS));
	       U16(DEVICE_TRANSMISSION_FLAGS, HAS_FLAGS); slot();
	       put_slot(m, 1, g->fds2[0], &g->x));
	REFUSE(ATTACH, EINVAL, "slot", NBDCTL_A_DEVICE_SLOT, facts(0);
	       put_slot(m, 1, g->fds[0], &g->x));
	REFUSE(ATTACH, EINVAL, "slot", NBDCTL_A_DEVICE_SLOT, facts(0);
	       put_slot(m, 0, g->fds[0], &g->x); put_slot(m, 0, g->fds2[0], &g->x));
	REFUSE(ATTACH, EINVAL, "slot", NBDCTL_A_DEVICE_SLOT, facts(0);
	       put_slot(m, UINT16_MAX, g->fds[0], &g->x));
	REFUSE(ATTACH, E2BIG, "slot", NBDCTL_A_DEVICE_SLOT, facts(0);
	       for (i = 0; i < 65; i++) put_slot(m, i, g->fds[0], &g->x));
	/* the second one's fault is found with the first one's socket in hand */
	REFUSE(ATTACH, EBADF, "fd", NBDCTL_A_SLOT_FD, facts(0);
	       put_slot(m, 0, g->fds[0], &g->x); put_slot(m, 1, 9999, &g->x));
}

/* A device that only a refused attach has asked for is not there */
TEST_F(attach, makes_no_device)
{
	REFUSE(ATTACH, EBADF, "fd", NBDCTL_A_SLOT_FD, facts(BIT(NBDCTL_A_DEVICE_INDEX));
	       U32(DEVICE_INDEX, 777); put_slot(m, 0, 9999, &g->x));
	EXPECT_EQ(-ENODEV, state_of(&self->g.nl, 777));
	EXPECT_EQ(-1, read_number("/sys/block/nbd777/size"));
}

/* ---- attach: sockets ---- */

FIXTURE(sockets)
{
	struct ground g;
};

FIXTURE_SETUP(sockets)
{
	set_up(&self->g);
}

FIXTURE_TEARDOWN(sockets)
{
	tear_down(_metadata, &self->g);
}

/* A TCP connection over the loopback: our end, its end and the listener */
static void tcp(int fds[3])
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	socklen_t len = sizeof(addr);

	fds[2] = socket(AF_INET, SOCK_STREAM, 0);
	bind(fds[2], (void *)&addr, len);
	listen(fds[2], 5);
	getsockname(fds[2], (void *)&addr, &len);
	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fds[0], (void *)&addr, len))
		exit(1);
	fds[1] = accept(fds[2], NULL, NULL);
}

static void close_all(int *fds, int n)
{
	while (n)
		close(fds[--n]);
}

#define REFUSE_FD(error, fd) \
	REFUSE(ATTACH, error, "fd", NBDCTL_A_SLOT_FD, facts(0); put_slot(m, 0, fd, &g->x))

TEST_F(sockets, no_socket)
{
	int pipes[2], null = open("/dev/null", O_RDWR);

	ASSERT_EQ(0, pipe(pipes));
	REFUSE_FD(ENOTSOCK, null);
	REFUSE_FD(ENOTSOCK, pipes[0]);
	close_all(pipes, 2);
	close(null);
	REFUSE_FD(EBADF, null);
	REFUSE_FD(EBADF, INT32_MAX);
	REFUSE_FD(EBADF, INT32_MIN);
	REFUSE_FD(EBADF, -1);
}

TEST_F(sockets, wrong_kind)
{
	static const struct {
		int family, type, protocol;
	} kinds[] = {
		{ AF_INET, SOCK_DGRAM, 0 }, { AF_INET6, SOCK_DGRAM, 0 }, { AF_UNIX, SOCK_DGRAM, 0 },
		{ AF_UNIX, SOCK_SEQPACKET, 0 }, { AF_NETLINK, SOCK_RAW, 0 },
		{ AF_PACKET, SOCK_RAW, 0 }, { AF_INET, SOCK_RAW, IPPROTO_ICMP },
		{ AF_INET, SOCK_STREAM, IPPROTO_MPTCP }, { AF_TIPC, SOCK_STREAM, 0 },
		{ AF_VSOCK, SOCK_DGRAM, 0 }, { AF_ALG, SOCK_SEQPACKET, 0 },
	};
	int tried = 0, pair[2], fd;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		fd = socket(kinds[i].family, kinds[i].type, kinds[i].protocol);
		if (fd < 0)
			continue;
		REFUSE_FD(EPROTOTYPE, fd);
		close(fd);
		tried++;
	}
	EXPECT_GE(tried, 6);
	/* connected ones, too */
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, socketpair(AF_UNIX, i ? SOCK_DGRAM : SOCK_SEQPACKET, 0, pair));
		REFUSE_FD(EPROTOTYPE, pair[0]);
		close_all(pair, 2);
	}
}

TEST_F(sockets, not_connected)
{
	struct sockaddr_un here = { .sun_family = AF_UNIX };
	int fds[3], fd;

	tcp(fds);
	REFUSE_FD(ENOTCONN, fds[2]);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	REFUSE_FD(ENOTCONN, fd);
	close(fd);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	REFUSE_FD(ENOTCONN, fd);
	ASSERT_EQ(0, bind(fd, (void *)&here, sizeof(sa_family_t)));
	ASSERT_EQ(0, listen(fd, 1));
	REFUSE_FD(ENOTCONN, fd);
	close(fd);
	close_all(fds, 3);
}

TEST_F(sockets, half_closed)
{
	int fds[3], pair[2], how;

	for (how = SHUT_RD; how <= SHUT_RDWR; how++) {
		tcp(fds);
		ASSERT_EQ(0, shutdown(fds[0], how));
		REFUSE_FD(ENOTCONN, fds[0]);
		close_all(fds, 3);
		socket_pair(pair);
		ASSERT_EQ(0, shutdown(pair[0], how));
		REFUSE_FD(ENOTCONN, pair[0]);
		close_all(pair, 2);
	}
	/* by the other side */
	tcp(fds);
	close(fds[1]);
	usleep(50000);
	REFUSE_FD(ENOTCONN, fds[0]);
	close_all(fds, 3);
	socket_pair(pair);
	close(pair[1]);
	REFUSE_FD(ENOTCONN, pair[0]);
	close(pair[0]);
}

TEST_F(sockets, used_twice)
{
	struct ground *g = &self->g;
	struct msg *m = &g->m;
	int copy = dup(g->fds[0]);

	REFUSE(ATTACH, EBUSY, "fd", NBDCTL_A_SLOT_FD, facts(0); put_slot(m, 0, g->fds[0], &g->x);
	       put_slot(m, 1, g->fds[0], &g->x));
	REFUSE(ATTACH, EBUSY, "fd", NBDCTL_A_SLOT_FD, facts(0); put_slot(m, 0, g->fds[0], &g->x);
	       put_slot(m, 1, copy, &g->x));
	close(copy);

	/* the one of a device that runs */
	msg_begin(&g->nl, m, NBDCTL_CMD_ATTACH);
	put_facts(m, &g->x, INDEX + 1, 0);
	put_slot(m, 0, g->fds2[0], &g->x);
	ASSERT_EQ(0, nl_call(&g->nl, m));
	msg_begin(&g->nl, m, NBDCTL_CMD_ATTACH);
	put_facts(m, &g->x, INDEX, 0);
	put_slot(m, 0, g->fds2[0], &g->x);
	EXPECT_EQ(EBUSY, nl_call(&g->nl, m));
	EXPECT_NE(NULL, strstr(g->nl.text, "fd"));
	EXPECT_EQ(NBDCTL_STATE_LIVE, state_of(&g->nl, INDEX + 1));
	EXPECT_EQ(NBDCTL_STATE_IDLE, state_of(&g->nl, INDEX));
	EXPECT_EQ(0, detach(&g->nl, INDEX + 1, true));
	close_all(g->fds2, 2);
	socket_pair(g->fds2);
}

/* ---- the other commands ---- */

FIXTURE(commands)
{
	struct ground g;
};

FIXTURE_SETUP(commands)
{
	set_up(&self->g);
}

FIXTURE_TEARDOWN(commands)
{
	tear_down(_metadata, &self->g);
}

TEST_F(commands, get)
{
	REFUSE(DEVICE_GET, EINVAL, "index is required", 0, ;);
	REFUSE(DEVICE_GET, ENODEV, "index", NBDCTL_A_DEVICE_INDEX, U32(DEVICE_INDEX, 65000));
	REFUSE(DEVICE_GET, ENODEV, "index", NBDCTL_A_DEVICE_INDEX, U32(DEVICE_INDEX, UINT32_MAX));
	REFUSE(DEVICE_GET, EINVAL, NULL, NBDCTL_A_DEVICE_SIZE, U32(DEVICE_INDEX, INDEX);
	       U64(DEVICE_SIZE, 1));
	REFUSE(DEVICE_GET, EINVAL, NULL, NBDCTL_A_DEVICE_INDEX, U64(DEVICE_INDEX, INDEX));
	REFUSE(DRIVER_GET, EINVAL, NULL, 1, put_u32(m, 1, 0));
	REFUSE(DRIVER_GET, EINVAL, NULL, 2, put_u32(m, 2, 0));
}

TEST_F(commands, idle_device)
{
	REFUSE(DETACH, ENOTCONN, "index", NBDCTL_A_DEVICE_INDEX, U32(DEVICE_INDEX, INDEX));
	REFUSE(DETACH, ENOTCONN, "index", NBDCTL_A_DEVICE_INDEX, U32(DEVICE_INDEX, INDEX);
	       put_flag(m, NBDCTL_A_DEVICE_FORCE));
	REFUSE(RESIZE, ENOTCONN, "index", NBDCTL_A_DEVICE_INDEX, U32(DEVICE_INDEX, INDEX);
	       U64(DEVICE_SIZE, 1 << 20));
	REFUSE(SLOT_REPLACE, ENOTCONN, "index", NBDCTL_A_DEVICE_INDEX, U32(DEVICE_INDEX, INDEX);
	       slot());
}

TEST_F(commands, no_device)
{
	static const uint8_t cmds[] = { NBDCTL_CMD_DETACH, NBDCTL_CMD_RESIZE,
					NBDCTL_CMD_SLOT_REPLACE };
	struct ground *g = &self->g;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		msg_begin(&g->nl, &g->m, cmds[i]);
		refused(_metadata, g, EINVAL, "index is required", 0, "no index");
		msg_begin(&g->nl, &g->m, cmds[i]);
		put_u32(&g->m, NBDCTL_A_DEVICE_INDEX, 65000);
		refused(_metadata, g, ENODEV, "index", NBDCTL_A_DEVICE_INDEX, "index 65000");
		EXPECT_EQ(-1, read_number("/sys/block/nbd65000/size"));
	}
	/* not a command at all */
	msg_begin(&g->nl, &g->m, __NBDCTL_CMD_MAX);
	EXPECT_EQ(EOPNOTSUPP, nl_call(&g->nl, &g->m));
	msg_begin(&g->nl, &g->m, NBDCTL_CMD_ATTACHED_EVENT);
	EXPECT_EQ(EOPNOTSUPP, nl_call(&g->nl, &g->m));
}

TEST_F(commands, strict)
{
	REFUSE(DETACH, EINVAL, NULL, NBDCTL_A_DEVICE_READ_ONLY, U32(DEVICE_INDEX, INDEX);
	       put_flag(m, NBDCTL_A_DEVICE_READ_ONLY));
	REFUSE(DETACH, EINVAL, NULL, NBDCTL_A_DEVICE_SIZE, U32(DEVICE_INDEX, INDEX);
	       U64(DEVICE_SIZE, 1));
	REFUSE(DETACH, ERANGE, NULL, NBDCTL_A_DEVICE_FORCE, U32(DEVICE_INDEX, INDEX);
	       U32(DEVICE_FORCE, 1));
	REFUSE(RESIZE, EINVAL, NULL, NBDCTL_A_DEVICE_SLOT, U32(DEVICE_INDEX, INDEX); slot());
	REFUSE(RESIZE, EINVAL, NULL, NBDCTL_A_DEVICE_SIZE, U32(DEVICE_INDEX, INDEX);
	       U32(DEVICE_SIZE, 1 << 20));
	REFUSE(SLOT_REPLACE, EINVAL, NULL, NBDCTL_A_DEVICE_DEAD_TIME, U32(DEVICE_INDEX, INDEX);
	       U32(DEVICE_DEAD_TIME, 1));
	REFUSE(SLOT_REPLACE, EINVAL, NULL, 99, U32(DEVICE_INDEX, INDEX); SLOT(put_u32(m, 99, 1)));
}

/* ---- an attached device ---- */

/* Refusals leave a running device as it is */
FIXTURE(attached)
{
	struct ground g;
};

FIXTURE_SETUP(attached)
{
	struct ground *g = &self->g;

	set_up(g);
	g->x.nr = 1;
	strcpy(g->x.names[0], "a:b");
	msg_begin(&g->nl, &g->m, NBDCTL_CMD_ATTACH);
	put_facts(&g->m, &g->x, INDEX, 0);
	put_str(&g->m, NBDCTL_A_DEVICE_IDENTIFIER, "secret");
	put_str(&g->m, NBDCTL_A_DEVICE_DISPLAY, "secret too");
	put_slot(&g->m, 0, g->fds[0], &g->x);
	ASSERT_EQ(0, nl_call(&g->nl, &g->m)) TH_LOG("%s", g->nl.text);
}

FIXTURE_TEARDOWN(attached)
{
	EXPECT_EQ(NBDCTL_STATE_LIVE, state_of(&self->g.nl, INDEX));
	EXPECT_EQ(2048, read_number("/sys/block/nbd%d/size", INDEX));
	EXPECT_EQ(0, detach(&self->g.nl, INDEX, true));
	close(self->g.fds[0]);
	self->g.fds[0] = -1;
	tear_down(_metadata, &self->g);
}

#define LIVE(command, error, words, ...) do {					\
	struct ground *g = &self->g;						\
	struct msg *m = &g->m;							\
	int got;								\
										\
	msg_begin(&g->nl, m, NBDCTL_CMD_##command);				\
	__VA_ARGS__;								\
	got = nl_call(&g->nl, m);						\
	EXPECT_EQ(error, got) TH_LOG("%s: %s", #__VA_ARGS__, g->nl.text);	\
	EXPECT_NE(NULL, strstr(g->nl.text, words)) TH_LOG("'%s'", g->nl.text);	\
} while (0)

TEST_F(attached, again)
{
	LIVE(ATTACH, EBUSY, "index", facts(0); put_slot(m, 0, g->fds2[0], &g->x));
}

TEST_F(attached, resize_to_nonsense)
{
	static const uint64_t wrong[] = { 0, 511, 1ull << 63, UINT64_MAX };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		LIVE(RESIZE, EINVAL, "size", U32(DEVICE_INDEX, INDEX); U64(DEVICE_SIZE, wrong[i]));
	LIVE(RESIZE, EINVAL, "size is required", U32(DEVICE_INDEX, INDEX));
}

/* What a replacement says of its export */
static void put_new_facts(struct msg *m, const struct export *x)
{
	put_facts(m, x, INDEX, 1 << NBDCTL_A_DEVICE_CONTEXT);
}

TEST_F(attached, slot_replace)
{
	struct export none = {};

	LIVE(SLOT_REPLACE, EINVAL, "slot is required", U32(DEVICE_INDEX, INDEX));
	LIVE(SLOT_REPLACE, EINVAL, "size is required", U32(DEVICE_INDEX, INDEX);
	     put_slot(m, 0, g->fds2[0], &g->x));
	LIVE(SLOT_REPLACE, ESTALE, "session", put_new_facts(m, &g->x);
	     U64(DEVICE_SESSION, 1ull << 40); put_slot(m, 0, g->fds2[0], &g->x));
	LIVE(RESIZE, ESTALE, "session", U32(DEVICE_INDEX, INDEX); U64(DEVICE_SESSION, 0);
	     U64(DEVICE_SIZE, 1 << 20));
	LIVE(SLOT_REPLACE, EINVAL, "slot", put_new_facts(m, &g->x);
	     put_slot(m, 1, g->fds2[0], &g->x));
	LIVE(SLOT_REPLACE, EINVAL, "slot", put_new_facts(m, &g->x);
	     put_slot(m, -1, g->fds2[0], &g->x));
	LIVE(SLOT_REPLACE, EINVAL, "context-id", put_new_facts(m, &g->x);
	     put_slot(m, 0, g->fds2[0], &none));
	LIVE(SLOT_REPLACE, EBADF, "fd", put_new_facts(m, &g->x);
	     put_slot(m, 0, 9999, &g->x));
	LIVE(SLOT_REPLACE, EBUSY, "fd", put_new_facts(m, &g->x);
	     put_slot(m, 0, g->fds[0], &g->x));
	LIVE(SLOT_REPLACE, EINVAL, "fd", put_new_facts(m, &g->x);
	     NEST(DEVICE_SLOT, U32(SLOT_INDEX, 0)));
}

/* ---- privilege ---- */

static int become_nobody(void)
{
	return setgroups(0, NULL) || setresgid(65534, 65534, 65534) ||
	       setresuid(65534, 65534, 65534);
}

/* Root there, and nobody here */
static int become_root_elsewhere(void)
{
	return unshare(CLONE_NEWUSER | CLONE_NEWNET);
}

static void see_index(struct attrs a, void *arg)
{
	bool *bad = arg;

	*bad |= get(a, NBDCTL_A_DEVICE_IDENTIFIER, 0) || get(a, NBDCTL_A_DEVICE_DISPLAY, 0);
}

/* The exit status tells which line went wrong */
static int unprivileged(struct ground *g, struct nl *nl)
{
	static const uint8_t cmds[] = { NBDCTL_CMD_ATTACH, NBDCTL_CMD_DETACH, NBDCTL_CMD_RESIZE,
					NBDCTL_CMD_SLOT_REPLACE };
	struct msg *m = &g->m;
	bool secret = false;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		msg_begin(nl, m, cmds[i]);
		if (nl_call(nl, m) != EPERM || !strstr(nl->text, "CAP_SYS_ADMIN"))
			return 10 + i;
		/* not even what is there is told */
		put_u32(m, NBDCTL_A_DEVICE_INDEX, INDEX);
		if (nl_call(nl, m) != EPERM)
			return 20 + i;
	}
	msg_begin(nl, m, NBDCTL_CMD_DRIVER_GET);
	if (nl_call(nl, m) || get_u32(reply_attrs(nl), NBDCTL_A_DRIVER_MAX_SLOTS) > 1000)
		return 30;
	if (state_of(nl, INDEX) != NBDCTL_STATE_LIVE)
		return 31;
	if (get_u64(reply_attrs(nl), NBDCTL_A_DEVICE_SIZE) != 1 << 20)
		return 32;
	see_index(reply_attrs(nl), &secret);
	msg_begin(nl, m, NBDCTL_CMD_DEVICE_GET);
	if (nl_dump(nl, m, see_index, &secret) || !nl->replies)
		return 33;
	return secret ? 34 : 0;
}

static void run_as(struct __test_metadata *_metadata, struct ground *g, int (*become)(void),
		   bool own_socket)
{
	static struct nl nl;
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		if (become())
			_exit(2);
		if (own_socket)
			nl_open(&nl);
		_exit(unprivileged(g, own_socket ? &nl : &g->nl));
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status) TH_LOG("exit %d", WEXITSTATUS(status));
}

TEST_F(attached, privilege)
{
	struct ground *g = &self->g;

	run_as(_metadata, g, become_nobody, true);
	run_as(_metadata, g, become_root_elsewhere, true);
	/* a socket that root has opened is no leave */
	run_as(_metadata, g, become_nobody, false);
	/* the privileged reader is told */
	EXPECT_EQ(NBDCTL_STATE_LIVE, state_of(&g->nl, INDEX));
	EXPECT_STREQ("secret", get_str(reply_attrs(&g->nl), NBDCTL_A_DEVICE_IDENTIFIER));
	EXPECT_STREQ("secret too", get_str(reply_attrs(&g->nl), NBDCTL_A_DEVICE_DISPLAY));
}

TEST_HARNESS_MAIN
