// SPDX-License-Identifier: GPL-2.0-only
/* Transcript of devices that run by the ioctl DO_IT: both orders of calls, and all ends. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/fs.h>

#include "compat.h"

#define CONNECTIONS	4
#define ALL_FLAGS	(NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA | \
			 NBD_FLAG_SEND_TRIM)

static struct peer peers[CONNECTIONS];
static int nr_peers;
static int dev;
static pid_t running;

static void set_sockets(int nr, int flags)
{
	char label[32];
	int i;

	nr_peers = nr;
	for (i = 0; i < nr; i++) {
		peers[i] = start_peer(flags);
		sprintf(label, "SET_SOCK-%d", i);
		call_ioctl(dev, label, NBD_SET_SOCK, peers[i].fd);
	}
}

/* As nbd-client calls */
static void set_up(int nr, int peer_flags, unsigned long flags, unsigned long timeout)
{
	dev = open_disk(0, O_RDWR);
	call_ioctl(dev, "SET_BLKSIZE", NBD_SET_BLKSIZE, 512);
	call_ioctl(dev, "SET_SIZE_BLOCKS", NBD_SET_SIZE_BLOCKS, EXPORT_SIZE / 512);
	call_ioctl(dev, "CLEAR_SOCK-first", NBD_CLEAR_SOCK, 0);
	call_ioctl(dev, "SET_FLAGS", NBD_SET_FLAGS, flags);
	set_sockets(nr, peer_flags);
	if (timeout)
		call_ioctl(dev, "SET_TIMEOUT", NBD_SET_TIMEOUT, timeout);
}

static void start(int nr, int peer_flags, unsigned long flags)
{
	set_up(nr, peer_flags, flags, 0);
	running = start_do_it(0, dev);
}

/* As nbd-client and qemu-nbd do after DO_IT */
static void finish(void)
{
	show_result(running, "DO_IT");
	show_device(0, "ended");
	call_ioctl(dev, "CLEAR_QUE", NBD_CLEAR_QUE, 0);
	call_ioctl(dev, "CLEAR_SOCK", NBD_CLEAR_SOCK, 0);
	show_device(0, "cleared");
	close(dev);
	show_device(0, "closed");
	show_peers(peers, nr_peers, "peer");
}

static void scene_client(void)
{
	set_up(1, 0, ALL_FLAGS, 5);
	show_device(0, "set-up");
	running = start_do_it(0, dev);
	show_live(0, "live");
	show_debugfs(0, "debugfs");
	show_io(0, "io");
	call_elsewhere(0, "DISCONNECT", NBD_DISCONNECT, 0);
	call_elsewhere(0, "CLEAR_SOCK-elsewhere", NBD_CLEAR_SOCK, 0);
	finish();
}

static void scene_client_tcp(void)
{
	start(1, PEER_TCP, ALL_FLAGS);
	show_live(0, "live");
	show_io(0, "io");
	call_elsewhere(0, "DISCONNECT", NBD_DISCONNECT, 0);
	finish();
}

static void scene_client_four(void)
{
	char label[32];
	int i;

	start(CONNECTIONS, 0, ALL_FLAGS | NBD_FLAG_CAN_MULTI_CONN);
	show_live(0, "live");
	show_io(0, "io");
	call_elsewhere(0, "DISCONNECT", NBD_DISCONNECT, 0);
	finish();
	for (i = 0; i < CONNECTIONS; i++) {
		sprintf(label, "peer-%d-end", i);
		show_peer_end(&peers[i], label);
	}
}

static void scene_no_multi(void)
{
	start(2, 0, ALL_FLAGS);
	finish();
}

static void scene_qemu(void)
{
	dev = open_disk(0, O_RDWR);
	set_sockets(1, PEER_TABLE);
	call_ioctl(dev, "SET_BLKSIZE", NBD_SET_BLKSIZE, 512);
	call_ioctl(dev, "SET_SIZE_BLOCKS", NBD_SET_SIZE_BLOCKS, EXPORT_SIZE / 512);
	call_ioctl(dev, "SET_FLAGS", NBD_SET_FLAGS, ALL_FLAGS);
	running = start_do_it(0, dev);
	show_live(0, "live");
	/* as qemu-nbd does to have the partitions seen */
	close(open_disk(0, O_RDONLY));
	step("partition");
	field("start", "%lld", read_number("/sys/block/nbd0/nbd0p1/start"));
	field("size", "%lld", read_number("/sys/block/nbd0/nbd0p1/size"));
	end_step();
	show_io(0, "io");
	/* qemu-nbd -d */
	call_elsewhere(0, "CLEAR_QUE-elsewhere", NBD_CLEAR_QUE, 0);
	call_elsewhere(0, "DISCONNECT", NBD_DISCONNECT, 0);
	call_elsewhere(0, "CLEAR_SOCK-elsewhere", NBD_CLEAR_SOCK, 0);
	finish();
	step("partition-after");
	field("size", "%lld", read_number("/sys/block/nbd0/nbd0p1/size"));
	end_step();
}

