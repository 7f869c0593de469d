// SPDX-License-Identifier: GPL-2.0-only
/* Servers, the handshake phase ("Fixed newstyle negotiation" in the NBD protocol), and devices. */
#include <endian.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "uapi.h"

#define OPT_GO			7u
#define OPT_STRUCTURED		8u
#define OPT_SET_CONTEXT		10u
#define REP_ACK			1u
#define REP_INFO		3u
#define REP_CONTEXT		4u

long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

static void nap(void)
{
	usleep(20000);
}

void server_start(struct server *s, ...)
{
	static unsigned int serial;
	char *argv[40] = { "evil-nbd", "--unix", s->path, "--log", s->log };
	long long end = now_ms() + 20000;
	int n = 5, status = 0;
	va_list args;

	sprintf(s->path, "/tmp/uapi-%d-%u.sock", getpid(), ++serial);
	sprintf(s->log, "/tmp/uapi-%d-%u.log", getpid(), serial);
	va_start(args, s);
	while (n < 39 && (argv[n] = va_arg(args, char *)))
		n++;
	va_end(args);
	s->pid = fork();
	if (!s->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, 0);
		execvp(argv[0], argv);
		_exit(127);
	}
	while (access(s->path, F_OK)) {
		if (waitpid(s->pid, &status, WNOHANG))
			errx(1, "evil-nbd has ended: %#x", status);
		if (now_ms() > end)
			errx(1, "evil-nbd does not listen");
		nap();
	}
}

void server_stop(struct server *s)
{
	if (s->pid <= 0)
		return;
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
	unlink(s->path);
	unlink(s->log);
}

void server_pause(const struct server *s)
{
	int status;

	kill(s->pid, SIGSTOP);
	/* until it has stopped, any of its threads may still answer */
	if (waitpid(s->pid, &status, WUNTRACED) != s->pid || !WIFSTOPPED(status))
		errx(1, "evil-nbd does not stop: %#x", status);
}

void server_resume(const struct server *s)
{
	kill(s->pid, SIGCONT);
}

int server_logged(const struct server *s, const char *text)
{
	int n = 0;
	char line[512];
	FILE *f = fopen(s->log, "r");

	while (f && fgets(line, sizeof(line), f))
		n += !!strstr(line, text);
	if (f)
		fclose(f);
	return n;
}

bool server_logs(const struct server *s, const char *text, int ms)
{
	long long end = now_ms() + ms;

	while (!server_logged(s, text)) {
		if (now_ms() > end)
			return false;
		nap();
	}
	return true;
}

static void take(int fd, void *buf, size_t n)
{
	if (n && recv(fd, buf, n, MSG_WAITALL) != (ssize_t)n)
		errx(1, "the server hung up in the handshake");
}

static void give(int fd, const void *buf, size_t n)
{
	if (write(fd, buf, n) != (ssize_t)n)
		err(1, "write");
}

static void option(int fd, uint32_t number, const void *data, uint32_t len)
{
	char h[16];

	memcpy(h, "IHAVEOPT", 8);
	*(uint32_t *)(h + 8) = htobe32(number);
	*(uint32_t *)(h + 12) = htobe32(len);
	give(fd, h, sizeof(h));
	give(fd, data, len);
}

/* One reply to an option. Return: its type */
static uint32_t option_reply(int fd, char *data, size_t max, uint32_t *len)
{
	uint32_t h[5];

	take(fd, h, sizeof(h));
	*len = be32toh(h[4]);
	if (*len > max)
		errx(1, "option reply too long");
	take(fd, data, *len);
	return be32toh(h[3]);
}

