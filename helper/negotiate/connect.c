// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "base/transport.h"
#include "negotiate/connect.h"
#include "negotiate/peers.h"
#include "negotiate/target.h"

/* The kernel's maximum of TCP_KEEPIDLE and TCP_KEEPINTVL in seconds, and our TCP_KEEPCNT */
#define CONNECT_KEEPALIVE_MAX_S		32767
#define CONNECT_KEEPALIVE_PROBES	3
/* Most addresses of a name that are tried. */
#define CONNECT_MAX_ADDRESSES		32
/* Head start of an address over the next one: of any, and of one where the server was before. */
#define CONNECT_ALONE_MS		250
#define CONNECT_KNOWN_MS		3000

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

static int connect_error(int fd)
{
	socklen_t len = sizeof(int);
	int error;

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) ? -errno : -error;
}

/* Waits for a connect() in progress. */
static int connect_finish(int fd, const struct deadline *deadline)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	int rc;

	do {
		rc = deadline_left(deadline);
		rc = rc ? poll(&pfd, 1, rc) : 0;
	} while (rc < 0 && errno == EINTR);
	if (!rc)
		return -ETIMEDOUT;
	return rc < 0 ? -errno : connect_error(fd);
}

/*
 * A Unix socket whose backlog is full fails with EAGAIN, and poll() does not wait for space there.
 * So try again until the deadline.
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

static int connect_set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) ? -errno : 0;
}

/*
 * Probes an idle connection three times, from half of the time on. Data that is not acknowledged
 * within this time ends the connection, too.
 */
static int connect_watch_peer(int fd, uint32_t milliseconds)
{
	int rc, seconds = milliseconds / 1000;
	int idle = seconds / 2, pause = seconds / (2 * CONNECT_KEEPALIVE_PROBES);

	rc = connect_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	if (rc || !milliseconds)
		return rc;
	idle = idle < 1 ? 1 : idle > CONNECT_KEEPALIVE_MAX_S ? CONNECT_KEEPALIVE_MAX_S : idle;
	pause = pause < 1 ? 1 : pause > CONNECT_KEEPALIVE_MAX_S ? CONNECT_KEEPALIVE_MAX_S : pause;
	rc = connect_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle);
	if (!rc)
		rc = connect_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, pause);
	if (!rc)
		rc = connect_set(fd, IPPROTO_TCP, TCP_KEEPCNT, CONNECT_KEEPALIVE_PROBES);
	if (!rc)
		rc = connect_set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
				 milliseconds < INT_MAX ? milliseconds : INT_MAX);
	return rc;
}

static int connect_set_up(const struct connect_request *request, int fd, int family)
{
	int rc;

	if (family != AF_INET && family != AF_INET6)
		return 0;
	rc = connect_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	return rc ? rc : connect_watch_peer(fd, request->peer_timeout);
}

static int connect_socket(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

/* Returns a connected socket or a negative errno. */
static int connect_address(const struct connect_request *request, const struct sockaddr *address,
			   socklen_t len, const struct deadline *deadline)
{
	int fd, rc;

	fd = connect_socket(address->sa_family);
	if (fd < 0)
		return fd;
	rc = connect_retry(fd, address, len, deadline);
	if (!rc)
		rc = connect_set_up(request, fd, address->sa_family);
	if (!rc)
		return fd;
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

static int connect_lookup(const struct connect_request *request, struct addrinfo **list,
			  struct error *err)
{
	const struct target *target = request->target;
	const char *host = target->host;
	struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV,
	};
	char port[8];
	int rc;

	snprintf(port, sizeof(port), "%u", target->port);
	/* AI_ADDRCONFIG would reject loopback addresses on a host without a network. */
	if (strchr(host, ':') || !host[strspn(host, "0123456789.")] || !strcmp(host, "localhost"))
		hints.ai_flags &= ~AI_ADDRCONFIG;
	if (request->no_lookup)
		hints.ai_flags |= AI_NUMERICHOST;
	rc = getaddrinfo(host, port, &hints, list);
	return rc ? connect_lookup_error(target, rc, err) : 0;
}

static void connect_note(const struct sockaddr *address, socklen_t len, int rc)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (!log_is_verbose())
		return;
	if (getnameinfo(address, len, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV))
		return;
	log_note("%s port %s: %s", host, port, rc < 0 ? strerror(-rc) : "connected");
}

