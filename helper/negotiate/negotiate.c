// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pass.h"
#include "base/process.h"
#include "negotiate/negotiate.h"
#include "negotiate/sandbox.h"

/* The child keeps to its own deadline, unless something holds it up. */
#define NEGOTIATION_GRACE_MS	1000
/* How long a child that was killed may take to end. */
#define NEGOTIATION_END_MS	200

/* Of the child: its socket to the parent, and the number of notes for this connection */
static int negotiation_mouth = -1;
static unsigned int negotiation_notes;

static void negotiation_say(enum log_level level, const char *text)
{
	/* The parent takes more for a violation. */
	if (negotiation_notes++ >= VERDICT_MAX_NOTES)
		return;
	verdict_say_note(negotiation_mouth, level, text);
}

/* Reads the first byte from the server: performs the handshake, and sends the result. */
static int negotiation_shake(const struct handshake_request *request, int fd,
			     struct deadline deadline, struct error *err)
{
	struct socket_transport st;
	struct export export;
	int rc;

	socket_transport_init(&st, fd, deadline);
	if (handshake_attach(&st.transport, request, &export, err))
		return -1;
	rc = verdict_say_export(negotiation_mouth, &export, fd);
	export_free(&export);
	return rc ? error_errno(err, EXIT_SYSTEM, -rc, "cannot pass the connection on") : 0;
}

static void negotiation_say_tried(void *context, const struct sockaddr *address, socklen_t length,
				  int rc, bool others)
{
	struct verdict_tried tried = { .length = length, .connected = !rc, .others = others };

	(void)context;
	memcpy(&tried.address, address, length);
	verdict_say_tried(negotiation_mouth, &tried);
}

static int negotiation_child(const struct negotiation_request *request, struct error *err)
{
	struct deadline deadline = deadline_in(request->milliseconds);
	int files[2], fd, rc;

	/* The lookup and the connection are made with the privileges of the parent. */
	fd = connect_target(&request->connect, &deadline, err);
	if (fd < 0)
		return -1;
	files[0] = fd;
	files[1] = negotiation_mouth;
	if (sandbox_enter(SANDBOX_WITH_PARENT, files, 2, err))
		return -1;
	verdict_say_connected(negotiation_mouth);
	rc = negotiation_shake(&request->handshake, fd, deadline, err);
	close(fd);
	return rc;
}

/* Waits for another connection, in the sandbox, and negotiates. */
static int negotiation_next(const struct handshake_request *request, struct error *err)
{
	struct pollfd pfd = { .fd = negotiation_mouth, .events = POLLIN };
	unsigned int milliseconds;
	ssize_t n;
	int fd, rc;

	do {
		poll(&pfd, 1, -1);
		n = pass_receive(negotiation_mouth, &milliseconds, sizeof(milliseconds), &fd);
	} while (n == -EAGAIN);
	if (n != sizeof(milliseconds) || fd < 0)
		_exit(0);
	negotiation_notes = 0;
	rc = negotiation_shake(request, fd, deadline_in(milliseconds), err);
	close(fd);
	return rc;
}

/* _exit(): what the parent has in memory, such as buffers of stdio, must not be flushed here. */
static void __attribute__((noreturn)) negotiation_run(const struct negotiation_request *request,
						      int fd)
{
	struct error err;
	int rc;

	negotiation_mouth = fd;
	log_divert(negotiation_say);
	rc = negotiation_child(request, &err);
	while (!rc && request->stays)
		rc = negotiation_next(&request->handshake, &err);
	if (rc)
		verdict_say_error(fd, &err);
	_exit(0);
}

/* Leaves no child behind, except one that cannot end. */
static void negotiation_end(struct negotiation *neg)
{
	siginfo_t ignored;

	close(neg->fd);
	kill(neg->pid, SIGKILL);
	if (!process_ended(neg->pid, NEGOTIATION_END_MS, 0, &ignored))
		neg->stuck = neg->pid;
	neg->pid = 0;
}

static struct deadline negotiation_deadline(unsigned int milliseconds)
{
	if (milliseconds < UINT_MAX - NEGOTIATION_GRACE_MS)
		milliseconds += NEGOTIATION_GRACE_MS;
	return deadline_in(milliseconds);
}

int negotiation_start(struct negotiation *neg, const struct negotiation_request *request,
		      struct error *err)
{
	struct negotiation_request careful = *request;
	siginfo_t ignored;
	int fds[2], rc;

	if (neg->stuck && process_ended(neg->stuck, 0, 0, &ignored))
		neg->stuck = 0;
	if (neg->stuck)
		careful.connect.no_lookup = true;
	careful.connect.tried = negotiation_say_tried;
	if (sandbox_prepare(err))
		return -1;
	rc = pass_pair(fds);
	if (rc)
		return error_errno(err, EXIT_SYSTEM, -rc, "cannot begin to negotiate");
	neg->pid = fork();
	if (neg->pid < 0) {
		neg->pid = 0;
		error_errno(err, EXIT_SYSTEM, errno, "cannot begin to negotiate");
		close(fds[0]);
		close(fds[1]);
		return -1;
	}
	if (!neg->pid) {
		close(fds[0]);
		negotiation_run(&careful, fds[1]);
	}
	close(fds[1]);
	neg->fd = fds[0];
	neg->stays = request->stays;
	neg->kind = request->connect.target->kind;
	neg->deadline = negotiation_deadline(request->milliseconds);
	neg->milliseconds = request->milliseconds;
	verdict_init(&neg->verdict);
	return 0;
}

