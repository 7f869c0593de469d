// SPDX-License-Identifier: GPL-2.0-only
/* Transcript of the ioctls 0xab that set up a device: what they take, and how they fail. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <netinet/in.h>
#include <linux/fs.h>

#include "compat.h"

#define LAST_IOCTL	10

static int nobody_call(void *arg)
{
	const unsigned long *call = arg;

	return try_ioctl(call[0], call[1], 0);
}

static void scene_nobody(void)
{
	unsigned long call[2] = { open_disk(0, O_RDWR) };
	unsigned int nr;

	for (nr = 0; nr <= LAST_IOCTL + 1; nr++) {
		call[1] = _IO(0xab, nr);
		step("ioctl-%u", nr);
		outcome(in_child(nobody_call, call, true));
	}
	call[1] = BLKFLSBUF;
	step("BLKFLSBUF");
	outcome(in_child(nobody_call, call, true));
}

static void scene_unknown(void)
{
	call_unknown(open_disk(0, O_RDONLY));
}

static void scene_idle(void)
{
	int fd;

	show_device(0, "before");
	fd = open_disk(0, O_RDWR);
	show_device(0, "open");
	call_ioctl(fd, "CLEAR_QUE", NBD_CLEAR_QUE, 0);
	call_ioctl(fd, "PRINT_DEBUG", NBD_PRINT_DEBUG, 0);
	call_ioctl(fd, "SET_TIMEOUT", NBD_SET_TIMEOUT, 7);
	call_ioctl(fd, "SET_FLAGS", NBD_SET_FLAGS, NBD_FLAG_HAS_FLAGS);
	call_ioctl(fd, "DO_IT", NBD_DO_IT, 0);
	call_ioctl(fd, "DISCONNECT", NBD_DISCONNECT, 0);
	call_ioctl(fd, "CLEAR_SOCK", NBD_CLEAR_SOCK, 0);
	call_ioctl(fd, "CLEAR_SOCK-again", NBD_CLEAR_SOCK, 0);
	show_device(0, "called");
	close(fd);
	show_device(0, "closed");
	fd = open_disk(0, O_RDONLY);
	call_ioctl(fd, "read-only-SET_SIZE", NBD_SET_SIZE, MIB);
	call_ioctl(fd, "read-only-CLEAR_SOCK", NBD_CLEAR_SOCK, 0);
	close(fd);
}

static void scene_values(void)
{
	static const unsigned long blocks[] = {
		0, 1, 256, 511, 512, 513, 1024, 3072, 4096, 8192, 65536, 131072, 1ul << 31,
		1ul << 32, 1ul << 63
	};
	static const unsigned long sizes[] = {
		0, 1, 511, 512, 16 << 20, (16 << 20) + 1, 1ul << 62, 1ul << 63, ~0ul
	};
	static const unsigned long counts[] = {
		0, 1, 16384, 1ul << 52, 1ul << 53, 1ul << 54, 1ul << 63, ~0ul
	};
	static const unsigned long timeouts[] = { 0, 1, 1ul << 22, 1ul << 32, 1ul << 62, ~0ul };
	int fd = open_disk(0, O_RDWR);
	char label[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(blocks); i++) {
		sprintf(label, "SET_BLKSIZE-%#lx", blocks[i]);
		call_ioctl(fd, label, NBD_SET_BLKSIZE, blocks[i]);
	}
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		sprintf(label, "SET_SIZE-%#lx", sizes[i]);
		call_ioctl(fd, label, NBD_SET_SIZE, sizes[i]);
	}
	call_ioctl(fd, "SET_BLKSIZE", NBD_SET_BLKSIZE, 1024);
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		sprintf(label, "SET_SIZE_BLOCKS-%#lx", counts[i]);
		call_ioctl(fd, label, NBD_SET_SIZE_BLOCKS, counts[i]);
	}
	for (i = 0; i < ARRAY_SIZE(timeouts); i++) {
		sprintf(label, "SET_TIMEOUT-%#lx", timeouts[i]);
		call_ioctl(fd, label, NBD_SET_TIMEOUT, timeouts[i]);
	}
	call_ioctl(fd, "SET_FLAGS-all", NBD_SET_FLAGS, ~0ul);
	show_device(0, "after");
}

static int listening(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	bind(fd, (void *)&addr, sizeof(addr));
	listen(fd, 1);
	return fd;
}

static void scene_sockets(void)
{
	struct peer unix_peer = start_peer(0), tcp_peer = start_peer(PEER_TCP);
	struct peer third = start_peer(0);
	int fd = open_disk(0, O_RDWR), pair[2];

	call_ioctl(fd, "closed", NBD_SET_SOCK, 999);
	call_ioctl(fd, "minus-one", NBD_SET_SOCK, -1);
	call_ioctl(fd, "too-large", NBD_SET_SOCK, (1ul << 32) + unix_peer.fd);
	call_ioctl(fd, "no-socket", NBD_SET_SOCK, open("/dev/null", O_RDWR));
	call_ioctl(fd, "itself", NBD_SET_SOCK, fd);
	call_ioctl(fd, "udp", NBD_SET_SOCK, socket(AF_INET, SOCK_DGRAM, 0));
	call_ioctl(fd, "netlink", NBD_SET_SOCK, nl.fd);
	socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
	call_ioctl(fd, "unix-datagram", NBD_SET_SOCK, pair[0]);
	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
	call_ioctl(fd, "unix-seqpacket", NBD_SET_SOCK, pair[0]);
	show_device(0, "refused");
	call_ioctl(fd, "tcp-unconnected", NBD_SET_SOCK, socket(AF_INET, SOCK_STREAM, 0));
	call_ioctl(fd, "tcp-listening", NBD_SET_SOCK, listening());
	call_ioctl(fd, "unix-unconnected", NBD_SET_SOCK, socket(AF_UNIX, SOCK_STREAM, 0));
	call_ioctl(fd, "CLEAR_SOCK", NBD_CLEAR_SOCK, 0);
	call_ioctl(fd, "unix", NBD_SET_SOCK, unix_peer.fd);
	call_ioctl(fd, "unix-again", NBD_SET_SOCK, unix_peer.fd);
	call_ioctl(fd, "tcp", NBD_SET_SOCK, tcp_peer.fd);
	call_elsewhere(0, "other-process", NBD_SET_SOCK, third.fd);
	call_elsewhere(0, "other-process-DO_IT", NBD_DO_IT, 0);
	show_device(0, "set");
}

static int connect_other(void *arg)
{
	struct peer *peer = arg;

	begin_connect(0, EXPORT_SIZE, NBD_FLAG_HAS_FLAGS);
	add_sockets(&peer->fd, 1);
	return nl_call(&nl, &request);
}

/* A device that ioctls have begun to set up is not there for netlink */
static void scene_half(void)
{
	struct peer peer = start_peer(0), other = start_peer(0);
	int fd = open_disk(0, O_RDWR);

	call_ioctl(fd, "SET_SIZE", NBD_SET_SIZE, EXPORT_SIZE);
	call_ioctl(fd, "SET_SOCK", NBD_SET_SOCK, peer.fd);
	step("CONNECT");
	outcome(in_child(connect_other, &other, false));
	begin_request(NBD_CMD_RECONFIGURE, 0);
	call_netlink("RECONFIGURE");
	disconnect(0, "DISCONNECT");
	show_device(0, "before-close");
	close(fd);
	show_device(0, "closed");
	usleep(200000);
	show_peers(&peer, 1, "peer");
	fd = open_disk(0, O_RDWR);
	call_ioctl(fd, "DO_IT", NBD_DO_IT, 0);
}