static void connect_tell(const struct connect_request *request, const struct sockaddr *address,
			 socklen_t len, int rc, bool others)
{
	connect_note(address, len, rc);
	if (request->tried)
		request->tried(request->context, address, len, rc, others);
}

static int connect_only(const struct connect_request *request, const struct deadline *deadline)
{
	int fd = connect_address(request, request->address, request->address_length, deadline);

	connect_tell(request, request->address, request->address_length, fd < 0 ? fd : 0, false);
	return fd;
}

/**
 * struct race - attempts to connect to the addresses of a name; the first success wins
 * @known: the first address is that of @request
 * @n: how many addresses there are
 * @begun: how many of them have been tried
 * @running: how many attempts are in progress
 * @fds: the sockets; -1 for attempts that have ended
 * @rc: negative errno of the last attempt that failed
 */
struct race {
	const struct connect_request *request;
	bool known;
	unsigned int n;
	unsigned int begun;
	unsigned int running;
	const struct addrinfo *addresses[CONNECT_MAX_ADDRESSES];
	struct pollfd fds[CONNECT_MAX_ADDRESSES];
	int rc;
};

/* Collects the addresses that may be tried; the one that worked before comes first. */
static void race_enter(struct race *race, const struct addrinfo *list)
{
	const struct connect_request *request = race->request;

	for (; list && race->n < CONNECT_MAX_ADDRESSES; list = list->ai_next) {
		if (request->avoid &&
		    request->avoid(request->context, list->ai_addr, list->ai_addrlen))
			continue;
		race->addresses[race->n] = list;
		if (request->address && peers_is_same(list->ai_addr, list->ai_addrlen,
						      request->address, request->address_length)) {
			memmove(&race->addresses[1], &race->addresses[0],
				race->n * sizeof(race->addresses[0]));
			race->addresses[0] = list;
			race->known = true;
		}
		race->n++;
	}
}

/* Ends an attempt with @rc, 0 or a negative errno. Returns its socket, or a negative errno. */
static int race_over(struct race *race, unsigned int i, int rc)
{
	const struct addrinfo *address = race->addresses[i];
	int fd = race->fds[i].fd;

	race->fds[i].fd = -1;
	race->running--;
	if (!rc)
		rc = connect_set_up(race->request, fd, address->ai_family);
	connect_tell(race->request, address->ai_addr, address->ai_addrlen, rc,
		     race->running || race->begun < race->n);
	if (!rc)
		return fd;
	if (fd >= 0)
		close(fd);
	race->rc = rc;
	return rc;
}

/* Starts the next attempt. Returns a socket that is connected at once, or a negative errno. */
static int race_begin(struct race *race)
{
	unsigned int i = race->begun++;
	const struct addrinfo *address = race->addresses[i];
	int fd = connect_socket(address->ai_family);

	race->fds[i] = (struct pollfd){ .fd = fd < 0 ? -1 : fd, .events = POLLOUT };
	race->running++;
	if (fd < 0)
		return race_over(race, i, fd);
	if (!connect(fd, address->ai_addr, address->ai_addrlen))
		return race_over(race, i, 0);
	return errno == EINPROGRESS ? -EINPROGRESS : race_over(race, i, -errno);
}

/* Waits for an attempt to succeed, and ends those that fail. Returns a socket or -EINPROGRESS. */
static int race_wait(struct race *race, int milliseconds)
{
	unsigned int i;
	int fd;

	if (poll(race->fds, race->begun, milliseconds) <= 0)
		return -EINPROGRESS;
	for (i = 0; i < race->begun; i++) {
		if (race->fds[i].fd < 0 || !race->fds[i].revents)
			continue;
		fd = race_over(race, i, connect_error(race->fds[i].fd));
		if (fd >= 0)
			return fd;
	}
	return -EINPROGRESS;
}

static int race_run(struct race *race, const struct deadline *deadline)
{
	struct deadline alone = deadline_in(0);
	int left, turn, fd;

	while (race->running || race->begun < race->n) {
		left = deadline_left(deadline);
		if (!left)
			return -ETIMEDOUT;
		turn = race->begun < race->n ? deadline_left(&alone) : left;
		if (race->begun < race->n && (!race->running || !turn)) {
			fd = race_begin(race);
			alone = deadline_in(race->known && race->begun == 1 ? CONNECT_KNOWN_MS :
									      CONNECT_ALONE_MS);
		} else {
			fd = race_wait(race, turn < left ? turn : left);
		}
		if (fd >= 0)
			return fd;
	}
	return race->rc;
}

