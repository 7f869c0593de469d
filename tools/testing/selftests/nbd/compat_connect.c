// SPDX-License-Identifier: GPL-2.0-only
/* Transcript of the netlink family nbd: the family, CONNECT, DISCONNECT and STATUS. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/genetlink.h>
#include <netinet/in.h>

#include "compat.h"

#define FLAGS		(NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA | \
			 NBD_FLAG_SEND_TRIM)

static struct peer peer;

/* CONNECT of one new peer; more attributes may have been put into @request before */
static int connect_peer(const char *label, int peer_flags)
{
	int error;

	peer = start_peer(peer_flags);
	add_sockets(&peer.fd, 1);
	error = call_netlink(label);
	close_peer(&peer);
	return error;
}

static void show_commands(struct attrs family)
{
	struct attrs all = nested(get(family, CTRL_ATTR_OPS, 0)), op;
	int i;

	for (i = 1; get(all, i, 0); i++) {
		op = nested(get(all, i, 0));
		step("command-%lld", (long long)get_u32(op, CTRL_ATTR_OP_ID));
		field("flags", "%#llx", (long long)get_u32(op, CTRL_ATTR_OP_FLAGS));
		end_step();
	}
}

static void scene_family(void)
{
	static struct nl family;
	struct attrs a, group;

	nl_open_family(&family, NBD_GENL_FAMILY_NAME, NBD_GENL_MCAST_GROUP_NAME);
	a = reply_attrs(&family);
	group = nested(get(nested(get(a, CTRL_ATTR_MCAST_GROUPS, 0)), 1, 0));
	step("family");
	field("version", "%lld", (long long)get_u32(a, CTRL_ATTR_VERSION));
	field("header", "%lld", (long long)get_u32(a, CTRL_ATTR_HDRSIZE));
	field("maxattr", "%lld", (long long)get_u32(a, CTRL_ATTR_MAXATTR));
	field("group", "%s", get_str(group, CTRL_ATTR_MCAST_GRP_NAME));
	end_step();
	show_commands(a);
}

static int call_as_nobody(void *arg)
{
	static struct nl own;
	struct msg *m = &request;

	if (!nl_open_family(&own, NBD_GENL_FAMILY_NAME, NBD_GENL_MCAST_GROUP_NAME))
		return 255;
	msg_begin(&own, m, *(int *)arg);
	put_u32(m, NBD_ATTR_INDEX, 0);
	return nl_call(&own, m);
}

static void scene_commands(void)
{
	int cmd;

	for (cmd = 0; cmd <= NBD_CMD_MAX + 2; cmd++) {
		step("nobody-%d", cmd);
		outcome(in_child(call_as_nobody, &cmd, true));
	}
	for (cmd = 0; cmd <= NBD_CMD_MAX + 2; cmd++) {
		char label[32];

		sprintf(label, "no-attribute-%d", cmd);
		begin_request(cmd, -1);
		call_netlink(label);
	}
}

/* The list of a STATUS reply: how many devices there are, and which are connected */
static void call_status(const char *label, int index)
{
	char connected[128] = "";
	struct attrs list, item;
	int error, i;

	begin_request(NBD_CMD_STATUS, index);
	step("%s", label);
	error = nl_call(&nl, &request);
	list = nested(get(reply_attrs(&nl), NBD_ATTR_DEVICE_LIST, 0));
	for (i = 0; get(list, NBD_DEVICE_ITEM, i); i++) {
		item = nested(get(list, NBD_DEVICE_ITEM, i));
		if (*nested(get(item, NBD_DEVICE_CONNECTED, 0)).at)
			sprintf(connected + strlen(connected), "%s%lld", *connected ? "," : "",
				(long long)get_u32(item, NBD_DEVICE_INDEX));
	}
	field("replies", "%u", nl.replies);
	field("devices", "%d", i);
	field("connected", "%s", *connected ? connected : "none");
	outcome(error);
}

static void scene_status(void)
{
	int fd;

	call_status("idle-all", -1);
	call_status("idle-one", 0);
	call_status("unknown", 300);
	call_status("too-large", 1 << 30);
	fd = open_disk(0, O_RDONLY);
	call_status("open-all", -1);
	call_status("open-one", 0);
	close(fd);
	call_status("closed-one", 0);
	begin_connect(2, EXPORT_SIZE, FLAGS);
	connect_peer("CONNECT", 0);
	call_status("connected-all", -1);
	call_status("connected-one", 2);
	call_status("other-one", 1);
	disconnect(2, "DISCONNECT");
	call_status("ended-one", 2);
}

