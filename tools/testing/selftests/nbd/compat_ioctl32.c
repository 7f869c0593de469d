// SPDX-License-Identifier: GPL-2.0-only
/* Transcript of the ioctls 0xab as 32-bit programs call them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/fs.h>

#include "compat.h"

#define LAST_IOCTL	10
#define FLAGS		(NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_TRIM)

static struct peer peer;

static int nobody_call(void *arg)
{
	const unsigned long *call = arg;

	return try_ioctl(call[0], call[1], 0);
}

static void scene_nobody(void)
{
	unsigned long call[2];
	unsigned int nr;

	call_as_32_bit();
	call[0] = open_disk(0, O_RDWR);
	for (nr = 0; nr <= LAST_IOCTL + 1; nr++) {
		call[1] = _IO(0xab, nr);
		step("ioctl-%u", nr);
		outcome(in_child(nobody_call, call, true));
	}
}

static void scene_unknown(void)
{
	call_as_32_bit();
	call_unknown(open_disk(0, O_RDONLY));
}

/* An argument with the highest bit is neither negative nor an address */
static void scene_values(void)
{
	static const unsigned int values[] = { 0, 512, 4096, 1u << 31, ~0u };
	int fd = open_disk(0, O_RDWR);
	char label[64];
	size_t i;

	call_as_32_bit();
	for (i = 0; i < ARRAY_SIZE(values); i++) {
		sprintf(label, "SET_BLKSIZE-%#x", values[i]);
		call_ioctl(fd, label, NBD_SET_BLKSIZE, values[i]);
		sprintf(label, "SET_SIZE-%#x", values[i]);
		call_ioctl(fd, label, NBD_SET_SIZE, values[i]);
		sprintf(label, "SET_SIZE_BLOCKS-%#x", values[i]);
		call_ioctl(fd, label, NBD_SET_SIZE_BLOCKS, values[i]);
		sprintf(label, "SET_TIMEOUT-%#x", values[i]);
		call_ioctl(fd, label, NBD_SET_TIMEOUT, values[i]);
		sprintf(label, "SET_FLAGS-%#x", values[i]);
		call_ioctl(fd, label, NBD_SET_FLAGS, values[i]);
	}
	call_ioctl(fd, "SET_SOCK-minus-one", NBD_SET_SOCK, ~0u);
}

/* As nbd-client calls, on a disk that is larger than 4 GiB */
static void scene_client(void)
{
	pid_t pid;
	int fd;

	call_as_32_bit();
	fd = open_disk(0, O_RDWR);
	peer = start_peer(0);
	call_ioctl(fd, "SET_BLKSIZE", NBD_SET_BLKSIZE, 4096);
	call_ioctl(fd, "SET_SIZE_BLOCKS", NBD_SET_SIZE_BLOCKS, 0xfffffff0);
	call_ioctl(fd, "CLEAR_SOCK-first", NBD_CLEAR_SOCK, 0);
	call_ioctl(fd, "SET_FLAGS", NBD_SET_FLAGS, FLAGS);
	call_ioctl(fd, "SET_SOCK", NBD_SET_SOCK, peer.fd);
	call_ioctl(fd, "SET_TIMEOUT", NBD_SET_TIMEOUT, 5);
	pid = start_do_it(0, fd);
	show_live(0, "live");
	show_debugfs(0, "debugfs");
	show_io(0, "io");
	call_elsewhere(0, "SET_SIZE-running", NBD_SET_SIZE, 0xfffff000);
	show_live(0, "resized");
	call_elsewhere(0, "DISCONNECT", NBD_DISCONNECT, 0);
	show_result(pid, "DO_IT");
	call_ioctl(fd, "CLEAR_QUE", NBD_CLEAR_QUE, 0);
	call_ioctl(fd, "CLEAR_SOCK", NBD_CLEAR_SOCK, 0);
	close(fd);
	show_device(0, "closed");
	show_peers(&peer, 1, "peer");
}

static void start_netlink(void)
{
	peer = start_peer(PEER_TABLE);
	begin_connect(0, EXPORT_SIZE, FLAGS);
	add_sockets(&peer.fd, 1);
	call_netlink("CONNECT");
	close_peer(&peer);
}

static void end_netlink(int fd)
{
	call_refused(fd);
	show_live(0, "refused");
	call_ioctl(fd, "DISCONNECT", NBD_DISCONNECT, 0);
	show_device(0, "disconnected");
	close(fd);
	usleep(200000);
	show_peer_end(&peer, "end");
	disconnect(0, "DISCONNECT-netlink");
}

static void scene_connected(void)
{
	start_netlink();
	call_as_32_bit();
	end_netlink(open_disk(0, O_RDWR));
}

static void scene_partition(void)
{
	start_netlink();
	call_as_32_bit();
	end_netlink(open_partition(0));
}

/* With an argument, only ask whether the kernel has such calls */
int main(int argc, char **argv)
{
	static const struct scene scenes[] = {
		{ "ioctl32-nobody", scene_nobody },
		{ "ioctl32-unknown", scene_unknown },
		{ "ioctl32-values", scene_values },
		{ "ioctl32-client", scene_client },
		{ "ioctl32-connected", scene_connected },
		{ "ioctl32-partition", scene_partition },
	};

	if (argc > 1)
		return has_ioctl32() ? 0 : 1;
	return run_scenes(scenes, ARRAY_SIZE(scenes));
}
