// SPDX-License-Identifier: GPL-2.0-only
/* Transcript of the netlink family nbd: what happens to a connected device, and RECONFIGURE. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "compat.h"

#define FLAGS		(NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA | \
			 NBD_FLAG_SEND_TRIM | NBD_FLAG_CAN_MULTI_CONN)
#define PEERS		2

static struct peer peers[PEERS];

/* Add @nr new peers to the request and send it */
static int call_with_peers(const char *label, int nr, int peer_flags)
{
	int fds[PEERS], error, i;

	for (i = 0; i < nr; i++) {
		peers[i] = start_peer(peer_flags);
		fds[i] = peers[i].fd;
	}
	add_sockets(fds, nr);
	error = call_netlink(label);
	for (i = 0; i < nr; i++)
		close_peer(&peers[i]);
	return error;
}

static void connect_peers(int index, int nr, int peer_flags)
{
	begin_connect(index, EXPORT_SIZE, FLAGS);
	call_with_peers("CONNECT", nr, peer_flags);
}

static void show_ends(int nr)
{
	char label[32];
	int i;

	usleep(200000);
	for (i = 0; i < nr; i++) {
		sprintf(label, "peer-%d", i);
		show_peer_end(&peers[i], label);
	}
}

static void scene_one(void)
{
	connect_peers(0, 1, 0);
	show_live(0, "live");
	show_debugfs(0, "debugfs");
	show_io(0, "io");
	disconnect(0, "DISCONNECT");
	show_live(0, "idle");
	show_ends(1);
}

static void scene_two(void)
{
	connect_peers(0, 2, PEER_TCP);
	show_live(0, "live");
	show_io(0, "io");
	disconnect(0, "DISCONNECT");
	show_device(0, "idle");
	show_ends(2);
}

static void scene_partition(void)
{
	connect_peers(0, 1, PEER_TABLE);
	close(open_disk(0, O_RDONLY));
	step("partition");
	field("start", "%lld", read_number("/sys/block/nbd0/nbd0p1/start"));
	field("size", "%lld", read_number("/sys/block/nbd0/nbd0p1/size"));
	end_step();
	disconnect(0, "DISCONNECT");
	usleep(200000);
	step("partition-after");
	field("size", "%lld", read_number("/sys/block/nbd0/nbd0p1/size"));
	end_step();
}

/* The ioctls on a device that netlink connected, by a descriptor of it */
static void show_ioctls(int fd)
{
	call_refused(fd);
	show_live(0, "refused");
	call_ioctl(fd, "DISCONNECT", NBD_DISCONNECT, 0);
	show_device(0, "disconnected");
	close(fd);
	show_device(0, "closed");
	show_ends(1);
	disconnect(0, "DISCONNECT-netlink");
}

static void scene_ioctls(void)
{
	connect_peers(0, 1, 0);
	show_ioctls(open_disk(0, O_RDWR));
	show_device(0, "idle");
}

/* A partition passes them to its disk */
static void scene_partition_ioctls(void)
{
	int fd;

	connect_peers(0, 1, PEER_TABLE);
	show_ioctls(open_partition(0));
	connect_peers(0, 1, PEER_TABLE);
	fd = open_partition(0);
	call_ioctl(fd, "CLEAR_SOCK", NBD_CLEAR_SOCK, 0);
	show_device(0, "cleared");
	close(fd);
	show_device(0, "cleared-closed");
	show_ends(1);
}

static void scene_clear(void)
{
	int fd;

	connect_peers(0, 1, 0);
	fd = open_disk(0, O_RDWR);
	call_ioctl(fd, "CLEAR_SOCK", NBD_CLEAR_SOCK, 0);
	show_device(0, "cleared");
	close(fd);
	show_device(0, "closed");
	show_ends(1);
	connect_peers(0, 1, 0);
	disconnect(0, "DISCONNECT");
}