static void ask_contexts(int fd, struct export *x)
{
	char data[2048] = {}, *to = data + 8;
	uint32_t i, len, type;

	*(uint32_t *)(data + 4) = htobe32(x->nr);
	for (i = 0; i < x->nr; i++) {
		len = strlen(x->names[i]);
		*(uint32_t *)to = htobe32(len);
		memcpy(to + 4, x->names[i], len);
		to += 4 + len;
	}
	option(fd, OPT_SET_CONTEXT, data, to - data);
	for (;;) {
		type = option_reply(fd, data, sizeof(data) - 1, &len);
		if (type == REP_ACK)
			return;
		if (type != REP_CONTEXT)
			errx(1, "contexts: reply %#x", type);
		data[len] = '\0';
		for (i = 0; i < x->nr; i++)
			if (!strcmp(x->names[i], data + 4))
				x->ids[i] = be32toh(*(uint32_t *)data);
	}
}

static void go(int fd, struct export *x)
{
	/* any name; one thing more to tell: block sizes, so that they hold */
	static const char any[8] = { 0, 0, 0, 0, 0, 1, 0, 3 };
	char data[5000];
	uint32_t len, type;

	option(fd, OPT_GO, any, sizeof(any));
	for (;;) {
		type = option_reply(fd, data, sizeof(data), &len);
		if (type == REP_ACK)
			return;
		if (type != REP_INFO)
			errx(1, "go: reply %#x", type);
		if (be16toh(*(uint16_t *)data))
			continue;
		memcpy(&x->size, data + 2, 8);
		memcpy(&x->flags, data + 10, 2);
		x->size = be64toh(x->size);
		x->flags = be16toh(x->flags);
	}
}

int server_connect(const struct server *s, struct export *x)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	uint32_t flags = htobe32(3), len;
	long long end = now_ms() + 5000;
	char buf[5000];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, s->path);
	/* the path is there a moment before the server listens */
	while (connect(fd, (void *)&addr, sizeof(addr))) {
		if (errno != ECONNREFUSED || now_ms() > end)
			err(1, "connect");
		nap();
	}
	take(fd, buf, 18);
	give(fd, &flags, sizeof(flags));
	option(fd, OPT_STRUCTURED, NULL, 0);
	x->structured = option_reply(fd, buf, sizeof(buf), &len) == REP_ACK;
	if (x->structured && x->nr)
		ask_contexts(fd, x);
	go(fd, x);
	return fd;
}

void socket_pair(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		err(1, "socketpair");
}

void put_facts(struct msg *m, const struct export *x, int index, uint32_t skip)
{
	uint32_t i;
	size_t at;

	if (index >= 0 && !(skip & 1 << NBDCTL_A_DEVICE_INDEX))
		put_u32(m, NBDCTL_A_DEVICE_INDEX, index);
	if (!(skip & 1 << NBDCTL_A_DEVICE_SIZE))
		put_u64(m, NBDCTL_A_DEVICE_SIZE, x->size);
	if (!(skip & 1 << NBDCTL_A_DEVICE_TRANSMISSION_FLAGS))
		put_u16(m, NBDCTL_A_DEVICE_TRANSMISSION_FLAGS, x->flags);
	if (!(skip & 1 << NBDCTL_A_DEVICE_HEADER_MODE))
		put_u32(m, NBDCTL_A_DEVICE_HEADER_MODE, x->structured);
	for (i = 0; i < x->nr && !(skip & 1 << NBDCTL_A_DEVICE_CONTEXT); i++) {
		at = nest(m, NBDCTL_A_DEVICE_CONTEXT);
		put_str(m, NBDCTL_A_CONTEXT_NAME, x->names[i]);
		nest_end(m, at);
	}
}

void put_slot(struct msg *m, int index, int fd, const struct export *x)
{
	size_t at = nest(m, NBDCTL_A_DEVICE_SLOT), id;
	uint32_t i;

	if (index >= 0)
		put_u32(m, NBDCTL_A_SLOT_INDEX, index);
	put_u32(m, NBDCTL_A_SLOT_FD, fd);
	for (i = 0; i < x->nr; i++) {
		id = nest(m, NBDCTL_A_SLOT_CONTEXT_ID);
		put_u32(m, NBDCTL_A_CONTEXT_ID_CONTEXT, i);
		put_u32(m, NBDCTL_A_CONTEXT_ID_ID, x->ids[i]);
		nest_end(m, id);
	}
	nest_end(m, at);
}

