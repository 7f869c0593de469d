// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "connect.h"
#include "error.h"
#include "log.h"
#include "target.h"
#include "text.h"
#include "transport.h"

/* A lookup that libc may go on with after we have given up. */
struct lookup {
	struct gaicb request;
	struct addrinfo hints;
	char host[TARGET_HOST_MAX + 1];
	char port[8];
};

static enum exit_code connect_code(int errnum)
{
	switch (errnum) {
	case EACCES:
	case EPERM:
		return EXIT_PERMISSION;
	case ETIMEDOUT:
		return EXIT_TIMEOUT;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOBUFS:
	case EAFNOSUPPORT:
		return EXIT_SYSTEM;
	default:
		return EXIT_REACH;
	}
}

/* Waits for a connect that is under way. */
static int connect_finish(int fd, const struct deadline *deadline)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int rc, error;

	do {
		rc = deadline_left(deadline);
		rc = rc ? poll(&pfd, 1, rc) : 0;
	} while (rc < 0 && errno == EINTR);
	if (!rc)
		return -ETIMEDOUT;
	if (rc < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
		return -errno;
	return -error;
}

/*
 * A Unix socket whose backlog is full says EAGAIN and cannot be waited for,
 * so that is asked again until the deadline.
 */
static int connect_retry(int fd, const struct sockaddr *address, socklen_t len,
			 const struct deadline *deadline)
{
	const int pause = 50;

	while (connect(fd, address, len)) {
		if (errno == EINPROGRESS || errno == EINTR)
			return connect_finish(fd, deadline);
		if (errno != EAGAIN)
			return -errno;
		if (deadline_left(deadline) <= pause)
			return -ETIMEDOUT;
		poll(NULL, 0, pause);
	}
	return 0;
}

/* Returns a connected socket or a negative errno. */
static int connect_address(const struct sockaddr *address, socklen_t len,
			   const struct deadline *deadline)
{
	int fd, rc, on = 1;

	fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	rc = connect_retry(fd, address, len, deadline);
	if (rc)
		goto close;
	if (address->sa_family != AF_INET && address->sa_family != AF_INET6)
		return fd;
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on))) {
		rc = -errno;
		goto close;
	}
	return fd;

close:
	close(fd);
	return rc;
}

static int connect_lookup_error(const struct target *target, int rc, struct error *err)
{
	if (rc == EAI_SYSTEM)
		return error_errno(err, EXIT_REACH, errno, "cannot look up \"%s\"", target->host);
	return error_set(err, EXIT_REACH, "cannot look up \"%s\": %s", target->host,
			 gai_strerror(rc));
}

static void connect_lookup_init(struct lookup *lookup, const struct target *target)
{
	strcpy(lookup->host, target->host);
	snprintf(lookup->port, sizeof(lookup->port), "%u", target->port);
	lookup->hints.ai_socktype = SOCK_STREAM;
	lookup->hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
	/* Loopback addresses have to work on a host without a network. */
	if (strchr(lookup->host, ':') || !lookup->host[strspn(lookup->host, "0123456789.")] ||
	    !strcmp(lookup->host, "localhost"))
		lookup->hints.ai_flags &= ~AI_ADDRCONFIG;
	lookup->request.ar_name = lookup->host;
	lookup->request.ar_service = lookup->port;
	lookup->request.ar_request = &lookup->hints;
}

/* Returns what gai_error() says when the lookup or the time has ended. */
static int connect_lookup_wait(struct lookup *lookup, const struct deadline *deadline)
{
	const struct gaicb *requests[] = { &lookup->request };
	struct timespec left;
	int rc;

	do {
		rc = deadline_left(deadline);
		left.tv_sec = rc / 1000;
		left.tv_nsec = rc % 1000 * 1000000L;
		gai_suspend(requests, 1, &left);
		rc = gai_error(&lookup->request);
	} while (rc == EAI_INPROGRESS && deadline_left(deadline));
	return rc;
}