static void scene_server_stays(void)
{
	start(1, PEER_STAYS, ALL_FLAGS);
	call_elsewhere(0, "DISCONNECT", NBD_DISCONNECT, 0);
	show_device(0, "disconnected");
	show_peers(peers, nr_peers, "peer-disconnected");
	show_io(0, "io-disconnected");
	call_elsewhere(0, "CLEAR_SOCK-elsewhere", NBD_CLEAR_SOCK, 0);
	finish();
}

static void scene_clear(void)
{
	start(1, 0, ALL_FLAGS);
	call_elsewhere(0, "CLEAR_SOCK-elsewhere", NBD_CLEAR_SOCK, 0);
	finish();
}

static void scene_netlink_end(void)
{
	start(1, 0, ALL_FLAGS);
	begin_request(NBD_CMD_RECONFIGURE, 0);
	put_u64(&request, NBD_ATTR_SIZE_BYTES, 2 * EXPORT_SIZE);
	call_netlink("RECONFIGURE");
	disconnect(0, "DISCONNECT");
	finish();
}

static void scene_server_dies(void)
{
	start(1, 0, ALL_FLAGS);
	stop_peer(&peers[0]);
	show_io(0, "io-dead");
	finish();
}

static void scene_one_of_two_dies(void)
{
	start(2, 0, ALL_FLAGS | NBD_FLAG_CAN_MULTI_CONN);
	stop_peer(&peers[1]);
	show_live(0, "one-left");
	show_io(0, "io");
	stop_peer(&peers[0]);
	finish();
}

static void end_by_signal(int signal)
{
	start(1, 0, ALL_FLAGS);
	kill(running, signal);
	finish();
}

static void scene_sigterm(void)
{
	end_by_signal(SIGTERM);
}

static void scene_sigkill(void)
{
	end_by_signal(SIGKILL);
}

static void scene_handled(void)
{
	end_by_signal(SIGUSR1);
}

static void scene_mute_sigterm(void)
{
	pid_t reader;

	start(1, PEER_MUTE, ALL_FLAGS);
	reader = start_reader(0);
	kill(running, SIGTERM);
	show_result(reader, "reader");
	finish();
}

static void scene_mute_clear(void)
{
	pid_t reader;

	start(1, PEER_MUTE, ALL_FLAGS);
	reader = start_reader(0);
	call_ioctl(dev, "DISCONNECT", NBD_DISCONNECT, 0);
	show_device(0, "disconnected");
	call_ioctl(dev, "CLEAR_SOCK-running", NBD_CLEAR_SOCK, 0);
	show_result(reader, "reader");
	finish();
}

static void scene_mute_timeout(void)
{
	pid_t reader;

	set_up(1, PEER_MUTE, ALL_FLAGS, 3);
	running = start_do_it(0, dev);
	reader = start_reader(0);
	show_result(reader, "reader");
	finish();
}

static void scene_errors(void)
{
	start(1, PEER_FAILS, ALL_FLAGS);
	show_io(0, "io");
	call_ioctl(dev, "DISCONNECT", NBD_DISCONNECT, 0);
	finish();
}

/* Calls on a device that runs */
static void scene_running(void)
{
	struct peer more;

	start(1, 0, ALL_FLAGS);
	more = start_peer(0);
	call_ioctl(dev, "SET_SOCK-running", NBD_SET_SOCK, more.fd);
	call_elsewhere(0, "SET_SOCK-elsewhere", NBD_SET_SOCK, more.fd);
	call_ioctl(dev, "DO_IT-again", NBD_DO_IT, 0);
	call_elsewhere(0, "DO_IT-elsewhere", NBD_DO_IT, 0);
	call_ioctl(dev, "CLEAR_QUE-running", NBD_CLEAR_QUE, 0);
	call_ioctl(dev, "PRINT_DEBUG-running", NBD_PRINT_DEBUG, 0);
	call_ioctl(dev, "SET_TIMEOUT-running", NBD_SET_TIMEOUT, 9);
	call_ioctl(dev, "SET_FLAGS-running", NBD_SET_FLAGS, NBD_FLAG_HAS_FLAGS);
	show_live(0, "called");
	show_debugfs(0, "debugfs");
	show_io(0, "io");
	call_ioctl(dev, "DISCONNECT", NBD_DISCONNECT, 0);
	finish();
}

