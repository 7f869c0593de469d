// SPDX-License-Identifier: GPL-2.0-only
/*
 * races SEED SECONDS IMAGE MOUNTPOINT: tasks that all do as they like with the same two disks:
 * attach (also to any disk that is free), detach, forced detach, replace connections by good,
 * dead and unresponsive ones, resize, look, open, read, write, map, rescan partitions, mount, ask
 * to unload the module; and the same by the interfaces of the kernel's own driver. Tasks are killed
 * at random and started again. What each call answers is its own business, but all of them must
 * come back, a read that succeeds must be right, and the module must not go. IMAGE has a file
 * system in its first partition; nobody changes it.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/fs.h>
#include <linux/nbdmap.h>

#include "races.h"
#include "uapi.h"

#define TASKS		10
#define FIRST_INDEX	4
#define DISKS		2
#define SLOTS_MAX	4
#define MOST		65536
#define ANY		"any disk"
#define HUNG_MS		90000

/* What a task is doing and since when, for the parent to see */
struct place {
	_Atomic(const char *) what;
	atomic_llong since;
};

struct tally {
	atomic_bool bad;
	atomic_ulong calls, attached, right;
	struct place place[TASKS];
};

static struct tally *tally;
static const char *image;
static const char *mount_point;
static const char *content;
static size_t size;
static struct server server;
static struct nl nl;
static struct msg m;
static unsigned int state;
static int disk_index;
static struct races_old old;
static bool has_old;

static unsigned int below(unsigned int limit)
{
	return rand_r(&state) % limit;
}

static void complain(const char *what)
{
	printf("# nbd%d: %s: %s\n", disk_index, what, strerror(errno));
	fflush(stdout);
	tally->bad = true;
}

static int open_some(int flags)
{
	char path[32];

	if (below(3))
		return open_disk(disk_index, flags);
	sprintf(path, "/dev/nbd%dp1", disk_index);
	return open(path, flags | O_CLOEXEC);
}

/* ---- what a task does ---- */

/* Return: 0 or a positive errno */
static int attach_to(int index, const char *identifier)
{
	struct export x = { .nr = 1, .names = { "base:allocation" } };
	int fds[SLOTS_MAX], i, n = 1 + below(SLOTS_MAX), error;

	for (i = 0; i < n; i++)
		fds[i] = server_connect(&server, &x);
	msg_begin(&nl, &m, NBDCTL_CMD_ATTACH);
	put_facts(&m, &x, index, 0);
	put_u32(&m, NBDCTL_A_DEVICE_DEAD_TIME, below(3) * 300);
	put_u32(&m, NBDCTL_A_DEVICE_REQUEST_TIMEOUT, 1000);
	put_u32(&m, NBDCTL_A_DEVICE_QUEUE_DEPTH, below(8) ? 64 : 16);
	put_str(&m, NBDCTL_A_DEVICE_IDENTIFIER, identifier);
	for (i = 0; i < n; i++)
		put_slot(&m, i, fds[i], &x);
	error = nl_call(&nl, &m);
	if (!error)
		tally->attached++;
	while (n--)
		close(fds[n]);
	return error;
}

static void attach(void)
{
	attach_to(disk_index, "this disk");
}

/* The disk that an attach without a number has is nobody else's, unless that is one of the two */
static void attach_any(void)
{
	int64_t session;

	if (attach_to(-1, ANY))
		return;
	disk_index = get_u32(reply_attrs(&nl), NBDCTL_A_DEVICE_INDEX);
	session = get_u64(reply_attrs(&nl), NBDCTL_A_DEVICE_SESSION);
	if (disk_index >= FIRST_INDEX && disk_index < FIRST_INDEX + DISKS)
		return;
	errno = 0;
	if (state_of(&nl, disk_index) < 0 ||
	    get_u64(reply_attrs(&nl), NBDCTL_A_DEVICE_SESSION) != session)
		complain("attached to a disk that is not there");
	usleep(1000 * below(20));
	errno = detach(&nl, disk_index, true);
	if (errno)
		complain("detach of any disk");
}