static void refuse_socket(const char *label, int fd)
{
	begin_connect(0, EXPORT_SIZE, FLAGS);
	add_sockets(&fd, 1);
	call_netlink(label);
	/* if it was taken, the driver finds that it is dead */
	usleep(200000);
	disconnect(0, "DISCONNECT");
}

static void scene_bad_sockets(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	int pair[2], fds[2], fd;
	struct peer good;

	refuse_socket("closed", 999);
	refuse_socket("minus-one", -1);
	refuse_socket("no-socket", open("/dev/null", O_RDWR));
	refuse_socket("udp", socket(AF_INET, SOCK_DGRAM, 0));
	refuse_socket("netlink", nl.fd);
	socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
	refuse_socket("unix-datagram", pair[0]);
	show_device(0, "refused");
	refuse_socket("tcp-unconnected", socket(AF_INET, SOCK_STREAM, 0));
	refuse_socket("unix-unconnected", socket(AF_UNIX, SOCK_STREAM, 0));
	fd = socket(AF_INET, SOCK_STREAM, 0);
	bind(fd, (void *)&addr, sizeof(addr));
	listen(fd, 1);
	refuse_socket("tcp-listening", fd);
	good = start_peer(0);
	fds[0] = good.fd;
	fds[1] = 999;
	begin_connect(0, EXPORT_SIZE, FLAGS | NBD_FLAG_CAN_MULTI_CONN);
	add_sockets(fds, 2);
	call_netlink("second-closed");
	disconnect(0, "DISCONNECT-second-closed");
	fds[1] = good.fd;
	begin_connect(0, EXPORT_SIZE, FLAGS | NBD_FLAG_CAN_MULTI_CONN);
	add_sockets(fds, 2);
	call_netlink("same-twice");
	usleep(200000);
	disconnect(0, "DISCONNECT-same-twice");
	show_device(0, "after");
}

static void scene_missing(void)
{
	struct peer two[2] = { start_peer(0), start_peer(0) };
	int fds[2] = { two[0].fd, two[1].fd };
	size_t at;

	begin_connect(0, EXPORT_SIZE, FLAGS);
	call_netlink("no-sockets");
	begin_request(NBD_CMD_CONNECT, 0);
	add_sockets(fds, 1);
	call_netlink("no-size");
	begin_connect(0, EXPORT_SIZE, FLAGS);
	add_sockets(fds, 0);
	call_netlink("empty-sockets");
	disconnect(0, "DISCONNECT-empty-sockets");
	begin_connect(0, EXPORT_SIZE, FLAGS);
	at = nest(&request, NBD_ATTR_SOCKETS);
	nest_end(&request, nest(&request, NBD_SOCK_ITEM));
	nest_end(&request, at);
	call_netlink("socket-without-fd");
	disconnect(0, "DISCONNECT-socket-without-fd");
	begin_connect(0, EXPORT_SIZE, FLAGS);
	add_sockets(fds, 2);
	call_netlink("two-without-multi-conn");
	show_device(0, "after");
}

/* Attributes that are too short, or unknown */
static void scene_attributes(void)
{
	static const uint16_t types[] = {
		NBD_ATTR_INDEX, NBD_ATTR_SIZE_BYTES, NBD_ATTR_BLOCK_SIZE_BYTES, NBD_ATTR_TIMEOUT,
		NBD_ATTR_SERVER_FLAGS, NBD_ATTR_CLIENT_FLAGS, NBD_ATTR_SOCKETS,
		NBD_ATTR_DEAD_CONN_TIMEOUT,
	};
	char label[32];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		begin_request(NBD_CMD_CONNECT, -1);
		put_u16(&request, types[i], 0);
		sprintf(label, "short-%d", types[i]);
		call_netlink(label);
	}
	begin_connect(0, EXPORT_SIZE, FLAGS);
	put_u32(&request, 40, 1);
	connect_peer("unknown-attribute", 0);
	disconnect(0, "DISCONNECT");
	begin_request(NBD_CMD_DISCONNECT, 0);
	put_u32(&request, 40, 1);
	call_netlink("DISCONNECT-unknown-attribute");
}

/* The last one whose partitions have minors */
static int last_index(void)
{
	long long parts = read_number("/sys/module/nbd/parameters/max_part");
	int shift = 0;

	while (parts >> shift)
		shift++;
	return 0xfffff >> shift;
}