static void resize(const char *name, unsigned long size)
{
	char label[64];

	sprintf(label, "SET_SIZE-%s", name);
	call_elsewhere(0, label, NBD_SET_SIZE, size);
	sprintf(label, "live-%s", name);
	show_live(0, label);
}

static void scene_resize(void)
{
	start(1, 0, ALL_FLAGS);
	show_live(0, "live");
	resize("grown", 2 * EXPORT_SIZE);
	resize("same", 2 * EXPORT_SIZE);
	resize("shrunk", EXPORT_SIZE / 2);
	resize("odd", EXPORT_SIZE / 2 + 700);
	resize("negative", ~0ul);
	resize("zero", 0);
	resize("back", EXPORT_SIZE);
	call_elsewhere(0, "SET_SIZE_BLOCKS-running", NBD_SET_SIZE_BLOCKS, 4096);
	show_live(0, "live-blocks");
	call_elsewhere(0, "SET_BLKSIZE-running", NBD_SET_BLKSIZE, 4096);
	show_live(0, "live-4096");
	call_elsewhere(0, "SET_BLKSIZE-bad", NBD_SET_BLKSIZE, 1000);
	call_elsewhere(0, "SET_BLKSIZE-zero", NBD_SET_BLKSIZE, 0);
	show_live(0, "live-1024");
	show_io(0, "io");
	call_ioctl(dev, "DISCONNECT", NBD_DISCONNECT, 0);
	finish();
}

static void scene_again(void)
{
	start(1, 0, ALL_FLAGS);
	call_ioctl(dev, "DISCONNECT", NBD_DISCONNECT, 0);
	show_result(running, "DO_IT");
	/* on the same descriptor, without a close or CLEAR_SOCK between */
	set_sockets(1, 0);
	running = start_do_it(0, dev);
	show_live(0, "second");
	show_io(0, "io");
	call_ioctl(dev, "DISCONNECT-second", NBD_DISCONNECT, 0);
	finish();
}

/* A partition passes the calls to its disk */
static void scene_partition(void)
{
	struct peer more;
	int fd;

	start(1, PEER_TABLE, ALL_FLAGS);
	fd = open_partition(0);
	more = start_peer(0);
	call_ioctl(fd, "SET_SOCK-running", NBD_SET_SOCK, more.fd);
	call_ioctl(fd, "DO_IT-again", NBD_DO_IT, 0);
	call_ioctl(fd, "CLEAR_QUE-running", NBD_CLEAR_QUE, 0);
	call_ioctl(fd, "PRINT_DEBUG-running", NBD_PRINT_DEBUG, 0);
	call_ioctl(fd, "SET_TIMEOUT-running", NBD_SET_TIMEOUT, 9);
	call_ioctl(fd, "SET_FLAGS-running", NBD_SET_FLAGS, ALL_FLAGS);
	call_ioctl(fd, "SET_BLKSIZE-running", NBD_SET_BLKSIZE, 512);
	call_ioctl(fd, "SET_SIZE-running", NBD_SET_SIZE, 2 * EXPORT_SIZE);
	call_ioctl(fd, "unknown", _IO(0xab, 11), 0);
	show_live(0, "called");
	show_debugfs(0, "debugfs");
	call_ioctl(fd, "DISCONNECT", NBD_DISCONNECT, 0);
	close(fd);
	finish();
	start(1, PEER_TABLE, ALL_FLAGS);
	fd = open_partition(0);
	call_ioctl(fd, "CLEAR_SOCK-running", NBD_CLEAR_SOCK, 0);
	close(fd);
	finish();
}