/*
 * An address whose packets are dropped, such as one of an address family without connectivity, must
 * not hold up the others. So an attempt does not wait long for those before it, and the first
 * connection is used (RFC 8305, section 5).
 */
static int connect_list(const struct connect_request *request, const struct addrinfo *list,
			const struct deadline *deadline)
{
	struct race race = { .request = request, .rc = -EADDRNOTAVAIL };
	unsigned int i;
	int fd;

	race_enter(&race, list);
	fd = race_run(&race, deadline);
	for (i = 0; i < race.begun; i++) {
		if (race.fds[i].fd < 0)
			continue;
		if (fd < 0)
			race_over(&race, i, -ETIMEDOUT);
		else
			close(race.fds[i].fd);
	}
	return fd;
}

static int connect_failed(const struct target *target, int rc, struct error *err)
{
	error_errno(err, connect_code(-rc), -rc, "cannot connect to %s port %u", target->host,
		    target->port);
	if (rc == -ECONNREFUSED)
		error_hint(err, "check that the server is running, and its port");
	return -1;
}

static int connect_tcp(const struct connect_request *request, const struct deadline *deadline,
		       struct error *err)
{
	struct addrinfo *list = NULL;
	int fd;

	/* If the lookup fails, the server may still be where it was. */
	if (request->pinned || connect_lookup(request, &list, err)) {
		if (!request->address)
			return -1;
		fd = connect_only(request, deadline);
	} else {
		fd = connect_list(request, list, deadline);
		freeaddrinfo(list);
	}
	return fd < 0 ? connect_failed(request->target, fd, err) : fd;
}

static int connect_unix(const struct connect_request *request, const struct deadline *deadline,
			struct error *err)
{
	const struct target *target = request->target;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t len = offsetof(struct sockaddr_un, sun_path) + target->path_length;
	char path[TEXT_ESCAPED_MAX(TARGET_PATH_MAX)];
	int fd;

	memcpy(address.sun_path, target->path, target->path_length);
	/* An abstract name has no terminating NUL; that of a path counts. */
	if (target->path[0])
		len++;
	fd = connect_address(request, (struct sockaddr *)&address, len, deadline);
	if (fd >= 0)
		return fd;
	text_escape(path, sizeof(path), target->path, target->path_length);
	error_errno(err, connect_code(-fd), -fd, "cannot connect to Unix socket %s", path);
	if (fd == -ECONNREFUSED || fd == -ENOENT)
		error_hint(err, "check that the server is running");
	return -1;
}

static int connect_vsock(const struct connect_request *request, const struct deadline *deadline,
			 struct error *err)
{
	const struct target *target = request->target;
	struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = target->cid,
		.svm_port = target->port,
	};
	int fd;

	fd = connect_address(request, (struct sockaddr *)&address, sizeof(address), deadline);
	if (fd >= 0)
		return fd;
	error_errno(err, connect_code(-fd), -fd, "cannot connect to vsock %u:%u", target->cid,
		    target->port);
	if (fd == -EAFNOSUPPORT)
		error_hint(err, "load the vsock modules of this kernel");
	return -1;
}

socklen_t connect_peer(int fd, struct sockaddr_storage *address)
{
	socklen_t length = sizeof(*address);

	if (getpeername(fd, (struct sockaddr *)address, &length) ||
	    (address->ss_family != AF_INET && address->ss_family != AF_INET6))
		return 0;
	return length;
}

void connect_pin(struct connect_request *request, int fd, struct sockaddr_storage *room)
{
	socklen_t length = connect_peer(fd, room);

	if (!length)
		return;
	request->address = (struct sockaddr *)room;
	request->address_length = length;
	request->pinned = true;
}

int connect_target(const struct connect_request *request, const struct deadline *deadline,
		   struct error *err)
{
	switch (request->target->kind) {
	case TARGET_TCP:
		return connect_tcp(request, deadline, err);
	case TARGET_UNIX:
		return connect_unix(request, deadline, err);
	case TARGET_VSOCK:
		return connect_vsock(request, deadline, err);
	}
	return error_set(err, EXIT_SYSTEM, "unknown kind of address");
}