static void scene_parameters(void)
{
	static const char * const names[] = { "nbds_max", "max_part", "pre_defined_connections" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		step("%s", names[i]);
		field("value", "%lld", read_number("/sys/module/nbd/parameters/%s", names[i]));
		end_step();
	}
	step("last");
	field("index", "%d", last_index());
	field("range", "%lld", read_number("/sys/block/nbd0/range"));
	field("ext_range", "%lld", read_number("/sys/block/nbd0/ext_range"));
	field("dev", "%s", text_of("/sys/block/nbd1/dev"));
	end_step();
}

static void scene_index(void)
{
	begin_connect(-1, EXPORT_SIZE, FLAGS);
	connect_peer("none", 0);
	begin_connect(-1, EXPORT_SIZE, FLAGS);
	connect_peer("none-again", 0);
	begin_connect(1, EXPORT_SIZE, FLAGS);
	connect_peer("busy", 0);
	begin_connect(3, EXPORT_SIZE, FLAGS);
	connect_peer("three", 0);
	begin_connect(-1, EXPORT_SIZE, FLAGS);
	connect_peer("none-third", 0);
	begin_connect(1 << 20, EXPORT_SIZE, FLAGS);
	connect_peer("too-large", 0);
	begin_connect(last_index() + 1, EXPORT_SIZE, FLAGS);
	connect_peer("past-last", 0);
	begin_connect(last_index(), EXPORT_SIZE, FLAGS);
	put_u64(&request, NBD_ATTR_CLIENT_FLAGS, NBD_CFLAG_DESTROY_ON_DISCONNECT);
	if (!connect_peer("last", 0))
		disconnect(last_index(), "DISCONNECT-last");
	usleep(200000);
	begin_request(NBD_CMD_CONNECT, -1);
	put_u32(&request, NBD_ATTR_INDEX, ~0u);
	put_u64(&request, NBD_ATTR_SIZE_BYTES, EXPORT_SIZE);
	connect_peer("minus-one", 0);
	disconnect(1, "DISCONNECT");
	begin_connect(-1, EXPORT_SIZE, FLAGS);
	connect_peer("none-after", 0);
	call_status("all", -1);
}

static void scene_new_device(void)
{
	show_device(21, "before");
	begin_connect(21, EXPORT_SIZE, FLAGS);
	connect_peer("CONNECT", 0);
	show_live(21, "live");
	show_io(21, "io");
	disconnect(21, "DISCONNECT");
	show_device(21, "idle");
}

static void scene_open_device(void)
{
	int fd = open_disk(0, O_RDONLY);

	begin_connect(0, EXPORT_SIZE, FLAGS);
	connect_peer("CONNECT", 0);
	show_device(0, "open");
	disconnect(0, "DISCONNECT");
	close(fd);
	show_device(0, "closed");
}

static void scene_block_sizes(void)
{
	static const uint64_t sizes[] = {
		0, 1, 256, 511, 512, 513, 1024, 3072, 4096, 8192, 65536, 131072, 1ull << 32,
		1ull << 63
	};
	char label[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		begin_connect(0, EXPORT_SIZE, FLAGS);
		put_u64(&request, NBD_ATTR_BLOCK_SIZE_BYTES, sizes[i]);
		sprintf(label, "CONNECT-%#llx", (unsigned long long)sizes[i]);
		if (!connect_peer(label, 0)) {
			sprintf(label, "live-%#llx", (unsigned long long)sizes[i]);
			show_live(0, label);
		}
		disconnect(0, "DISCONNECT");
	}
	show_device(0, "idle");
}

static void scene_sizes(void)
{
	static const uint64_t sizes[] = {
		0, 1, 511, 512, EXPORT_SIZE + 700, 1ull << 62, 1ull << 63, ~0ull
	};
	char label[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		begin_connect(0, sizes[i], FLAGS);
		sprintf(label, "CONNECT-%#llx", (unsigned long long)sizes[i]);
		if (!connect_peer(label, 0)) {
			sprintf(label, "live-%#llx", (unsigned long long)sizes[i]);
			show_live(0, label);
		}
		disconnect(0, "DISCONNECT");
	}
	show_device(0, "idle");
}

