// SPDX-License-Identifier: GPL-2.0-only
/* What the system says of a device: sysfs, debugfs, STATUS, uevents, LINK_DEAD. */
#define _GNU_SOURCE
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/fs.h>
#include <linux/netlink.h>

#include "compat.h"

/* What is done by work items is done after that; in virtual time it costs nothing */
#define SETTLE_US	300000
#define PID_FILE_MS	5000

enum { SAW_ADD = 1, SAW_REMOVE = 2, SAW_CHANGE = 4, SAW_RESIZE = 8, SAW_RO = 16 };

pid_t starter;

static struct nl events;
static int uevents = -1;

void watch_events(void)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };

	uevents = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	if (uevents < 0 || bind(uevents, (void *)&addr, sizeof(addr)))
		err(1, "uevents");
	if (!nl_open_family(&nl, NBD_GENL_FAMILY_NAME, NBD_GENL_MCAST_GROUP_NAME) ||
	    !nl_open_family(&events, NBD_GENL_FAMILY_NAME, NBD_GENL_MCAST_GROUP_NAME))
		errx(1, "no family " NBD_GENL_FAMILY_NAME);
	nl_subscribe(&events);
}

/* Reads all of it, as a file of debugfs has several lines */
const char *text_of(const char *format, ...)
{
	static char text[512];
	char path[128];
	va_list args;
	ssize_t n, i;
	int fd;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return "-";
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n < 0)
		return strerrorname_np(errno);
	while (n && isspace(text[n - 1]))
		n--;
	text[n] = '\0';
	for (i = 0; i < n; i++)
		if (isspace(text[i]))
			text[i] = '_';
	return n ? text : "empty";
}

/* The kernel's message is "ACTION@PATH", and then strings "KEY=VALUE" */
static unsigned int read_uevent(const char *text, size_t len, const char *path)
{
	const char *at = strchr(text, '@');
	unsigned int saw = 0;
	const char *p;

	if (!at || strlen(at) < strlen(path) || strcmp(at + strlen(at) - strlen(path), path))
		return 0;
	if (!strncmp(text, "add@", 4))
		saw = SAW_ADD;
	else if (!strncmp(text, "remove@", 7))
		saw = SAW_REMOVE;
	else if (!strncmp(text, "change@", 7))
		saw = SAW_CHANGE;
	for (p = text; p < text + len; p += strlen(p) + 1) {
		if (!strcmp(p, "RESIZE=1"))
			saw = SAW_RESIZE;
		if (!strncmp(p, "DISK_RO=", 8))
			saw = SAW_RO;
	}
	return saw;
}

static void show_uevents(int index)
{
	static const char * const names[] = { "add", "remove", "change", "resize", "ro" };
	char text[4096], path[32], list[64] = "";
	unsigned int saw = 0;
	size_t i;
	ssize_t n;

	sprintf(path, "/block/nbd%d", index);
	for (;;) {
		n = recv(uevents, text, sizeof(text) - 1, MSG_DONTWAIT);
		if (n <= 0)
			break;
		text[n] = '\0';
		saw |= read_uevent(text, n, path);
	}
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (saw & 1u << i)
			sprintf(list + strlen(list), "%s%s", *list ? "," : "", names[i]);
	field("uevents", "%s", *list ? list : "none");
}

static void show_link_dead(int index)
{
	int nr = 0;

	while (nl_event(&events, 0) == NBD_CMD_LINK_DEAD)
		if (get_u32(reply_attrs(&events), NBD_ATTR_INDEX) == index)
			nr++;
	field("link-dead", "%d", nr);
}

static void show_status(int index)
{
	struct attrs item;
	struct msg *m = &request;

	msg_begin(&nl, m, NBD_CMD_STATUS);
	put_u32(m, NBD_ATTR_INDEX, index);
	if (nl_call(&nl, m)) {
		field("status", "error");
		return;
	}
	item = nested(get(nested(get(reply_attrs(&nl), NBD_ATTR_DEVICE_LIST, 0)),
			  NBD_DEVICE_ITEM, 0));
	if (get(item, NBD_DEVICE_CONNECTED, 0))
		field("status", "%d", *nested(get(item, NBD_DEVICE_CONNECTED, 0)).at);
	else
		field("status", "none");
}

