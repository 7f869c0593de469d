// SPDX-License-Identifier: GPL-2.0-only
/* The sockets that an attach refuses. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "uapi_refuse.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP	262
#endif

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
	EXPECT_TRUE(wait_state(&g->nl, INDEX, NBDCTL_STATE_IDLE, 20000));
	EXPECT_EQ(0, detach(&g->nl, INDEX + 1, true));
	close_all(g->fds2, 2);
	socket_pair(g->fds2);
}

TEST_HARNESS_MAIN
