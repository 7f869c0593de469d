// SPDX-License-Identifier: GPL-2.0-only
/* Connections to real sockets: addresses, deadlines, and what a socket is like afterwards. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "unit.h"

#include "base/error.h"
#include "base/transport.h"
#include "negotiate/connect.h"
#include "negotiate/target.h"

static struct target *target;
static struct error err;

static int setup(void **state)
{
	(void)state;
	target = malloc(sizeof(*target));
	target_init(target);
	memset(&err, 0, sizeof(err));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(target);
	return 0;
}

static int listen_tcp(uint32_t *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(listen(fd, 5), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

static int listen_unix(const char *path, size_t length, int backlog)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(address.sun_path, path, length);
	assert_int_equal(bind(fd, (struct sockaddr *)&address,
			      offsetof(struct sockaddr_un, sun_path) + length), 0);
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static int connect_as(const struct connect_request *request, unsigned int milliseconds)
{
	struct deadline deadline = deadline_in(milliseconds);

	return connect_target(request, &deadline, &err);
}

static int connect_within(unsigned int milliseconds)
{
	const struct connect_request request = { .target = target };

	return connect_as(&request, milliseconds);
}

static int socket_option(int fd, int level, int option)
{
	socklen_t len = sizeof(int);
	int value = -1;

	getsockopt(fd, level, option, &value, &len);
	return value;
}

static void test_tcp(void **state)
{
	int server, fd;

	(void)state;
	server = listen_tcp(&target->port);
	strcpy(target->host, "127.0.0.1");
	fd = connect_within(5000);
	assert_true(fd >= 0);
	assert_true(socket_option(fd, IPPROTO_TCP, TCP_NODELAY) > 0);
	assert_true(socket_option(fd, SOL_SOCKET, SO_KEEPALIVE) > 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	close(fd);
	close(server);
}

static void check_peer_timeout(uint32_t milliseconds, int idle, int pause, int most)
{
	const struct connect_request request = { .target = target, .peer_timeout = milliseconds };
	int fd = connect_as(&request, 5000);

	assert_true(fd >= 0);
	assert_true(socket_option(fd, SOL_SOCKET, SO_KEEPALIVE) > 0);
	assert_int_equal(socket_option(fd, IPPROTO_TCP, TCP_KEEPIDLE), idle);
	assert_int_equal(socket_option(fd, IPPROTO_TCP, TCP_KEEPINTVL), pause);
	assert_int_equal(socket_option(fd, IPPROTO_TCP, TCP_KEEPCNT), 3);
	assert_int_equal(socket_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), most);
	close(fd);
}

static void test_peer_timeout(void **state)
{
	int server, fd;

	(void)state;
	server = listen_tcp(&target->port);
	strcpy(target->host, "127.0.0.1");
	check_peer_timeout(30000, 15, 5, 30000);
	check_peer_timeout(1, 1, 1, 1);
	check_peer_timeout(UINT32_MAX - 1, 32767, 32767, INT32_MAX);
	/* Left to the system. */
	fd = connect_within(5000);
	assert_int_equal(socket_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
	close(fd);
	close(server);
}

/* Where the server was before is tried first, and is all that is tried without look-ups. */
static void test_known_address(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	struct connect_request request = {
		.target = target,
		.address = (struct sockaddr *)&address,
		.address_length = sizeof(address),
		.no_lookup = true,
	};
	int server, fd;

	(void)state;
	server = listen_tcp(&target->port);
	strcpy(target->host, "no-such-host.invalid");
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons(target->port);
	fd = connect_as(&request, 5000);
	assert_true(fd >= 0);
	close(fd);
	close(server);
	assert_int_equal(connect_as(&request, 5000), -1);
	assert_int_equal(err.code, EXIT_REACH);
	assert_non_null(strstr(err.cause, "Connection refused"));
	/* A host that is an address needs no looking up; the known one is another. */
	server = listen_tcp(&target->port);
	strcpy(target->host, "127.0.0.1");
	fd = connect_as(&request, 5000);
	assert_true(fd >= 0);
	close(fd);
	close(server);
	request.address = NULL;
	strcpy(target->host, "no-such-host.invalid");
	assert_int_equal(connect_as(&request, 5000), -1);
	assert_non_null(strstr(err.cause, "cannot look up"));
}