static void detach_plain(void)
{
	detach(&nl, disk_index, false);
}

static void detach_forced(void)
{
	detach(&nl, disk_index, true);
}

static void put_replacement(int slot, int fd, const struct export *x)
{
	struct export bare = *x;

	/* contexts are the slot's here */
	bare.nr = 0;
	msg_begin(&nl, &m, NBDCTL_CMD_SLOT_REPLACE);
	put_facts(&m, &bare, disk_index, 0);
	put_slot(&m, slot, fd, x);
	nl_call(&nl, &m);
}

static void replace(void)
{
	struct export x = { .nr = 1, .names = { "base:allocation" } };
	int fd = server_connect(&server, &x);

	put_replacement(below(SLOTS_MAX), fd, &x);
	close(fd);
}

/* By a connection that is dead already, or that nobody answers on for a while */
static void replace_bad(void)
{
	/* all flags but READ_ONLY */
	struct export x = { .size = size, .flags = 0xfffd, .structured = true, .nr = 1,
			    .names = { "base:allocation" } };
	int fds[2];

	socket_pair(fds);
	if (below(2))
		shutdown(fds[1], SHUT_RDWR);
	put_replacement(below(SLOTS_MAX), fds[0], &x);
	close(fds[0]);
	usleep(1000 * below(200));
	close(fds[1]);
}

static void resize(void)
{
	msg_begin(&nl, &m, NBDCTL_CMD_RESIZE);
	put_u32(&m, NBDCTL_A_DEVICE_INDEX, disk_index);
	put_u64(&m, NBDCTL_A_DEVICE_SIZE, below(3) ? size : size / 2);
	nl_call(&nl, &m);
}

static void ignore(struct attrs a, void *arg)
{
	(void)a;
	(void)arg;
}

static void look(void)
{
	msg_begin(&nl, &m, NBDCTL_CMD_DEVICE_GET);
	nl_dump(&nl, &m, ignore, NULL);
	read_number("/sys/block/nbd%d/pid", disk_index);
	read_number("/sys/block/nbd%d/inflight", disk_index);
}

static void hold_open(void)
{
	int fd = open_some(below(2) ? O_RDONLY : O_RDWR | (below(2) ? O_EXCL : 0));

	usleep(1000 * below(50));
	if (fd >= 0)
		close(fd);
}

/* Reads and writes of what is there; directly, through the page cache, of any length */
static void transfer(void)
{
	static char buffer[MOST] __attribute__((aligned(4096)));
	int fd = open_disk(disk_index, O_RDWR | (below(2) ? O_DIRECT : 0)), i;
	size_t length, offset;
	ssize_t n;

	for (i = 0; fd >= 0 && i < 10; i++) {
		length = 512 + below(MOST / 512) * 512;
		offset = below((size - length) / 512) * 512ul;
		if (!below(4)) {
			memcpy(buffer, content + offset, length);
			if (pwrite(fd, buffer, length, offset) < 0 || !below(3))
				fsync(fd);
			continue;
		}
		memset(buffer, 0xa5, length);
		n = pread(fd, buffer, length, offset);
		if (n > 0 && memcmp(buffer, content + offset, n))
			complain("wrong data");
		tally->right += n > 0;
	}
	if (fd >= 0)
		close(fd);
}

static void map(void)
{
	static struct nbdmap_extent extents[256];
	struct nbdmap_status arg = { .length = size, .context = NBDMAP_ALL, .capacity = 256,
				     .extents = (uintptr_t)extents };
	int fd = open_some(O_RDONLY), i;

	for (i = 0; fd >= 0 && i < 5; i++) {
		arg.offset = 0;
		arg.length = below(2) ? size : size / 4;
		if (!map_status(fd, &arg) && arg.covered > arg.length)
			complain("map covers more than it was asked for");
	}
	if (fd >= 0)
		close(fd);
}