static void connect_flags(int index, uint64_t client_flags)
{
	begin_connect(index, EXPORT_SIZE, FLAGS);
	put_u64(&request, NBD_ATTR_CLIENT_FLAGS, client_flags);
	call_with_peers("CONNECT", 1, 0);
}

static void scene_destroy(void)
{
	int fd;

	connect_flags(20, NBD_CFLAG_DESTROY_ON_DISCONNECT);
	show_device(20, "live");
	disconnect(20, "DISCONNECT");
	show_device(20, "gone");
	connect_flags(20, NBD_CFLAG_DESTROY_ON_DISCONNECT);
	fd = open_disk(20, O_RDONLY);
	disconnect(20, "DISCONNECT-open");
	show_device(20, "open");
	connect_flags(20, 0);
	close(fd);
	show_device(20, "closed");
	connect_flags(20, 0);
	begin_request(NBD_CMD_RECONFIGURE, 20);
	put_u64(&request, NBD_ATTR_CLIENT_FLAGS, NBD_CFLAG_DESTROY_ON_DISCONNECT);
	call_netlink("RECONFIGURE");
	begin_request(NBD_CMD_RECONFIGURE, 20);
	put_u64(&request, NBD_ATTR_CLIENT_FLAGS, 0);
	call_netlink("RECONFIGURE-back");
	disconnect(20, "DISCONNECT-kept");
	show_device(20, "kept");
	connect_flags(20, ~0ull);
	show_device(20, "all-flags");
	close(open_disk(20, O_RDONLY));
	show_device(20, "all-flags-closed");
}

static void scene_close(void)
{
	int fd, other;

	connect_flags(0, NBD_CFLAG_DISCONNECT_ON_CLOSE);
	fd = open_disk(0, O_RDONLY);
	other = open_disk(0, O_RDONLY);
	close(other);
	show_device(0, "one-closed");
	close(fd);
	show_device(0, "both-closed");
	show_ends(1);
	connect_flags(0, 0);
	begin_request(NBD_CMD_RECONFIGURE, 0);
	put_u64(&request, NBD_ATTR_CLIENT_FLAGS, NBD_CFLAG_DISCONNECT_ON_CLOSE);
	call_netlink("RECONFIGURE");
	close(open_disk(0, O_RDONLY));
	show_device(0, "set-later");
	disconnect(0, "DISCONNECT");
}

static void reconfigure_backend(const char *label, const char *backend)
{
	begin_request(NBD_CMD_RECONFIGURE, 0);
	if (backend)
		put_str(&request, NBD_ATTR_BACKEND_IDENTIFIER, backend);
	call_netlink(label);
}

static void scene_backend(void)
{
	begin_connect(0, EXPORT_SIZE, FLAGS);
	put_str(&request, NBD_ATTR_BACKEND_IDENTIFIER, "pool/image@snap");
	call_with_peers("CONNECT", 1, 0);
	show_device(0, "live");
	reconfigure_backend("missing", NULL);
	reconfigure_backend("wrong", "pool/other");
	reconfigure_backend("prefix", "pool/image");
	reconfigure_backend("empty", "");
	reconfigure_backend("right", "pool/image@snap");
	disconnect(0, "DISCONNECT");
	show_device(0, "idle");
	connect_peers(0, 1, 0);
	reconfigure_backend("for-none", "pool/image@snap");
	show_device(0, "none");
	disconnect(0, "DISCONNECT-none");
	begin_connect(0, EXPORT_SIZE, FLAGS);
	put_str(&request, NBD_ATTR_BACKEND_IDENTIFIER, "");
	call_with_peers("CONNECT-empty", 1, 0);
	show_device(0, "empty-live");
	reconfigure_backend("missing-for-empty", NULL);
	disconnect(0, "DISCONNECT-empty");
}

