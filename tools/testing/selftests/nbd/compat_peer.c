// SPDX-License-Identifier: GPL-2.0-only
/* A server without a handshake, as the old interfaces take sockets that are past it. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compat.h"

#define NOTICE_US	200000

/* Written by the server, read by the scene */
struct peer_log {
	unsigned int commands;
	bool disc;
	bool closed;
};

static char *store;

static void *shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	return p;
}

/* A DOS partition table, whose only partition is the second MiB */
static void put_table(void)
{
	static const unsigned char entry[16] = {
		[4] = 0x83, [9] = 0x08, [13] = 0x08
	};

	memcpy(store + 446, entry, sizeof(entry));
	store[510] = 0x55;
	store[511] = (char)0xaa;
}

static void tcp_pair(int fds[2])
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(addr);

	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (void *)&addr, len) || listen(listener, 1) ||
	    getsockname(listener, (void *)&addr, &len) || connect(fds[0], (void *)&addr, len))
		err(1, "TCP");
	fds[1] = accept(listener, NULL, NULL);
	if (fds[1] < 0)
		err(1, "accept");
	close(listener);
}

static bool receive(int fd, void *buf, size_t len)
{
	return recv(fd, buf, len, MSG_WAITALL) == (ssize_t)len;
}

static bool send_all(int fd, const void *buf, size_t len)
{
	return send(fd, buf, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* Return: false if the connection is over */
static bool serve_request(int fd, int flags, struct peer_log *log)
{
	struct nbd_reply reply = { .magic = htonl(NBD_REPLY_MAGIC) };
	static char data[32 << 20];
	struct nbd_request r;
	uint32_t type, len;
	uint64_t from;

	if (!receive(fd, &r, sizeof(r)) || r.magic != htonl(NBD_REQUEST_MAGIC))
		return false;
	type = ntohl(r.type) & 0xffff;
	len = ntohl(r.len);
	from = be64toh(r.from);
	log->commands |= 1u << type;
	if (type == NBD_CMD_DISC) {
		log->disc = true;
		return flags & PEER_STAYS;
	}
	if (type == NBD_CMD_WRITE && (len > sizeof(data) || !receive(fd, data, len)))
		return false;
	if (flags & PEER_MUTE && from == MUTE_PLACE)
		return true;
	memcpy(reply.handle, r.handle, sizeof(reply.handle));
	if (flags & PEER_FAILS)
		reply.error = htonl(5);
	else if (type <= NBD_CMD_WRITE && (from > EXPORT_SIZE || len > EXPORT_SIZE - from))
		reply.error = htonl(22);
	else if (type == NBD_CMD_WRITE)
		memcpy(store + from, data, len);
	if (!send_all(fd, &reply, sizeof(reply)))
		return false;
	return type != NBD_CMD_READ || reply.error || send_all(fd, store + from, len);
}

static void run_peer(int fd, int flags, struct peer_log *log)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* a descriptor of the device would keep it open, one of the client's end connected */
	if (fd > 3)
		close_range(3, fd - 1, 0);
	close_range(fd + 1, ~0u, 0);
	while (serve_request(fd, flags, log))
		;
	log->closed = true;
	_exit(0);
}

struct peer start_peer(int flags)
{
	struct peer peer = { .log = shared(sizeof(*peer.log)) };
	int fds[2];

	if (!store)
		store = shared(EXPORT_SIZE);
	if (flags & PEER_TABLE)
		put_table();
	if (flags & PEER_TCP)
		tcp_pair(fds);
	else if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
		err(1, "socketpair");
	peer.pid = fork();
	if (!peer.pid)
		run_peer(fds[1], flags, peer.log);
	close(fds[1]);
	peer.fd = fds[0];
	return peer;
}

void stop_peer(struct peer *peer)
{
	kill(peer->pid, SIGKILL);
	waitpid(peer->pid, NULL, 0);
	usleep(NOTICE_US);
}

void close_peer(struct peer *peer)
{
	close(peer->fd);
	peer->fd = -1;
}

/* Which connection gets a command is up to the driver */
void show_peers(const struct peer *peers, int nr, const char *label)
{
	static const char * const names[] = { "read", "write", "disc", "flush", "trim" };
	unsigned int commands = 0, discs = 0, closed = 0;
	char list[64] = "";
	size_t i;

	for (i = 0; i < (size_t)nr; i++) {
		commands |= peers[i].log->commands;
		discs += peers[i].log->disc;
		closed += peers[i].log->closed;
	}
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (i != NBD_CMD_DISC && commands & 1u << i)
			sprintf(list + strlen(list), "%s%s", *list ? "," : "", names[i]);
	step("%s", label);
	field("commands", "%s", *list ? list : "none");
	field("disc", "%u", discs);
	field("closed", "%u", closed);
	end_step();
}

void show_peer_end(const struct peer *peer, const char *label)
{
	step("%s", label);
	field("disc", "%d", peer->log->disc);
	field("closed", "%d", peer->log->closed);
	end_step();
}