int begin_detach(struct nl *nl, int index, uint32_t timeout)
{
	static struct msg m;

	msg_begin(nl, &m, NBDCTL_CMD_DETACH);
	put_u32(&m, NBDCTL_A_DEVICE_INDEX, index);
	if (timeout)
		put_u32(&m, NBDCTL_A_DEVICE_DETACH_TIMEOUT, timeout);
	return nl_call(nl, &m);
}

int detach(struct nl *nl, int index, bool force)
{
	static struct msg m;
	int error, state;

	if (!force) {
		error = begin_detach(nl, index, 0);
		if (error)
			return error;
		do {
			nap();
			state = state_of(nl, index);
			/* the last is while the device gets its next disk */
		} while (state == NBDCTL_STATE_DRAINING || state == NBDCTL_STATE_DEAD ||
			 state == -ENODEV);
		return state == NBDCTL_STATE_LIVE || state == NBDCTL_STATE_WAITING ? EAGAIN : 0;
	}
	msg_begin(nl, &m, NBDCTL_CMD_DETACH);
	put_u32(&m, NBDCTL_A_DEVICE_INDEX, index);
	put_flag(&m, NBDCTL_A_DEVICE_FORCE);
	return nl_call(nl, &m);
}

int state_of(struct nl *nl, int index)
{
	static struct msg m;
	int error;

	msg_begin(nl, &m, NBDCTL_CMD_DEVICE_GET);
	put_u32(&m, NBDCTL_A_DEVICE_INDEX, index);
	error = nl_call(nl, &m);
	return error ? -error : (int)get_u32(reply_attrs(nl), NBDCTL_A_DEVICE_STATE);
}

bool wait_state(struct nl *nl, int index, int state, int ms)
{
	long long end = now_ms() + ms;

	while (state_of(nl, index) != state) {
		if (now_ms() > end)
			return false;
		nap();
	}
	return true;
}

long long read_number(const char *format, ...)
{
	long long value = -1;
	char path[128];
	va_list args;
	FILE *f;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	f = fopen(path, "r");
	if (f && fscanf(f, "%lld", &value) != 1)
		value = -1;
	if (f)
		fclose(f);
	return value;
}

/* udev looks into disks that have changed, and uses the module meanwhile */
bool wait_users(int most, int ms)
{
	long long end = now_ms() + ms;

	while (read_number("/sys/module/nbd/refcnt") > most) {
		if (now_ms() > end)
			return false;
		nap();
	}
	return true;
}

int open_disk(int index, int flags)
{
	char path[32];

	sprintf(path, "/dev/nbd%d", index);
	return open(path, flags | O_CLOEXEC);
}

int read_disk(int fd, uint64_t offset)
{
	static uint64_t words[512] __attribute__((aligned(4096)));
	size_t i;

	errno = 0;
	if (pread(fd, words, sizeof(words), offset) != (ssize_t)sizeof(words))
		return errno ?: ENODATA;
	for (i = 0; i < 512; i++)
		if (be64toh(words[i]) != offset + 8 * i + 1)
			return EILSEQ;
	return 0;
}

void map_node(int fd, uint32_t *major, uint32_t *minor)
{
	struct stat st = {};

	fstat(fd, &st);
	*major = major(st.st_rdev);
	*minor = minor(st.st_rdev);
}

int map_context(int fd, struct nbdmap_context *arg)
{
	map_node(fd, &arg->major, &arg->minor);
	return ioctl(fd, NBDMAP_IOC_CONTEXT, arg);
}

int map_status(int fd, struct nbdmap_status *arg)
{
	map_node(fd, &arg->major, &arg->minor);
	return ioctl(fd, NBDMAP_IOC_STATUS, arg);
}