static void scene_refuse(void)
{
	int bad = 999;

	begin_request(NBD_CMD_RECONFIGURE, -1);
	call_netlink("no-index");
	begin_request(NBD_CMD_RECONFIGURE, 0);
	call_netlink("idle");
	begin_request(NBD_CMD_RECONFIGURE, 300);
	call_netlink("unknown");
	connect_peers(0, 1, 0);
	begin_request(NBD_CMD_RECONFIGURE, 0);
	call_netlink("nothing");
	begin_request(NBD_CMD_RECONFIGURE, 0);
	add_sockets(&bad, 1);
	call_netlink("closed-socket");
	begin_request(NBD_CMD_RECONFIGURE, 0);
	bad = open("/dev/null", O_RDWR);
	add_sockets(&bad, 1);
	call_netlink("no-socket");
	begin_request(NBD_CMD_RECONFIGURE, 0);
	put_u64(&request, NBD_ATTR_SERVER_FLAGS, NBD_FLAG_HAS_FLAGS | NBD_FLAG_READ_ONLY);
	call_netlink("SERVER_FLAGS");
	show_live(0, "live");
	show_io(0, "io");
	disconnect(0, "DISCONNECT");
}

static void reconfigure_number(const char *name, int type, uint64_t value)
{
	char label[64];

	begin_request(NBD_CMD_RECONFIGURE, 0);
	put_u64(&request, type, value);
	sprintf(label, "%s-%#llx", name, (unsigned long long)value);
	call_netlink(label);
	sprintf(label, "live-%s-%#llx", name, (unsigned long long)value);
	show_live(0, label);
}

static void scene_resize(void)
{
	connect_peers(0, 1, 0);
	show_live(0, "live");
	reconfigure_number("size", NBD_ATTR_SIZE_BYTES, 2 * EXPORT_SIZE);
	reconfigure_number("size", NBD_ATTR_SIZE_BYTES, EXPORT_SIZE / 2);
	reconfigure_number("size", NBD_ATTR_SIZE_BYTES, EXPORT_SIZE / 2 + 700);
	reconfigure_number("size", NBD_ATTR_SIZE_BYTES, ~0ull);
	reconfigure_number("size", NBD_ATTR_SIZE_BYTES, 0);
	reconfigure_number("size", NBD_ATTR_SIZE_BYTES, EXPORT_SIZE);
	reconfigure_number("block", NBD_ATTR_BLOCK_SIZE_BYTES, 0);
	reconfigure_number("block", NBD_ATTR_BLOCK_SIZE_BYTES, 4096);
	reconfigure_number("block", NBD_ATTR_BLOCK_SIZE_BYTES, 0);
	reconfigure_number("block", NBD_ATTR_BLOCK_SIZE_BYTES, 1000);
	reconfigure_number("block", NBD_ATTR_BLOCK_SIZE_BYTES, 512);
	show_io(0, "io");
	disconnect(0, "DISCONNECT");
}

static void scene_timeouts(void)
{
	connect_peers(0, 1, 0);
	reconfigure_number("timeout", NBD_ATTR_TIMEOUT, 5);
	show_debugfs(0, "debugfs-5");
	reconfigure_number("timeout", NBD_ATTR_TIMEOUT, 0);
	show_debugfs(0, "debugfs-0");
	reconfigure_number("dead", NBD_ATTR_DEAD_CONN_TIMEOUT, 5);
	reconfigure_number("dead", NBD_ATTR_DEAD_CONN_TIMEOUT, ~0ull);
	disconnect(0, "DISCONNECT");
}

static void add_socket(const char *label)
{
	struct peer fresh = start_peer(0);

	begin_request(NBD_CMD_RECONFIGURE, 0);
	add_sockets(&fresh.fd, 1);
	call_netlink(label);
	close_peer(&fresh);
	usleep(200000);
}

static void scene_none_dead(void)
{
	struct peer fresh = start_peer(0);

	connect_peers(0, 1, 0);
	begin_request(NBD_CMD_RECONFIGURE, 0);
	add_sockets(&fresh.fd, 1);
	call_netlink("RECONFIGURE");
	close_peer(&fresh);
	usleep(200000);
	show_peer_end(&fresh, "fresh");
	show_io(0, "io");
	disconnect(0, "DISCONNECT");
	show_ends(1);
}

