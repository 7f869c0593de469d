// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/pass.h"
#include "base/process.h"
#include "base/transport.h"
#include "negotiate/connect.h"
#include "negotiate/connector.h"
#include "negotiate/target.h"

/* The child keeps to the time, unless a lookup holds it up. */
#define CONNECTOR_GRACE_MS	1000
/* How long the child may take to exit. */
#define CONNECTOR_END_MS	200

/*
 * getaddrinfo() has no timeout. The sandboxed process may neither kill this one nor wait for it,
 * and would leave it behind with its open files, such as a pipe to another program. So a timer ends
 * it.
 */
static void connector_limit(uint32_t milliseconds)
{
	struct itimerval limit = { .it_value = { .tv_sec = milliseconds / 1000 } };

	if (milliseconds)
		limit.it_value.tv_sec += 1 + CONNECTOR_GRACE_MS / 1000;
	setitimer(ITIMER_REAL, &limit, NULL);
}

static void connector_answer(int fd, struct connect_request *request, uint32_t milliseconds)
{
	static struct sockaddr_storage address;
	struct deadline deadline = deadline_in(milliseconds);
	struct error err = { .code = EXIT_DONE };
	int connection;

	connector_limit(milliseconds);
	connection = connect_target(request, &deadline, &err);
	connector_limit(0);
	/* Pin the address: what one server reports must not be mixed with what another does. */
	if (connection >= 0 && !request->pinned)
		connect_pin(request, connection, &address);
	pass_send(fd, &err, sizeof(err), connection);
	if (connection >= 0)
		close(connection);
}

/* The requester parses untrusted data: connect to this server only. */
static void __attribute__((noreturn)) connector_run(int fd, const struct target *target)
{
	struct connect_request request = { .target = target };
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	sigset_t none_blocked;
	uint32_t milliseconds;
	int none;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	signal(SIGALRM, SIG_DFL);
	sigemptyset(&none_blocked);
	sigprocmask(SIG_SETMASK, &none_blocked, NULL);
	for (;;) {
		poll(&pfd, 1, -1);
		if (pass_receive(fd, &milliseconds, sizeof(milliseconds), &none) !=
		    sizeof(milliseconds))
			_exit(0);
		connector_answer(fd, &request, milliseconds);
	}
}

int connector_start(struct connector *connector, const struct target *target, struct error *err)
{
	int fds[2], rc;

	rc = pass_pair(fds);
	if (rc)
		return error_errno(err, EXIT_SYSTEM, -rc, "cannot begin to connect");
	connector->pid = fork();
	if (connector->pid < 0) {
		error_errno(err, EXIT_SYSTEM, errno, "cannot begin to connect");
		close(fds[0]);
		close(fds[1]);
		return -1;
	}
	if (!connector->pid) {
		close(fds[0]);
		connector_run(fds[1], target);
	}
	close(fds[1]);
	connector->fd = fds[0];
	connector->host = target->host;
	return 0;
}

int connector_connect(struct connector *connector, uint32_t milliseconds, struct error *err)
{
	struct deadline deadline = deadline_in(milliseconds);
	struct pollfd pfd = { .fd = connector->fd, .events = POLLIN };
	int connection, rc, left;

	rc = pass_send(connector->fd, &milliseconds, sizeof(milliseconds), -1);
	if (rc)
		return error_errno(err, EXIT_SYSTEM, -rc, "cannot request a connection");
	do {
		left = deadline_left(&deadline);
		rc = poll(&pfd, 1, left < INT_MAX - CONNECTOR_GRACE_MS ?
			  left + CONNECTOR_GRACE_MS : INT_MAX);
	} while (rc < 0 && errno == EINTR);
	if (!rc) {
		/* A late reply must not be taken for that to the next request. */
		connector_stop(connector);
		return error_set(err, EXIT_TIMEOUT, "looking up \"%s\" takes too long",
				 connector->host);
	}
	if (pass_receive(connector->fd, err, sizeof(*err), &connection) != sizeof(*err))
		return error_set(err, EXIT_SYSTEM, "the process that connects has ended");
	return connection;
}

void connector_stop(struct connector *connector)
{
	siginfo_t ignored;

	if (connector->fd < 0)
		return;
	close(connector->fd);
	connector->fd = -1;
	process_ended(connector->pid, CONNECTOR_END_MS, 0, &ignored);
}
