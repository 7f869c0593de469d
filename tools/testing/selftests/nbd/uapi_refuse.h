/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ground of the tests of what the family "nbdctl" refuses: with which errno,
 * which words, and that nothing is left behind. Policy violations have the
 * kernel's own words; they point at the attribute.
 */
#ifndef UAPI_REFUSE_H
#define UAPI_REFUSE_H

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>

#include "kselftest_harness.h"
#include "uapi.h"

#define INDEX		9
#define BIT(n)		(1u << (n))
#define HAS_FLAGS	BIT(0)
#define MULTI_CONN	BIT(8)

struct ground {
	struct nl nl;
	struct msg m;
	struct export x;
	int fds[2];
	int fds2[2];
	long long users;
};

static inline void set_up(struct ground *g)
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
static inline void check_socket(struct __test_metadata *_metadata, int fds[2])
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

static inline void tear_down(struct __test_metadata *_metadata, struct ground *g)
{
	if (g->fds[0] >= 0)
		check_socket(_metadata, g->fds);
	check_socket(_metadata, g->fds2);
	EXPECT_EQ(0, close(g->nl.fd));
}

static inline int count_fds(void)
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
static inline void refused(struct __test_metadata *_metadata, struct ground *g, int error,
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
	/* udev may have what was detached before */
	EXPECT_TRUE(wait_state(&g->nl, INDEX, NBDCTL_STATE_IDLE, 20000));
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

#endif /* UAPI_REFUSE_H */
