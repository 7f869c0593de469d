// SPDX-License-Identifier: GPL-2.0-only
/* Servers, the handshake phase ("Fixed newstyle negotiation" in the NBD protocol), and devices. */
#include <endian.h>
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "uapi.h"

#define OPT_GO			7u
#define OPT_STRUCTURED		8u
#define OPT_SET_CONTEXT		10u
#define REP_ACK			1u
#define REP_INFO		3u
#define REP_CONTEXT		4u

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
		errx(1, "the server has disconnected in the handshake");
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

static int connect_with(const struct server *s, struct export *x, bool structured)
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
	if (structured) {
		option(fd, OPT_STRUCTURED, NULL, 0);
		x->structured = option_reply(fd, buf, sizeof(buf), &len) == REP_ACK;
	}
	if (x->structured && x->nr)
		ask_contexts(fd, x);
	go(fd, x);
	return fd;
}

int server_connect(const struct server *s, struct export *x)
{
	return connect_with(s, x, true);
}

int server_connect_simple(const struct server *s, struct export *x)
{
	return connect_with(s, x, false);
}

void socket_pair(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		err(1, "socketpair");
}