/* What is attached next is not for those who have the old disk open */
static void scene_replaced(void)
{
	int old = open_disk(0, O_RDWR);
	struct peer more;

	start(1, 0, ALL_FLAGS);
	call_ioctl(dev, "DISCONNECT", NBD_DISCONNECT, 0);
	show_result(running, "DO_IT-first");
	call_ioctl(dev, "CLEAR_SOCK-first", NBD_CLEAR_SOCK, 0);
	close(dev);
	start(1, 0, ALL_FLAGS);
	show_live(0, "live");
	more = start_peer(0);
	call_ioctl(old, "SET_SOCK-old", NBD_SET_SOCK, more.fd);
	call_ioctl(old, "SET_SIZE-old", NBD_SET_SIZE, 2 * EXPORT_SIZE);
	call_ioctl(old, "DO_IT-old", NBD_DO_IT, 0);
	show_live(0, "called");
	call_ioctl(old, "DISCONNECT-old", NBD_DISCONNECT, 0);
	show_device(0, "disconnected");
	call_ioctl(old, "CLEAR_SOCK-old", NBD_CLEAR_SOCK, 0);
	show_device(0, "cleared-old");
	close(old);
	show_io(0, "io");
	call_ioctl(dev, "DISCONNECT", NBD_DISCONNECT, 0);
	finish();
}

/* The process in DO_IT has the device open, nobody else */
static void scene_only_opener(void)
{
	start(1, 0, ALL_FLAGS);
	close(dev);
	show_live(0, "live");
	call_elsewhere(0, "DISCONNECT", NBD_DISCONNECT, 0);
	show_result(running, "DO_IT");
	show_device(0, "ended");
}

static void show_flags(const char *name, unsigned long flags)
{
	char label[64];

	start(1, 0, flags);
	sprintf(label, "live-%s", name);
	show_live(0, label);
	show_io(0, "io");
	call_ioctl(dev, "DISCONNECT", NBD_DISCONNECT, 0);
	show_result(running, "DO_IT");
	call_ioctl(dev, "CLEAR_SOCK", NBD_CLEAR_SOCK, 0);
	show_peers(peers, nr_peers, "peer");
	close(dev);
	close_peer(&peers[0]);
	usleep(200000);
}

static void scene_flags_none(void)
{
	show_flags("none", 0);
}

static void scene_flags_read_only(void)
{
	show_flags("ro", NBD_FLAG_HAS_FLAGS | NBD_FLAG_READ_ONLY);
}

static void scene_flags_flush(void)
{
	show_flags("flush", NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH);
}

static void scene_flags_fua(void)
{
	show_flags("fua", NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FUA);
}

static void scene_flags_trim(void)
{
	show_flags("trim", NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_TRIM);
}

static void scene_flags_rotational(void)
{
	show_flags("rotational", NBD_FLAG_HAS_FLAGS | FLAG_ROTATIONAL);
}

static void scene_flags_zeroes(void)
{
	show_flags("zeroes", NBD_FLAG_HAS_FLAGS | FLAG_WRITE_ZEROES);
}

static void scene_flags_no_has(void)
{
	show_flags("no-has-flags", NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_TRIM);
}

static void scene_flags_all(void)
{
	show_flags("all", 0xffff);
}

int main(void)
{
	static const struct scene scenes[] = {
		{ "client", scene_client },
		{ "client-tcp", scene_client_tcp },
		{ "client-four", scene_client_four },
		{ "no-multi", scene_no_multi },
		{ "qemu", scene_qemu },
		{ "server-stays", scene_server_stays },
		{ "clear", scene_clear },
		{ "netlink-end", scene_netlink_end },
		{ "server-dies", scene_server_dies },
		{ "one-of-two-dies", scene_one_of_two_dies },
		{ "sigterm", scene_sigterm },
		{ "sigkill", scene_sigkill },
		{ "handled-signal", scene_handled },
		{ "mute-sigterm", scene_mute_sigterm },
		{ "mute-clear", scene_mute_clear },
		{ "mute-timeout", scene_mute_timeout },
		{ "errors", scene_errors },
		{ "running", scene_running },
		{ "resize", scene_resize },
		{ "again", scene_again },
		{ "partition", scene_partition },
		{ "replaced", scene_replaced },
		{ "only-opener", scene_only_opener },
		{ "flags-none", scene_flags_none },
		{ "flags-ro", scene_flags_read_only },
		{ "flags-flush", scene_flags_flush },
		{ "flags-fua", scene_flags_fua },
		{ "flags-trim", scene_flags_trim },
		{ "flags-rotational", scene_flags_rotational },
		{ "flags-zeroes", scene_flags_zeroes },
		{ "flags-no-has-flags", scene_flags_no_has },
		{ "flags-all", scene_flags_all },
	};

	return run_scenes(scenes, ARRAY_SIZE(scenes));
}
