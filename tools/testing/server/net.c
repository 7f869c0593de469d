// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sockets: listening, and exact reads and writes of one connection.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "server.h"

static int listen_unix(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(opt.unix_path) >= sizeof(sa.sun_path))
		errx(1, "%s: path too long", opt.unix_path);
	strcpy(sa.sun_path, opt.unix_path);
	unlink(opt.unix_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 64) < 0)
		err(1, "%s", opt.unix_path);
	return fd;
}

/* Port 0 lets the system choose; the port in use is printed and logged. */
static int listen_tcp(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(opt.port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	socklen_t len = sizeof(sa);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 64) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		err(1, "127.0.0.1:%u", opt.port);
	printf("port %u\n", ntohs(sa.sin_port));
	fflush(stdout);
	logf_line("LISTEN 127.0.0.1:%u", ntohs(sa.sin_port));
	return fd;
}

int net_listen(void)
{
	return opt.unix_path ? listen_unix() : listen_tcp();
}

bool net_hung_up(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) > 0;
}

bool conn_readable(struct conn *c, int timeout_ms)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) > 0;
}

bool conn_read(struct conn *c, void *buf, size_t len)
{
	uint8_t *p = buf;

	while (len) {
		ssize_t n = recv(c->fd, p, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		len -= n;
	}
	return true;
}

void pause_ms(unsigned int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}

bool conn_write(struct conn *c, const void *buf, size_t len)
{
	const uint8_t *p = buf;

	while (len) {
		size_t step = c->trickle_ms ? 1 : len;
		ssize_t n = send(c->fd, p, step, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		len -= n;
		if (c->trickle_ms)
			pause_ms(c->trickle_ms);
	}
	return true;
}

/* Says nothing any more, but swallows what comes, until the client gives up. */
void conn_stall(struct conn *c)
{
	char sink[65536];
	ssize_t n;

	logf_line("STALL %u", c->no);
	do {
		n = recv(c->fd, sink, sizeof(sink), 0);
	} while (n > 0 || (n < 0 && errno == EINTR));
}

/* Neither speaks nor reads until the client gives up: its sends will block. */
void conn_deaf(struct conn *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLRDHUP };

	logf_line("DEAF %u", c->no);
	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
}