static void show_pid(int index)
{
	long long pid = read_number("/sys/block/nbd%d/pid", index);

	field("pid", "%s", pid < 0 ? "none" : pid == starter ? "starter" : "other");
}

static void show_names(int index)
{
	static const char * const files[] = {
		"blocksize_bits", "flags", "size_bytes", "tasks", "timeout"
	};
	char path[64], list[64] = "";
	size_t i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		sprintf(path, "/sys/kernel/debug/nbd/nbd%d/%s", index, files[i]);
		if (!access(path, F_OK))
			sprintf(list + strlen(list), "%s%s", *list ? "," : "", files[i]);
	}
	field("debugfs", "%s", *list ? list : "none");
}

void show_device(int index, const char *label)
{
	usleep(SETTLE_US);
	step("%s", label);
	field("size", "%s", text_of("/sys/block/nbd%d/size", index));
	show_status(index);
	show_pid(index);
	field("backend", "%s", text_of("/sys/block/nbd%d/backend", index));
	show_names(index);
	show_link_dead(index);
	show_uevents(index);
	end_step();
}

static long long queue_number(int index, const char *file)
{
	return read_number("/sys/block/nbd%d/queue/%s", index, file);
}

void show_live(int index, const char *label)
{
	show_device(index, label);
	step("%s-limits", label);
	field("logical", "%lld", queue_number(index, "logical_block_size"));
	field("physical", "%lld", queue_number(index, "physical_block_size"));
	field("ro", "%lld", read_number("/sys/block/nbd%d/ro", index));
	field("discard", "%d", queue_number(index, "discard_max_bytes") > 0);
	field("zeroes", "%d", queue_number(index, "write_zeroes_max_bytes") > 0);
	field("cache", "%s", text_of("/sys/block/nbd%d/queue/write_cache", index));
	field("fua", "%lld", queue_number(index, "fua"));
	field("rotational", "%lld", queue_number(index, "rotational"));
	end_step();
}

static void show_tasks(int index)
{
	const char *text = text_of("/sys/kernel/debug/nbd/nbd%d/tasks", index);
	int pid;

	if (sscanf(text, "recv:_%d", &pid) == 1)
		field("tasks", "recv:_%s", pid == starter ? "starter" : "other");
	else
		field("tasks", "%s", text);
}

void show_debugfs(int index, const char *label)
{
	static const char * const files[] = { "size_bytes", "timeout", "blocksize_bits", "flags" };
	size_t i;

	step("%s", label);
	show_tasks(index);
	for (i = 0; i < ARRAY_SIZE(files); i++)
		field(files[i], "%s", text_of("/sys/kernel/debug/nbd/nbd%d/%s", index, files[i]));
	end_step();
}

bool wait_pid_file(int index, bool there)
{
	long long end = now_ms() + PID_FILE_MS;

	while ((read_number("/sys/block/nbd%d/pid", index) >= 0) != there) {
		if (now_ms() > end)
			return false;
		usleep(5000);
	}
	return true;
}

static int transfer(int fd, bool out)
{
	static char data[4096] __attribute__((aligned(4096)));
	ssize_t n = out ? pwrite(fd, data, sizeof(data), MIB) : pread(fd, data, sizeof(data), MIB);

	return n < 0 ? errno : n == sizeof(data) ? 0 : ENODATA;
}

void show_io(int index, const char *label)
{
	uint64_t range[2] = { MIB, 65536 };
	int fd = open_disk(index, O_RDWR | O_DIRECT);

	step("%s-open", label);
	outcome(fd < 0 ? errno : 0);
	if (fd < 0)
		return;
	step("%s-read", label);
	outcome(transfer(fd, false));
	step("%s-write", label);
	outcome(transfer(fd, true));
	step("%s-fsync", label);
	outcome(fsync(fd) ? errno : 0);
	step("%s-discard", label);
	outcome(ioctl(fd, BLKDISCARD, range) ? errno : 0);
	close(fd);
}