/* No dead-connection timeout: requests fail until there is a connection */
static void scene_server_dies(void)
{
	connect_peers(0, 1, 0);
	stop_peer(&peers[0]);
	show_live(0, "dead");
	show_io(0, "io-dead");
	add_socket("RECONFIGURE");
	show_live(0, "live");
	show_io(0, "io");
	disconnect(0, "DISCONNECT");
	show_device(0, "idle");
}

static void scene_idle_dead(void)
{
	connect_peers(0, 1, 0);
	stop_peer(&peers[0]);
	show_device(0, "dead");
	disconnect(0, "DISCONNECT");
	show_device(0, "idle");
}

static void scene_one_of_two(void)
{
	connect_peers(0, 2, 0);
	stop_peer(&peers[0]);
	show_live(0, "one-left");
	show_io(0, "io");
	add_socket("RECONFIGURE");
	show_live(0, "both");
	add_socket("RECONFIGURE-again");
	stop_peer(&peers[1]);
	show_device(0, "other-left");
	show_io(0, "io-other");
	disconnect(0, "DISCONNECT");
}

/* With a dead-connection timeout requests wait for RECONFIGURE, or until it is over */
static void scene_dead_time(void)
{
	pid_t reader;

	begin_connect(0, EXPORT_SIZE, FLAGS);
	put_u64(&request, NBD_ATTR_DEAD_CONN_TIMEOUT, 5);
	call_with_peers("CONNECT", 1, 0);
	stop_peer(&peers[0]);
	reader = start_reader(0);
	add_socket("RECONFIGURE");
	show_result(reader, "reader-rescued");
	show_live(0, "live");
	disconnect(0, "DISCONNECT");
	begin_connect(0, EXPORT_SIZE, FLAGS);
	put_u64(&request, NBD_ATTR_DEAD_CONN_TIMEOUT, 2);
	call_with_peers("CONNECT-again", 1, 0);
	stop_peer(&peers[0]);
	reader = start_reader(0);
	show_result(reader, "reader-failed");
	show_live(0, "over");
	add_socket("RECONFIGURE-late");
	show_io(0, "io-late");
	disconnect(0, "DISCONNECT-again");
}

static void scene_mute(void)
{
	pid_t reader;

	begin_connect(0, EXPORT_SIZE, FLAGS);
	put_u64(&request, NBD_ATTR_TIMEOUT, 2);
	call_with_peers("CONNECT", 1, PEER_MUTE);
	reader = start_reader(0);
	show_result(reader, "reader-timed-out");
	show_live(0, "timed-out");
	disconnect(0, "DISCONNECT");
	connect_peers(0, 1, PEER_MUTE);
	reader = start_reader(0);
	disconnect(0, "DISCONNECT-busy");
	show_result(reader, "reader-disconnected");
	show_device(0, "idle");
}

int main(void)
{
	static const struct scene scenes[] = {
		{ "session-one", scene_one },
		{ "session-two", scene_two },
		{ "session-partition", scene_partition },
		{ "session-ioctls", scene_ioctls },
		{ "session-partition-ioctls", scene_partition_ioctls },
		{ "session-clear", scene_clear },
		{ "session-destroy", scene_destroy },
		{ "session-close", scene_close },
		{ "session-backend", scene_backend },
		{ "session-refuse", scene_refuse },
		{ "session-resize", scene_resize },
		{ "session-timeouts", scene_timeouts },
		{ "session-none-dead", scene_none_dead },
		{ "session-server-dies", scene_server_dies },
		{ "session-idle-dead", scene_idle_dead },
		{ "session-one-of-two", scene_one_of_two },
		{ "session-dead-time", scene_dead_time },
		{ "session-mute", scene_mute },
	};

	return run_scenes(scenes, ARRAY_SIZE(scenes));
}