/* A further connection goes to the address of the first, or nowhere. */
static void test_pinned(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	const struct connect_request request = {
		.target = target,
		.address = (struct sockaddr *)&address,
		.address_length = sizeof(address),
		.pinned = true,
	};
	int server, other, fd;

	(void)state;
	other = listen_tcp(&target->port);
	address.sin_port = htons(target->port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server = listen_tcp(&target->port);
	strcpy(target->host, "127.0.0.1");
	fd = connect_as(&request, 5000);
	assert_true(fd >= 0);
	close(fd);
	close(other);
	/* The name leads to a server that listens; it is not asked. */
	assert_int_equal(connect_as(&request, 5000), -1);
	assert_int_equal(err.code, EXIT_REACH);
	close(server);
}

struct heard {
	unsigned int n;
	int rc;
	bool others;
	bool avoid_all;
};

static bool avoid(void *context, const struct sockaddr *address, socklen_t length)
{
	const struct heard *heard = context;

	assert_true(address->sa_family == AF_INET && length == sizeof(struct sockaddr_in));
	return heard->avoid_all;
}

static void tried(void *context, const struct sockaddr *address, socklen_t length, int rc,
		  bool others)
{
	struct heard *heard = context;

	assert_true(address->sa_family == AF_INET && length == sizeof(struct sockaddr_in));
	heard->n++;
	heard->rc = rc;
	heard->others = others;
}

/* Each address that is tried is told; one that is to be left alone is not tried. */
static void test_tried(void **state)
{
	struct heard heard = { 0 };
	const struct connect_request request = {
		.target = target,
		.avoid = avoid,
		.tried = tried,
		.context = &heard,
	};
	int server, fd;

	(void)state;
	server = listen_tcp(&target->port);
	strcpy(target->host, "127.0.0.1");
	fd = connect_as(&request, 5000);
	assert_true(fd >= 0);
	assert_int_equal(heard.n, 1);
	assert_int_equal(heard.rc, 0);
	assert_false(heard.others);
	close(fd);
	heard.avoid_all = true;
	assert_int_equal(connect_as(&request, 5000), -1);
	assert_int_equal(heard.n, 1);
	close(server);
	heard.avoid_all = false;
	assert_int_equal(connect_as(&request, 5000), -1);
	assert_int_equal(heard.n, 2);
	assert_int_equal(heard.rc, -ECONNREFUSED);
}

/* "localhost" may come with ::1 first; the address that listens is found. */
static void test_all_addresses(void **state)
{
	int server, fd;

	(void)state;
	server = listen_tcp(&target->port);
	strcpy(target->host, "localhost");
	fd = connect_within(5000);
	assert_true(fd >= 0);
	close(fd);
	close(server);
}

/* "::1" with that port, whose queue is full, so that it swallows packets; -1 without IPv6 */
static int listen_full(uint32_t port, int *clients, unsigned int n)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	const int on = 1;

	address.sin6_addr = in6addr_loopback;
	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 0))
		return -1;
	while (n--) {
		clients[n] = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(clients[n], (struct sockaddr *)&address, sizeof(address));
	}
	return fd;
}

/* A family that leads nowhere costs a moment, not half of the time. */
static void test_dead_family(void **state)
{
	struct deadline soon = deadline_in(20000);
	int server, full, fd, clients[4], i;

	(void)state;
	server = listen_tcp(&target->port);
	full = listen_full(target->port, clients, N_ELEMENTS(clients));
	if (full < 0)
		skip_as("no IPv6");
	strcpy(target->host, "localhost");
	fd = connect_within(60000);
	assert_true(fd >= 0);
	assert_true(deadline_left(&soon) > 0);
	close(fd);
	for (i = 0; i < (int)N_ELEMENTS(clients); i++)
		close(clients[i]);
	close(full);
	close(server);
}

static void test_refused(void **state)
{
	(void)state;
	close(listen_tcp(&target->port));
	strcpy(target->host, "127.0.0.1");
	assert_int_equal(connect_within(5000), -1);
	assert_int_equal(err.code, EXIT_REACH);
	assert_non_null(strstr(err.cause, "Connection refused"));
}

static void test_unknown_host(void **state)
{
	(void)state;
	strcpy(target->host, "no-such-host.invalid");
	assert_int_equal(connect_within(20000), -1);
	assert_true(err.code == EXIT_REACH || err.code == EXIT_TIMEOUT);
	assert_non_null(strstr(err.cause, "no-such-host.invalid"));
}