/* getaddrinfo() that keeps to the deadline. */
static int connect_lookup(const struct target *target, const struct deadline *deadline,
			  struct addrinfo **list, struct error *err)
{
	struct sigevent no_event = { .sigev_notify = SIGEV_NONE };
	struct lookup *lookup = calloc(1, sizeof(*lookup));
	struct gaicb *requests[1];
	int rc;

	if (!lookup)
		return error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot look up \"%s\"", target->host);
	connect_lookup_init(lookup, target);
	requests[0] = &lookup->request;
	rc = getaddrinfo_a(GAI_NOWAIT, requests, 1, &no_event);
	if (!rc)
		rc = connect_lookup_wait(lookup, deadline);
	if (rc == EAI_INPROGRESS) {
		/* libc may still write to it; then it must not be freed. */
		if (gai_cancel(&lookup->request) == EAI_CANCELED)
			free(lookup);
		error_set(err, EXIT_TIMEOUT, "looking up \"%s\" takes too long", target->host);
		return -1;
	}
	*list = lookup->request.ar_result;
	free(lookup);
	return rc ? connect_lookup_error(target, rc, err) : 0;
}

static void connect_note(const struct addrinfo *address, int rc)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (getnameinfo(address->ai_addr, address->ai_addrlen, host, sizeof(host), port,
			sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV))
		return;
	log_note("%s port %s: %s", host, port, rc < 0 ? strerror(-rc) : "connected");
}

static int connect_tcp(const struct target *target, const struct deadline *deadline,
		       struct error *err)
{
	struct addrinfo *list = NULL, *address;
	struct deadline turn;
	unsigned int left = 0;
	int fd = -EADDRNOTAVAIL;

	if (connect_lookup(target, deadline, &list, err))
		return -1;
	for (address = list; address; address = address->ai_next)
		left++;
	/* An address that swallows packets must leave time for those behind it. */
	for (address = list; address; address = address->ai_next, left--) {
		turn = deadline_in(deadline_left(deadline) / left);
		fd = connect_address(address->ai_addr, address->ai_addrlen, &turn);
		connect_note(address, fd);
		if (fd >= 0)
			break;
	}
	freeaddrinfo(list);
	if (fd >= 0)
		return fd;
	error_errno(err, connect_code(-fd), -fd, "cannot connect to %s port %u", target->host,
		    target->port);
	if (fd == -ECONNREFUSED)
		error_hint(err, "is a server running there, and is the port right?");
	return -1;
}

static int connect_unix(const struct target *target, const struct deadline *deadline,
			struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t len = offsetof(struct sockaddr_un, sun_path) + target->path_length;
	char path[TEXT_ESCAPED_MAX(TARGET_PATH_MAX)];
	int fd;

	memcpy(address.sun_path, target->path, target->path_length);
	/* The length is part of an abstract name; a path is counted with its NUL. */
	if (target->path[0])
		len++;
	fd = connect_address((struct sockaddr *)&address, len, deadline);
	if (fd >= 0)
		return fd;
	text_escape(path, sizeof(path), target->path, target->path_length);
	error_errno(err, connect_code(-fd), -fd, "cannot connect to Unix socket %s", path);
	if (fd == -ECONNREFUSED || fd == -ENOENT)
		error_hint(err, "is the server running?");
	return -1;
}

static int connect_vsock(const struct target *target, const struct deadline *deadline,
			 struct error *err)
{
	struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = target->cid,
		.svm_port = target->port,
	};
	int fd;

	fd = connect_address((struct sockaddr *)&address, sizeof(address), deadline);
	if (fd >= 0)
		return fd;
	error_errno(err, connect_code(-fd), -fd, "cannot connect to vsock %u:%u", target->cid,
		    target->port);
	if (fd == -EAFNOSUPPORT)
		error_hint(err, "load the vsock modules of this kernel");
	return -1;
}

int connect_target(const struct target *target, const struct deadline *deadline, struct error *err)
{
	switch (target->kind) {
	case TARGET_TCP:
		return connect_tcp(target, deadline, err);
	case TARGET_UNIX:
		return connect_unix(target, deadline, err);
	case TARGET_VSOCK:
		return connect_vsock(target, deadline, err);
	}
	return error_set(err, EXIT_SYSTEM, "unknown kind of address");
}