/* Sizes that are no multiple of what they are in, as the disk has them */
static void start_with(const char *label, unsigned long block, unsigned long size)
{
	struct peer peer = start_peer(0);
	int fd = open_disk(0, O_RDWR);
	pid_t pid;

	if (block)
		call_ioctl(fd, "SET_BLKSIZE", NBD_SET_BLKSIZE, block);
	call_ioctl(fd, "SET_SIZE", NBD_SET_SIZE, size);
	call_ioctl(fd, "SET_FLAGS", NBD_SET_FLAGS, NBD_FLAG_HAS_FLAGS);
	call_ioctl(fd, "SET_SOCK", NBD_SET_SOCK, peer.fd);
	pid = start_do_it(0, fd);
	show_live(0, label);
	show_debugfs(0, "debugfs");
	call_ioctl(fd, "DISCONNECT", NBD_DISCONNECT, 0);
	show_result(pid, "DO_IT");
	call_ioctl(fd, "CLEAR_SOCK", NBD_CLEAR_SOCK, 0);
	close(fd);
	close_peer(&peer);
}

static void scene_no_size(void)
{
	start_with("live", 512, 0);
}

static void scene_no_block(void)
{
	start_with("live", 0, EXPORT_SIZE);
}

static void scene_odd_size(void)
{
	start_with("live", 512, MIB + 700);
}

static void scene_large_block(void)
{
	start_with("live", 4096, MIB + 512);
}

int main(void)
{
	static const struct scene scenes[] = {
		{ "ioctl-nobody", scene_nobody },
		{ "ioctl-unknown", scene_unknown },
		{ "ioctl-idle", scene_idle },
		{ "ioctl-values", scene_values },
		{ "ioctl-sockets", scene_sockets },
		{ "ioctl-half", scene_half },
		{ "ioctl-no-size", scene_no_size },
		{ "ioctl-no-block", scene_no_block },
		{ "ioctl-odd-size", scene_odd_size },
		{ "ioctl-large-block", scene_large_block },
	};

	return run_scenes(scenes, ARRAY_SIZE(scenes));
}