static void rescan(void)
{
	int fd = open_disk(disk_index, O_RDONLY);

	if (fd < 0)
		return;
	ioctl(fd, BLKRRPART);
	ioctl(fd, BLKFLSBUF);
	close(fd);
}

static void mount_it(void)
{
	char path[32], file[128];
	struct stat st;

	sprintf(path, "/dev/nbd%dp1", disk_index);
	if (mount(path, mount_point, "ext4", MS_RDONLY, "noload"))
		return;
	snprintf(file, sizeof(file), "%s/lost+found", mount_point);
	stat(file, &st);
	usleep(1000 * below(200));
	umount2(mount_point, below(2) ? MNT_DETACH : 0);
	umount2(mount_point, MNT_DETACH);
}

/* Another disk is attached all the time, so the module is in use */
static void unload(void)
{
	if (!syscall(SYS_delete_module, "nbd", O_NONBLOCK))
		complain("the module was unloaded while in use");
}

/* By the interfaces of the kernel's own driver */
static void act_old(void)
{
	if (!has_old)
		return;
	old.index = disk_index;
	switch (below(10)) {
	case 0 ... 2:
		tally->attached += races_old_connect(&old);
		break;
	case 3:
		races_old_disconnect(&old);
		break;
	case 4 ... 5:
		races_old_reconfigure(&old);
		break;
	case 6:
		races_old_status(&old);
		break;
	case 7 ... 8:
		tally->attached += races_old_do_it(&old);
		break;
	default:
		races_old_ioctl(&old);
	}
}

static const struct {
	const char *name;
	void (*act)(void);
	unsigned int weight;
} acts[] = {
	{ "attach", attach, 8 },
	{ "attach any", attach_any, 6 },
	{ "detach", detach_plain, 3 },
	{ "forced detach", detach_forced, 2 },
	{ "replace", replace, 5 },
	{ "bad replace", replace_bad, 3 },
	{ "resize", resize, 3 },
	{ "look", look, 2 },
	{ "open", hold_open, 3 },
	{ "transfer", transfer, 8 },
	{ "map", map, 4 },
	{ "rescan", rescan, 3 },
	{ "mount", mount_it, 2 },
	{ "unload", unload, 1 },
	{ "old", act_old, 20 },
};

#define NR_ACTS	(sizeof(acts) / sizeof(acts[0]))

static void act(unsigned int task)
{
	unsigned int sum = 0, i, n;

	for (i = 0; i < NR_ACTS; i++)
		sum += acts[i].weight;
	n = below(sum);
	for (i = 0; n >= acts[i].weight; i++)
		n -= acts[i].weight;
	disk_index = FIRST_INDEX + below(DISKS);
	tally->place[task].what = acts[i].name;
	tally->place[task].since = now_ms();
	acts[i].act();
	tally->calls++;
}

static pid_t start(unsigned int task, unsigned int seed)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	state = seed;
	nl_open(&nl);
	has_old = races_old_open(&old, &server, seed);
	for (;;)
		act(task);
}

/* ---- the parent ---- */

static void hung(unsigned int task)
{
	int fd = open("/proc/sysrq-trigger", O_WRONLY);

	printf("# task %u hangs in %s\n", task, tally->place[task].what);
	fflush(stdout);
	tally->bad = true;
	if (fd < 0 || write(fd, "w", 1) != 1)
		warn("sysrq");
}

static bool gone(pid_t pid, int ms)
{
	long long end = now_ms() + ms;

	while (waitpid(pid, NULL, WNOHANG) != pid) {
		if (now_ms() > end)
			return false;
		usleep(10000);
	}
	return true;
}

/* Also one that is killed must go soon: nothing may sleep so that it can't be */
static void end_task(unsigned int task, pid_t pid)
{
	kill(pid, SIGKILL);
	if (!gone(pid, HUNG_MS))
		hung(task);
}

