// SPDX-License-Identifier: GPL-2.0-only
/* lean-nbd: options, sockets, the loop. */
#include <arpa/inet.h>
#include <err.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lean.h"

#define EVENTS	64

struct lean_options lean = {
	.port = 10809,
	.size = 1ULL << 30,
	.extent = 64U << 10,
};

static void usage(int code)
{
	fputs("usage: lean-nbd [--unix PATH|--port PORT] [--size BYTES] [--holes] [--simple]\n"
	      "                [--extent BYTES]\n", code ? stderr : stdout);
	exit(code);
}

static unsigned long long number(const char *s, unsigned long long most)
{
	char *end;
	unsigned long long n = strtoull(s, &end, 0);

	if (!*s || *end || !n || n > most)
		errx(2, "bad number \"%s\"", s);
	return n;
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "unix", required_argument, NULL, 'u' },
		{ "port", required_argument, NULL, 'p' },
		{ "size", required_argument, NULL, 's' },
		{ "extent", required_argument, NULL, 'e' },
		{ "holes", no_argument, NULL, 'h' },
		{ "simple", no_argument, NULL, 'm' },
		{ "help", no_argument, NULL, '?' },
		{ 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'u':
			lean.unix_path = optarg;
			break;
		case 'p':
			lean.port = number(optarg, UINT16_MAX);
			break;
		case 's':
			lean.size = number(optarg, INT64_MAX);
			break;
		case 'e':
			lean.extent = number(optarg, UINT32_MAX);
			break;
		case 'h':
			lean.holes = true;
			break;
		case 'm':
			lean.simple = true;
			break;
		default:
			usage(optopt ? 2 : 0);
		}
	}
	if (optind < argc)
		usage(2);
}

static int open_unix(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(lean.unix_path) >= sizeof(address.sun_path))
		errx(2, "%s: too long", lean.unix_path);
	strcpy(address.sun_path, lean.unix_path);
	unlink(lean.unix_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)))
		err(1, "%s", lean.unix_path);
	return fd;
}

static int open_tcp(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(lean.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)))
		err(1, "port %u", lean.port);
	return fd;
}

static void watch(int epoll, struct lean_conn *conn)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = conn };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, conn->fd, &event))
		err(1, "epoll_ctl");
}

static void welcome(int epoll, int listener)
{
	struct lean_conn *conn = calloc(1, sizeof(*conn));
	int on = 1;

	if (!conn)
		err(1, "connection");
	conn->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (conn->fd < 0)
		goto free_conn;
	if (!lean.unix_path)
		setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (lean_handshake(conn)) {
		watch(epoll, conn);
		return;
	}
	close(conn->fd);
free_conn:
	free(conn);
}

int main(int argc, char **argv)
{
	struct lean_conn listener = { 0 };
	struct epoll_event events[EVENTS];
	int epoll, n;

	parse(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	listener.fd = lean.unix_path ? open_unix() : open_tcp();
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (listen(listener.fd, 64) || epoll < 0)
		err(1, "listen");
	watch(epoll, &listener);
	for (;;) {
		n = epoll_wait(epoll, events, EVENTS, -1);
		while (n-- > 0) {
			struct lean_conn *conn = events[n].data.ptr;

			if (conn == &listener) {
				welcome(epoll, listener.fd);
			} else if (!lean_serve(conn)) {
				close(conn->fd);
				free(conn);
			}
		}
	}
}