static void connect_with(const char *name, uint64_t flags)
{
	char label[64];

	begin_connect(0, EXPORT_SIZE, flags);
	sprintf(label, "CONNECT-%s", name);
	connect_peer(label, 0);
	sprintf(label, "live-%s", name);
	show_live(0, label);
	sprintf(label, "io-%s", name);
	show_io(0, label);
	sprintf(label, "DISCONNECT-%s", name);
	disconnect(0, label);
	sprintf(label, "peer-%s", name);
	usleep(200000);
	show_peers(&peer, 1, label);
}

static void scene_flags(void)
{
	connect_with("none", 0);
	connect_with("ro", NBD_FLAG_HAS_FLAGS | NBD_FLAG_READ_ONLY);
	connect_with("flush", NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH);
	connect_with("fua", NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FUA);
	connect_with("flush-fua", NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA);
	connect_with("trim", NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_TRIM);
	connect_with("rotational", NBD_FLAG_HAS_FLAGS | FLAG_ROTATIONAL);
	connect_with("zeroes", NBD_FLAG_HAS_FLAGS | FLAG_WRITE_ZEROES);
	connect_with("multi-conn", NBD_FLAG_HAS_FLAGS | NBD_FLAG_CAN_MULTI_CONN);
	connect_with("all", 0xffff);
	connect_with("more-than-16-bits", 0xffff00000000ull | FLAGS);
	begin_request(NBD_CMD_CONNECT, 0);
	put_u64(&request, NBD_ATTR_SIZE_BYTES, EXPORT_SIZE);
	connect_peer("CONNECT-without", 0);
	show_live(0, "live-without");
	disconnect(0, "DISCONNECT-without");
}

static void scene_timeouts(void)
{
	static const uint64_t seconds[] = { 0, 1, 30, 1ull << 22, 1ull << 32, 1ull << 62, ~0ull };
	char label[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(seconds); i++) {
		begin_connect(0, EXPORT_SIZE, FLAGS);
		put_u64(&request, NBD_ATTR_TIMEOUT, seconds[i]);
		sprintf(label, "TIMEOUT-%#llx", (unsigned long long)seconds[i]);
		if (!connect_peer(label, 0)) {
			sprintf(label, "debugfs-%#llx", (unsigned long long)seconds[i]);
			show_debugfs(0, label);
		}
		disconnect(0, "DISCONNECT-timeout");
		begin_connect(0, EXPORT_SIZE, FLAGS);
		put_u64(&request, NBD_ATTR_DEAD_CONN_TIMEOUT, seconds[i]);
		sprintf(label, "DEAD_CONN_TIMEOUT-%#llx", (unsigned long long)seconds[i]);
		connect_peer(label, 0);
		disconnect(0, "DISCONNECT-dead");
	}
	show_device(0, "idle");
}

static void scene_disconnect(void)
{
	int fd;

	disconnect(0, "idle");
	disconnect(300, "unknown");
	disconnect(1 << 30, "too-large");
	begin_request(NBD_CMD_DISCONNECT, -1);
	call_netlink("no-index");
	begin_connect(0, EXPORT_SIZE, FLAGS);
	connect_peer("CONNECT", 0);
	fd = open_disk(0, O_RDONLY);
	disconnect(0, "open");
	show_device(0, "after-open");
	begin_connect(0, EXPORT_SIZE, FLAGS);
	connect_peer("CONNECT-still-open", 0);
	show_device(0, "still-open");
	disconnect(0, "DISCONNECT-still-open");
	close(fd);
	show_device(0, "closed");
	begin_connect(0, EXPORT_SIZE, FLAGS);
	connect_peer("CONNECT-closed", PEER_STAYS);
	disconnect(0, "server-stays");
	usleep(200000);
	show_peers(&peer, 1, "peer");
	disconnect(0, "again");
}

int main(void)
{
	static const struct scene scenes[] = {
		{ "nl-family", scene_family },
		{ "parameters", scene_parameters },
		{ "nl-commands", scene_commands },
		{ "nl-status", scene_status },
		{ "nl-bad-sockets", scene_bad_sockets },
		{ "nl-missing", scene_missing },
		{ "nl-attributes", scene_attributes },
		{ "nl-index", scene_index },
		{ "nl-new-device", scene_new_device },
		{ "nl-open-device", scene_open_device },
		{ "nl-block-sizes", scene_block_sizes },
		{ "nl-sizes", scene_sizes },
		{ "nl-flags", scene_flags },
		{ "nl-timeouts", scene_timeouts },
		{ "nl-disconnect", scene_disconnect },
	};

	return run_scenes(scenes, ARRAY_SIZE(scenes));
}