int negotiation_more(struct negotiation *neg, int fd, unsigned int milliseconds, struct error *err)
{
	int rc = pass_send(neg->fd, &milliseconds, sizeof(milliseconds), fd);

	if (rc)
		return error_errno(err, EXIT_SYSTEM, -rc, "cannot pass a connection on");
	neg->milliseconds = milliseconds;
	neg->deadline = negotiation_deadline(milliseconds);
	return 0;
}

int negotiation_fd(const struct negotiation *neg)
{
	return neg->pid ? neg->fd : -1;
}

int negotiation_left(const struct negotiation *neg)
{
	return deadline_left(&neg->deadline);
}

/* The child has closed its socket without a result. */
static void negotiation_died(struct negotiation *neg)
{
	static const char process[] = "the process that talks to the server";
	struct error *err = &neg->verdict.error;
	siginfo_t info;
	bool killed;

	if (!process_ended(neg->pid, NEGOTIATION_END_MS, WNOWAIT, &info)) {
		error_set(err, EXIT_SYSTEM, "%s is unresponsive", process);
		goto fail;
	}
	killed = info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED;
	if (killed && info.si_status == SIGSYS)
		error_set(err, EXIT_SYSTEM, "%s was killed by the filter of system calls", process);
	else if (killed)
		error_set(err, EXIT_SYSTEM, "%s was killed by signal %d (%s)", process,
			  info.si_status, strsignal(info.si_status));
	else
		error_set(err, EXIT_SYSTEM, "%s ended without a result", process);
fail:
	verdict_fail(&neg->verdict);
}

bool negotiation_ready(struct negotiation *neg)
{
	while (!neg->verdict.over) {
		int rc = verdict_receive(&neg->verdict, neg->fd);

		if (!rc)
			return !negotiation_left(neg);
		if (rc < 0)
			negotiation_died(neg);
	}
	return true;
}

static void negotiation_late(struct negotiation *neg)
{
	error_set(&neg->verdict.error, EXIT_TIMEOUT, neg->verdict.connected ?
		  "the process that talks to the server takes too long" :
		  "looking up the server's name takes too long");
	verdict_fail(&neg->verdict);
}

static void negotiation_wait(struct negotiation *neg)
{
	struct pollfd pfd = { .fd = neg->fd, .events = POLLIN };

	while (!negotiation_ready(neg))
		poll(&pfd, 1, negotiation_left(neg));
	if (!neg->verdict.over)
		negotiation_late(neg);
}

static int socket_fact(int fd, int option)
{
	socklen_t len = sizeof(int);
	int value;

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) ? -1 : value;
}

/* True if this can be a connection to the server. */
static bool negotiation_fits(const struct negotiation *neg, int fd)
{
	int domain = socket_fact(fd, SO_DOMAIN);

	if (socket_fact(fd, SO_TYPE) != SOCK_STREAM)
		return false;
	switch (neg->kind) {
	case TARGET_TCP:
		return domain == AF_INET || domain == AF_INET6;
	case TARGET_UNIX:
		return domain == AF_UNIX;
	case TARGET_VSOCK:
		return domain == AF_VSOCK;
	}
	return false;
}

/* The next connection was made by the caller. */
static void negotiation_go_on(struct negotiation *neg)
{
	verdict_init(&neg->verdict);
	neg->verdict.connected = true;
	neg->deadline = negotiation_deadline(neg->milliseconds);
}

int negotiation_finish(struct negotiation *neg, struct export *export, int *fd, struct error *err)
{
	struct verdict *verdict = &neg->verdict;
	int flags;

	negotiation_wait(neg);
	if (verdict->socket >= 0) {
		flags = fcntl(verdict->socket, F_GETFL);
		/* Only the handshake needs a non-blocking socket. */
		if (!negotiation_fits(neg, verdict->socket) || flags < 0 ||
		    fcntl(verdict->socket, F_SETFL, flags & ~O_NONBLOCK)) {
			error_set(&verdict->error, EXIT_SYSTEM,
				  "the process that talks to the server passed a wrong socket");
			verdict_fail(verdict);
		}
	}
	if (verdict->socket < 0) {
		negotiation_end(neg);
		*err = verdict->error;
		return -1;
	}
	*export = verdict->export;
	*fd = verdict->socket;
	if (neg->stays)
		negotiation_go_on(neg);
	else
		negotiation_end(neg);
	return 0;
}

void negotiation_cancel(struct negotiation *neg)
{
	if (!neg->pid)
		return;
	negotiation_end(neg);
	verdict_free(&neg->verdict);
}
