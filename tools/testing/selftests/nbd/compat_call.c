// SPDX-License-Identifier: GPL-2.0-only
/* Calls of the old interfaces, each a line of the transcript. */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compat.h"

#define DO_IT_MS	20000
#define START_US	200000
#define CLOSE_US	200000
#define READ_US		200000

struct nl nl;
struct msg request;

static bool narrow;

void call_as_32_bit(void)
{
	narrow = true;
}

int try_ioctl(int fd, unsigned int nr, unsigned long arg)
{
	if (narrow)
		return -ioctl32(fd, nr, arg);
	return ioctl(fd, nr, arg) < 0 ? errno : 0;
}

int call_ioctl(int fd, const char *label, unsigned int nr, unsigned long arg)
{
	int error;

	step("%s", label);
	error = try_ioctl(fd, nr, arg);
	outcome(error);
	return error;
}

void call_refused(int fd)
{
	static const char * const names[] = {
		"SET_SOCK", "SET_BLKSIZE", "SET_SIZE", "DO_IT", "CLEAR_SOCK", "CLEAR_QUE",
		"PRINT_DEBUG", "SET_SIZE_BLOCKS", "DISCONNECT", "SET_TIMEOUT", "SET_FLAGS"
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (_IO(0xab, i) != NBD_CLEAR_SOCK && _IO(0xab, i) != NBD_DISCONNECT)
			call_ioctl(fd, names[i], _IO(0xab, i), 512);
	call_ioctl(fd, "unknown", _IO(0xab, 11), 0);
}

void call_unknown(int fd)
{
	call_ioctl(fd, "ab-11", _IO(0xab, 11), 0);
	call_ioctl(fd, "ab-255", _IO(0xab, 255), 0);
	call_ioctl(fd, "ab-0-with-size", _IOW(0xab, 0, int), 0);
	call_ioctl(fd, "other-type", _IO(0xac, 0), 0);
	call_ioctl(fd, "cdrom", 0x5331, 0);
}

struct elsewhere {
	int index;
	unsigned int nr;
	unsigned long arg;
};

static int open_and_call(void *arg)
{
	const struct elsewhere *e = arg;
	int fd = open_disk(e->index, O_RDWR);
	int error = fd < 0 ? errno : try_ioctl(fd, e->nr, e->arg);

	/* whether DO_IT meets another opener when it ends must not be a race */
	usleep(CLOSE_US);
	return error;
}

int call_elsewhere(int index, const char *label, unsigned int nr, unsigned long arg)
{
	struct elsewhere e = { index, nr, arg };
	int error;

	step("%s", label);
	error = in_child(open_and_call, &e, false);
	outcome(error);
	return error;
}

static void handle_nothing(int signal)
{
	(void)signal;
}

/* Without SA_RESTART, so a signal that is handled ends the call */
static int do_it(int fd)
{
	struct sigaction action = { .sa_handler = handle_nothing };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGUSR1, &action, NULL);
	return try_ioctl(fd, NBD_DO_IT, 0);
}

static bool has_ended(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid == pid;
}

pid_t start_do_it(int index, int fd)
{
	long long end = now_ms() + DO_IT_MS;
	pid_t pid = fork();

	if (!pid)
		_exit(do_it(fd));
	starter = pid;
	while (read_number("/sys/block/nbd%d/pid", index) < 0 && !has_ended(pid) && now_ms() < end)
		usleep(5000);
	/* the in-tree driver sets the size after the file is there */
	usleep(START_US);
	return pid;
}

int open_partition(int index)
{
	char path[32];

	close(open_disk(index, O_RDONLY));
	sprintf(path, "/dev/nbd%dp1", index);
	return open(path, O_RDWR | O_CLOEXEC);
}

static int read_mute(int index)
{
	static char data[4096] __attribute__((aligned(4096)));
	int fd = open_disk(index, O_RDONLY | O_DIRECT);
	ssize_t n = fd < 0 ? -1 : pread(fd, data, sizeof(data), MUTE_PLACE);
	int error = n < 0 ? errno : n == sizeof(data) ? 0 : ENODATA;

	usleep(CLOSE_US);
	return error;
}

pid_t start_reader(int index)
{
	pid_t pid = fork();

	if (!pid)
		_exit(read_mute(index));
	usleep(READ_US);
	return pid;
}

void show_result(pid_t pid, const char *label)
{
	int status;

	step("%s", label);
	if (!reap(pid, &status, DO_IT_MS)) {
		field("rc", "blocks");
		end_step();
		kill(pid, SIGKILL);
		return;
	}
	if (WIFEXITED(status)) {
		outcome(WEXITSTATUS(status));
		return;
	}
	field("rc", "signal-%d", WTERMSIG(status));
	end_step();
}

void begin_request(uint8_t cmd, int index)
{
	msg_begin(&nl, &request, cmd);
	if (index >= 0)
		put_u32(&request, NBD_ATTR_INDEX, index);
}

void begin_connect(int index, uint64_t size, uint64_t flags)
{
	begin_request(NBD_CMD_CONNECT, index);
	put_u64(&request, NBD_ATTR_SIZE_BYTES, size);
	put_u64(&request, NBD_ATTR_SERVER_FLAGS, flags);
	starter = getpid();
}

void add_sockets(const int *fds, int nr)
{
	size_t all = nest(&request, NBD_ATTR_SOCKETS), item;
	int i;

	for (i = 0; i < nr; i++) {
		item = nest(&request, NBD_SOCK_ITEM);
		put_u32(&request, NBD_SOCK_FD, fds[i]);
		nest_end(&request, item);
	}
	nest_end(&request, all);
}

int call_netlink(const char *label)
{
	int error;

	step("%s", label);
	error = nl_call(&nl, &request);
	if (nl.replies && get(reply_attrs(&nl), NBD_ATTR_INDEX, 0))
		field("index", "%lld", (long long)get_u32(reply_attrs(&nl), NBD_ATTR_INDEX));
	outcome(error);
	return error;
}

int disconnect(int index, const char *label)
{
	begin_request(NBD_CMD_DISCONNECT, index);
	return call_netlink(label);
}
