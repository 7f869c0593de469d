// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <linux/nbd-netlink.h>
#include <linux/nbd.h>

#include "races.h"

#define SOCKETS_MAX	4
#define BLOCK		512

static struct msg m;

static unsigned int below(struct races_old *old, unsigned int limit)
{
	return rand_r(&old->state) % limit;
}

static void interrupt(int sig)
{
}

bool races_old_open(struct races_old *old, const struct server *server, unsigned int seed)
{
	const struct sigaction action = { .sa_handler = interrupt };

	old->server = server;
	old->state = seed;
	/* Without SA_RESTART: it ends DO_IT */
	sigaction(SIGALRM, &action, NULL);
	return nl_open_family(&old->nl, NBD_GENL_FAMILY_NAME, NBD_GENL_MCAST_GROUP_NAME);
}

static int connect_some(struct races_old *old, int *fds, struct export *x)
{
	int i, n = 1 + below(old, SOCKETS_MAX);

	for (i = 0; i < n; i++)
		fds[i] = server_connect_simple(old->server, x);
	return n;
}

static void close_some(int *fds, int n)
{
	while (n--)
		close(fds[n]);
}

static void put_sockets(const int *fds, int n)
{
	size_t list = nest(&m, NBD_ATTR_SOCKETS), item;
	int i;

	for (i = 0; i < n; i++) {
		item = nest(&m, NBD_SOCK_ITEM);
		put_u32(&m, NBD_SOCK_FD, fds[i]);
		nest_end(&m, item);
	}
	nest_end(&m, list);
}

bool races_old_connect(struct races_old *old)
{
	int fds[SOCKETS_MAX], n, error;
	struct export x = { 0 };

	n = connect_some(old, fds, &x);
	msg_begin(&old->nl, &m, NBD_CMD_CONNECT);
	put_u32(&m, NBD_ATTR_INDEX, old->index);
	put_u64(&m, NBD_ATTR_SIZE_BYTES, x.size);
	put_u64(&m, NBD_ATTR_BLOCK_SIZE_BYTES, BLOCK);
	put_u64(&m, NBD_ATTR_SERVER_FLAGS, x.flags);
	put_u64(&m, NBD_ATTR_TIMEOUT, 1);
	put_u64(&m, NBD_ATTR_DEAD_CONN_TIMEOUT, below(old, 2));
	put_u64(&m, NBD_ATTR_CLIENT_FLAGS, below(old, 4) ? 0 : 1 + below(old, 3));
	put_sockets(fds, n);
	error = nl_call(&old->nl, &m);
	close_some(fds, n);
	return !error;
}

void races_old_disconnect(struct races_old *old)
{
	msg_begin(&old->nl, &m, NBD_CMD_DISCONNECT);
	put_u32(&m, NBD_ATTR_INDEX, old->index);
	nl_call(&old->nl, &m);
}

void races_old_reconfigure(struct races_old *old)
{
	int fds[SOCKETS_MAX], n;
	struct export x = { 0 };

	n = connect_some(old, fds, &x);
	msg_begin(&old->nl, &m, NBD_CMD_RECONFIGURE);
	put_u32(&m, NBD_ATTR_INDEX, old->index);
	put_u64(&m, NBD_ATTR_SIZE_BYTES, x.size - below(old, 2) * (1 << 20));
	put_u64(&m, NBD_ATTR_DEAD_CONN_TIMEOUT, below(old, 2));
	put_sockets(fds, n);
	nl_call(&old->nl, &m);
	close_some(fds, n);
}

void races_old_status(struct races_old *old)
{
	msg_begin(&old->nl, &m, NBD_CMD_STATUS);
	if (below(old, 2))
		put_u32(&m, NBD_ATTR_INDEX, old->index);
	nl_call(&old->nl, &m);
	read_number("/sys/kernel/debug/nbd/nbd%d/size_bytes", old->index);
}

bool races_old_do_it(struct races_old *old)
{
	const struct itimerval limit = { .it_value.tv_usec = 1000 * (1 + below(old, 400)) };
	const struct itimerval none = { 0 };
	int fds[SOCKETS_MAX], n, i, disk = open_disk(old->index, O_RDWR), rc;
	struct export x = { 0 };

	if (disk < 0)
		return false;
	n = connect_some(old, fds, &x);
	ioctl(disk, NBD_SET_BLKSIZE, BLOCK);
	ioctl(disk, NBD_SET_SIZE, x.size);
	ioctl(disk, NBD_SET_FLAGS, x.flags);
	ioctl(disk, NBD_SET_TIMEOUT, 1);
	for (i = 0; i < n; i++)
		ioctl(disk, NBD_SET_SOCK, fds[i]);
	close_some(fds, n);
	setitimer(ITIMER_REAL, &limit, NULL);
	rc = ioctl(disk, NBD_DO_IT);
	setitimer(ITIMER_REAL, &none, NULL);
	ioctl(disk, NBD_CLEAR_SOCK);
	close(disk);
	return !rc || errno == EINTR;
}

void races_old_ioctl(struct races_old *old)
{
	static const unsigned int ioctls[] = {
		NBD_CLEAR_SOCK, NBD_DISCONNECT, NBD_SET_TIMEOUT, NBD_CLEAR_QUE, NBD_SET_SOCK,
	};
	int disk = open_disk(old->index, O_RDWR);

	if (disk < 0)
		return;
	ioctl(disk, ioctls[below(old, sizeof(ioctls) / sizeof(ioctls[0]))], 1);
	usleep(1000 * below(old, 5));
	close(disk);
}
