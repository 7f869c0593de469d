// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/transport.h"

struct deadline deadline_in(unsigned int milliseconds)
{
	struct deadline deadline;

	clock_gettime(CLOCK_MONOTONIC, &deadline.at);
	deadline.at.tv_sec += milliseconds / 1000;
	deadline.at.tv_nsec += milliseconds % 1000 * 1000000L;
	if (deadline.at.tv_nsec >= 1000000000L) {
		deadline.at.tv_nsec -= 1000000000L;
		deadline.at.tv_sec++;
	}
	return deadline;
}

int deadline_left(const struct deadline *deadline)
{
	struct timespec now;
	int64_t left;

	clock_gettime(CLOCK_MONOTONIC, &now);
	left = (int64_t)(deadline->at.tv_sec - now.tv_sec) * 1000 +
	       (deadline->at.tv_nsec - now.tv_nsec) / 1000000;
	if (left < 0)
		return 0;
	return left < INT_MAX ? left : INT_MAX;
}

static int socket_wait(const struct socket_transport *st, short events)
{
	struct pollfd pfd = { .fd = st->fd, .events = events };
	int left, rc;

	for (;;) {
		left = deadline_left(&st->deadline);
		if (!left)
			return -ETIMEDOUT;
		rc = poll(&pfd, 1, left);
		if (rc > 0)
			return 0;
		if (rc < 0 && errno != EINTR)
			return -errno;
	}
}

static int socket_read(struct transport *t, void *buf, size_t len)
{
	struct socket_transport *st = (struct socket_transport *)t;
	ssize_t n;
	int rc;

	while (len) {
		/* The deadline holds also for a peer that sends single bytes, or never stops. */
		if (!deadline_left(&st->deadline))
			return -ETIMEDOUT;
		n = recv(st->fd, buf, len, MSG_DONTWAIT);
		if (!n)
			return -ENOTCONN;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0) {
			buf = (char *)buf + n;
			len -= n;
		}
		rc = len ? socket_wait(st, POLLIN) : 0;
		if (rc)
			return rc;
	}
	return 0;
}

static int socket_write(struct transport *t, const void *buf, size_t len)
{
	struct socket_transport *st = (struct socket_transport *)t;
	ssize_t n;
	int rc;

	while (len) {
		if (!deadline_left(&st->deadline))
			return -ETIMEDOUT;
		n = send(st->fd, buf, len,
			 MSG_DONTWAIT | MSG_NOSIGNAL | (t->more ? MSG_MORE : 0));
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0) {
			buf = (const char *)buf + n;
			len -= n;
		}
		rc = len ? socket_wait(st, POLLOUT) : 0;
		if (rc)
			return rc;
	}
	return 0;
}

void socket_transport_init(struct socket_transport *st, int fd, struct deadline deadline)
{
	st->transport.read = socket_read;
	st->transport.write = socket_write;
	st->transport.more = false;
	st->fd = fd;
	st->deadline = deadline;
}

void socket_disconnect(int fd)
{
	/* NBD_CMD_DISC is all zeroes after magic, flags and type. */
	static const unsigned char disc[28] = { 0x25, 0x60, 0x95, 0x13, 0, 0, 0, 2 };

	send(fd, disc, sizeof(disc), MSG_NOSIGNAL | MSG_DONTWAIT);
}
