// SPDX-License-Identifier: GPL-2.0-only
/*
 * bare-nbd: the cheapest client that TCP allows, as a measure for the others. It is no disk: all
 * requests of a queue go out by one call, replies are read in large pieces and thrown away.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <err.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "../../server/wire.h"

#define DEPTH_MAX	256U
#define BLOCK_MAX	(1U << 20)
#define PIECE		(1U << 20)

/* What it does first, while caches and windows grow; as fio's ramp_time */
#define RAMP_NS		50000000ULL

static struct {
	unsigned int port;
	unsigned int block;
	unsigned int depth;
	unsigned long long ns;
	bool write;
} opt = { .port = 10809, .block = 4096, .depth = 1, .ns = 500000000ULL };

static struct wire_request requests[DEPTH_MAX];
static struct iovec batch[2 * DEPTH_MAX];
static unsigned char zeroes[BLOCK_MAX], piece[PIECE];

static void usage(int code)
{
	fputs("usage: bare-nbd [--port PORT] [--block BYTES] [--depth N] [--write] [--ms TIME]\n",
	      code ? stderr : stdout);
	exit(code);
}

static unsigned long number(const char *s, unsigned long most)
{
	char *end;
	unsigned long n = strtoul(s, &end, 0);

	if (!*s || *end || !n || n > most)
		errx(2, "bad number \"%s\"", s);
	return n;
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "block", required_argument, NULL, 'b' },
		{ "depth", required_argument, NULL, 'd' },
		{ "write", no_argument, NULL, 'w' },
		{ "ms", required_argument, NULL, 'm' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'p':
			opt.port = number(optarg, UINT16_MAX);
			break;
		case 'b':
			opt.block = number(optarg, BLOCK_MAX);
			break;
		case 'd':
			opt.depth = number(optarg, DEPTH_MAX);
			break;
		case 'w':
			opt.write = true;
			break;
		case 'm':
			opt.ns = number(optarg, 3600000) * 1000000ULL;
			break;
		default:
			usage(c == 'h' ? 0 : 2);
		}
	}
	if (optind < argc)
		usage(2);
}

static void read_all(int fd, void *data, size_t len)
{
	if (recv(fd, data, len, MSG_WAITALL) != (ssize_t)len)
		errx(1, "the server has disconnected");
}

static void write_all(int fd, struct iovec *vec, unsigned int n)
{
	ssize_t sent;

	while (n) {
		struct msghdr msg = { .msg_iov = vec, .msg_iovlen = n };

		sent = sendmsg(fd, &msg, MSG_NOSIGNAL);
		if (sent < 0)
			err(1, "send");
		while (n && sent >= (ssize_t)vec->iov_len) {
			sent -= vec->iov_len;
			vec++;
			n--;
		}
		if (sent) {
			vec->iov_base = (char *)vec->iov_base + sent;
			vec->iov_len -= sent;
		}
	}
}

static int connect_tcp(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(opt.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		err(1, "port %u", opt.port);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

/* The shortest way to the transmission phase, NBD_OPT_EXPORT_NAME of the default export */
static void negotiate(int fd)
{
	struct {
		uint64_t magic;
		uint64_t opts;
		uint16_t flags;
	} __attribute__((packed)) greeting;
	struct {
		uint32_t flags;
		struct wire_option option;
	} __attribute__((packed)) answer = {
		.flags = htobe32(NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES),
		.option = {
			.magic = htobe64(NBD_OPTS_MAGIC),
			.option = htobe32(NBD_OPT_EXPORT_NAME),
		},
	};
	struct {
		uint64_t size;
		uint16_t flags;
	} __attribute__((packed)) export;
	struct iovec vec = { &answer, sizeof(answer) };

	read_all(fd, &greeting, sizeof(greeting));
	if (be64toh(greeting.magic) != NBD_MAGIC || be64toh(greeting.opts) != NBD_OPTS_MAGIC ||
	    !(be16toh(greeting.flags) & NBD_FLAG_NO_ZEROES))
		errx(1, "no server that it knows how to talk to");
	write_all(fd, &vec, 1);
	read_all(fd, &export, sizeof(export));
	if (be64toh(export.size) < (uint64_t)opt.block * opt.depth)
		errx(1, "the export is smaller than what is asked of it at once");
}

static void make_requests(void)
{
	unsigned int i;

	for (i = 0; i < opt.depth; i++)
		requests[i] = (struct wire_request){
			.magic = htobe32(NBD_REQUEST_MAGIC),
			.command = htobe16(opt.write ? NBD_CMD_WRITE : NBD_CMD_READ),
			.cookie = i,
			.offset = htobe64((uint64_t)i * opt.block),
			.length = htobe32(opt.block),
		};
}

static void send_requests(int fd)
{
	unsigned int i, n = 0;

	if (!opt.write) {
		batch[n++] = (struct iovec){ requests, opt.depth * sizeof(*requests) };
	} else {
		for (i = 0; i < opt.depth; i++) {
			batch[n++] = (struct iovec){ &requests[i], sizeof(*requests) };
			batch[n++] = (struct iovec){ zeroes, opt.block };
		}
	}
	write_all(fd, batch, n);
}

/* Only the first reply is looked at: the server has one thread, and answers in order */
static void take_replies(int fd)
{
	size_t left = opt.depth * (sizeof(struct wire_simple) + (opt.write ? 0 : opt.block));
	const struct wire_simple *reply = (const void *)piece;
	bool first = true;
	ssize_t n;

	while (left) {
		n = recv(fd, piece, left < PIECE ? left : PIECE, 0);
		if (n <= 0)
			errx(1, "the server has disconnected");
		if (first && n < (ssize_t)sizeof(*reply)) {
			read_all(fd, piece + n, sizeof(*reply) - n);
			n = sizeof(*reply);
		}
		if (first && (be32toh(reply->magic) != NBD_SIMPLE_MAGIC || reply->error ||
			      reply->cookie))
			errx(1, "not the reply that was asked for");
		first = false;
		left -= n;
	}
}

static unsigned long long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* Nanoseconds for each request, until so many have passed */
static unsigned long long run(int fd, unsigned long long most)
{
	unsigned long long begin = now(), taken, n = 0;

	do {
		send_requests(fd);
		take_replies(fd);
		n += opt.depth;
		taken = now() - begin;
	} while (taken < most);
	return taken / n;
}

int main(int argc, char **argv)
{
	int fd;

	parse(argc, argv);
	make_requests();
	fd = connect_tcp();
	negotiate(fd);
	run(fd, RAMP_NS);
	printf("%llu\n", run(fd, opt.ns));
	return 0;
}