static void watch(pid_t *pids, unsigned int seed, long long end)
{
	unsigned int task, starts = TASKS;
	int status;

	while (now_ms() < end && !tally->bad) {
		usleep(100000);
		for (task = 0; task < TASKS; task++) {
			if (now_ms() - tally->place[task].since > HUNG_MS)
				hung(task);
			if (!below(100))
				end_task(task, pids[task]);
			else if (waitpid(pids[task], &status, WNOHANG) != pids[task])
				continue;
			else
				warnx("task ended by itself: %#x", status), tally->bad = true;
			tally->place[task].since = now_ms();
			pids[task] = start(task, seed + starts++);
		}
	}
}

struct indices {
	unsigned int n;
	int at[1024];
};

static void note_any(struct attrs a, void *arg)
{
	struct indices *found = arg;

	if (found->n < 1024 && !strcmp(get_str(a, NBDCTL_A_DEVICE_IDENTIFIER), ANY))
		found->at[found->n++] = get_u32(a, NBDCTL_A_DEVICE_INDEX);
}

/* Tasks were killed before they detached what they had attached */
static void detach_any(void)
{
	static struct indices found;

	msg_begin(&nl, &m, NBDCTL_CMD_DEVICE_GET);
	nl_dump(&nl, &m, note_any, &found);
	while (found.n)
		detach(&nl, found.at[--found.n], true);
}

/* After the umount, a disk in place of one that is gone may just be created */
static bool wait_there(void)
{
	long long end = now_ms() + HUNG_MS;

	while (state_of(&nl, disk_index) < 0) {
		if (now_ms() > end)
			return false;
		nap();
	}
	return true;
}

static void clean_up(pid_t *pids)
{
	unsigned int i;

	for (i = 0; i < TASKS; i++)
		end_task(i, pids[i]);
	while (!umount2(mount_point, MNT_DETACH))
		;
	nl_open(&nl);
	for (i = 0; i < DISKS; i++) {
		disk_index = FIRST_INDEX + i;
		if (!wait_there())
			complain("not there");
		errno = detach(&nl, disk_index, true);
		if (errno && errno != ENOTCONN)
			complain("last detach");
		if (!wait_state(&nl, disk_index, NBDCTL_STATE_IDLE, HUNG_MS))
			complain("not idle");
	}
	detach_any();
}

/* What the server says of us, and the end of that connection. Tasks are killed in handshakes */
static void judge_server(void)
{
	char command[400];

	snprintf(command, sizeof(command),
		 "c=$(grep VIOLATION %s | grep -v 'left the handshake' | head -n 1); [ \"$c\" ] || exit 1;"
		 "echo \"$c\"; c=${c#*conn=}; grep -E \"(conn=|DISC |EOF )${c%%%% *}( |$)\" %s | tail -n 20",
		 server.log, server.log);
	if (!system(command))
		complain("the server complains");
}

static const char *map_image(void)
{
	struct stat st;
	char *p;
	int fd = open(image, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st))
		err(2, "%s", image);
	size = st.st_size;
	p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		err(2, "%s", image);
	return p;
}

int main(int argc, char **argv)
{
	pid_t pids[TASKS];
	unsigned int seed, i;
	long long end;

	if (argc != 5)
		errx(2, "usage: races SEED SECONDS IMAGE MOUNTPOINT");
	seed = strtoul(argv[1], NULL, 0);
	end = now_ms() + 1000 * atoll(argv[2]);
	image = argv[3];
	mount_point = argv[4];
	content = map_image();
	state = seed;
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (tally == MAP_FAILED)
		err(2, "memory");
	server_start(&server, "--image", image, "--context", "base:allocation", NULL);
	for (i = 0; i < TASKS; i++) {
		tally->place[i].since = now_ms();
		pids[i] = start(i, seed + i);
	}
	watch(pids, seed, end);
	clean_up(pids);
	judge_server();
	server_stop(&server);
	printf("# %lu calls, %lu attaches, %lu reads right\n", tally->calls, tally->attached,
	       tally->right);
	if (tally->attached < 2 || !tally->right)
		complain("too little to prove anything");
	return tally->bad;
}