static void test_abstract(void **state)
{
	char name[40] = "";
	size_t length;
	int server, fd;

	(void)state;
	/* With NUL inside: the length counts, not the first NUL. */
	length = 1 + sprintf(name + 1, "nbd-unit-%d", getpid());
	name[length++] = '\0';
	name[length++] = 'x';
	server = listen_unix(name, length, 5);
	target->kind = TARGET_UNIX;
	memcpy(target->path, name, length);
	target->path_length = length;
	fd = connect_within(5000);
	assert_true(fd >= 0);
	close(fd);
	target->path_length--;
	assert_int_equal(connect_within(5000), -1);
	assert_int_equal(err.code, EXIT_REACH);
	assert_non_null(strstr(err.cause, "\\x00nbd-unit-"));
	close(server);
}

static void test_path(void **state)
{
	int server, fd;

	(void)state;
	target->kind = TARGET_UNIX;
	target->path_length = sprintf(target->path, "/tmp/nbd-unit-%d.sock", getpid());
	assert_int_equal(connect_within(1000), -1);
	assert_int_equal(err.code, EXIT_REACH);
	server = listen_unix(target->path, target->path_length + 1, 5);
	fd = connect_within(1000);
	assert_true(fd >= 0);
	close(fd);
	close(server);
	unlink(target->path);
}

/* A server that never accepts holds nobody up for longer than the deadline. */
static void test_full_backlog(void **state)
{
	int server, fds[64], n = 0;

	(void)state;
	target->kind = TARGET_UNIX;
	target->path_length = 1 + sprintf(target->path + 1, "nbd-unit-full-%d", getpid());
	server = listen_unix(target->path, target->path_length, 0);
	while (n < 64) {
		fds[n] = connect_within(300);
		if (fds[n] < 0)
			break;
		n++;
	}
	assert_true(n < 64);
	assert_int_equal(err.code, EXIT_TIMEOUT);
	while (n)
		close(fds[--n]);
	close(server);
}

static void test_transport_deadline(void **state)
{
	struct socket_transport st;
	char buf[8];
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	socket_transport_init(&st, fds[0], deadline_in(200));
	assert_int_equal(st.transport.write(&st.transport, "hello", 5), 0);
	assert_int_equal(read(fds[1], buf, sizeof(buf)), 5);
	assert_int_equal(write(fds[1], "abcd", 4), 4);
	assert_int_equal(st.transport.read(&st.transport, buf, 3), 0);
	assert_memory_equal(buf, "abc", 3);
	assert_int_equal(st.transport.read(&st.transport, buf, 2), -ETIMEDOUT);
	/* Once it has passed, even bytes that are there come too late. */
	assert_int_equal(write(fds[1], "efgh", 4), 4);
	assert_int_equal(st.transport.read(&st.transport, buf, 2), -ETIMEDOUT);
	close(fds[1]);
	socket_transport_init(&st, fds[0], deadline_in(200));
	assert_int_equal(st.transport.read(&st.transport, buf, 4), 0);
	assert_int_equal(st.transport.read(&st.transport, buf, 1), -ENOTCONN);
	/* No signal comes of writing to a closed peer. */
	assert_int_equal(st.transport.write(&st.transport, "x", 1), -EPIPE);
	close(fds[0]);
}

/* Exact reads: what was not asked for stays in the socket. */
static void test_transport_exact(void **state)
{
	struct socket_transport st;
	char buf[8];
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	socket_transport_init(&st, fds[0], deadline_in(5000));
	assert_int_equal(write(fds[1], "abcdef", 6), 6);
	assert_int_equal(st.transport.read(&st.transport, buf, 2), 0);
	assert_int_equal(recv(fds[0], buf, sizeof(buf), MSG_DONTWAIT), 4);
	assert_memory_equal(buf, "cdef", 4);
	close(fds[0]);
	close(fds[1]);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tcp),
		TEST(peer_timeout),
		TEST(known_address),
		TEST(pinned),
		TEST(tried),
		TEST(all_addresses),
		TEST(dead_family),
		TEST(refused),
		TEST(unknown_host),
		TEST(abstract),
		TEST(path),
		TEST(full_backlog),
		TEST(transport_deadline),
		TEST(transport_exact),
	};

	return cmocka_run_group_tests_name("helper_connect", tests, NULL, NULL);
}
