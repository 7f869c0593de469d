// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the task that attached does with a socket that it kept: it is disconnected, and listens; TLS
 * is put above it. The disk loses its connection, and nothing of the driver stays with the socket,
 * not in the connections that it accepts and not when the module is gone. And a socket that is in
 * use when the driver is to take it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <linux/userfaultfd.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "uapi_session.h"

#ifndef TCP_ULP
#define TCP_ULP	31
#endif

#define CHILDREN	8

/**
 * struct pair - a connection over the loopback
 * @near: the end that is attached, and kept
 * @far: the other, which never answers
 */
struct pair {
	int near;
	int far;
};

FIXTURE(socket)
{
	struct nl nl;
	struct nl events;
	struct msg m;
	struct export x;
	struct pair tcp;
	int disk;
};

static int listener(struct sockaddr_in *addr)
{
	socklen_t len = sizeof(*addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*addr = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = { htonl(0x7f000001) } };
	bind(fd, (void *)addr, len);
	listen(fd, CHILDREN);
	getsockname(fd, (void *)addr, &len);
	return fd;
}

static struct pair connected(int listening, const struct sockaddr_in *addr)
{
	struct pair p = { .near = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };

	if (connect(p.near, (const void *)addr, sizeof(*addr)))
		exit(1);
	p.far = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	return p;
}

FIXTURE_SETUP(socket)
{
	struct sockaddr_in addr;
	int fd = listener(&addr);

	nl_open(&self->nl);
	nl_open(&self->events);
	self->tcp = connected(fd, &addr);
	close(fd);
	/* later nobody gets past udev, who reads and is not answered */
	self->disk = open_disk(INDEX, O_RDONLY | O_DIRECT);
	self->x = (struct export){ .size = SIZE, .flags = 1, .structured = true };
	msg_begin(&self->nl, &self->m, NBDCTL_CMD_ATTACH);
	put_facts(&self->m, &self->x, INDEX, 0);
	put_slot(&self->m, 0, self->tcp.near, &self->x);
	ASSERT_EQ(0, nl_call(&self->nl, &self->m)) TH_LOG("%s", self->nl.text);
	nl_subscribe(&self->events);
	EXPECT_EQ(NBDCTL_STATE_LIVE, state_of(&self->nl, INDEX));
}

FIXTURE_TEARDOWN(socket)
{
	/* First: who looks for partitions waits for the server, and close() waits for him */
	detach(&self->nl, INDEX, true);
	close(self->disk);
	EXPECT_TRUE(wait_state(&self->nl, INDEX, NBDCTL_STATE_IDLE, 20000));
	close(self->tcp.near);
	close(self->tcp.far);
	close(self->nl.fd);
	close(self->events.fd);
}

/* The errno that a read ends with */
static int read_it(int disk)
{
	pid_t pid = fork();

	if (!pid)
		_exit(read_disk(disk, 5 << 20));
	return status_of(pid, 20000);
}

/* The errno that ended the connection, or -1 */
static int down(struct nl *events)
{
	struct attrs slot;
	int cmd;

	while ((cmd = nl_event(events, 20000)) && cmd != NBDCTL_CMD_CONNECTION_DOWN_EVENT)
		;
	if (!cmd)
		return -1;
	slot = nested(get(reply_attrs(events), NBDCTL_A_DEVICE_SLOT, 0));
	return get_u32(slot, NBDCTL_A_SLOT_REASON);
}

/* Connect to what was ours, and accept */
static void make_children(struct __test_metadata *_metadata, int fd, struct pair *children)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);
	int i;

	ASSERT_EQ(0, listen(fd, CHILDREN)) TH_LOG("listen: %m");
	ASSERT_EQ(0, getsockname(fd, (void *)&addr, &len));
	addr.sin_addr.s_addr = htonl(0x7f000001);
	for (i = 0; i < CHILDREN; i++)
		children[i] = connected(fd, &addr);
}

/* True if a task that waits for a byte on an accepted connection is woken when it arrives */
static void use_children(struct __test_metadata *_metadata, struct pair *children)
{
	struct epoll_event event = { .events = EPOLLIN };
	int i, waits = epoll_create1(EPOLL_CLOEXEC);
	char byte;

	for (i = 0; i < CHILDREN; i++) {
		ASSERT_EQ(0, epoll_ctl(waits, EPOLL_CTL_ADD, children[i].far, &event));
		ASSERT_EQ(1, write(children[i].near, "x", 1));
		EXPECT_EQ(1, epoll_wait(waits, &event, 1, 10000)) TH_LOG("child %d", i);
		EXPECT_EQ(1, recv(children[i].far, &byte, 1, MSG_DONTWAIT));
		epoll_ctl(waits, EPOLL_CTL_DEL, children[i].far, &event);
	}
	close(waits);
}

static void close_children(struct pair *children)
{
	int i;

	for (i = 0; i < CHILDREN; i++) {
		close(children[i].near);
		close(children[i].far);
	}
}

static int disconnect(int fd)
{
	static const struct sockaddr none = { .sa_family = AF_UNSPEC };

	return connect(fd, &none, sizeof(none));
}

TEST_F(socket, disconnected)
{
	struct pair children[CHILDREN];

	ASSERT_EQ(0, disconnect(self->tcp.near));
	make_children(_metadata, self->tcp.near, children);
	use_children(_metadata, children);
	EXPECT_EQ(ECONNRESET, down(&self->events));
	use_children(_metadata, children);
	/* it is a listener still */
	close_children(children);
	make_children(_metadata, self->tcp.near, children);
	close_children(children);
}

/* It is not the next server that gets what is asked of this one */
TEST_F(socket, connected_elsewhere)
{
	struct sockaddr_in addr;
	int fd = listener(&addr), elsewhere;
	char byte;

	ASSERT_EQ(0, disconnect(self->tcp.near));
	ASSERT_EQ(0, connect(self->tcp.near, (void *)&addr, sizeof(addr)));
	elsewhere = accept(fd, NULL, NULL);
	EXPECT_EQ(ECONNRESET, down(&self->events));
	EXPECT_EQ(EIO, read_it(self->disk));
	EXPECT_EQ(-1, recv(elsewhere, &byte, 1, MSG_DONTWAIT));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(1, write(self->tcp.near, "x", 1));
	EXPECT_EQ(1, recv(elsewhere, &byte, 1, 0));
	close(elsewhere);
	close(fd);
}

TEST_F(socket, reset_by_the_peer)
{
	struct linger now = { .l_onoff = 1 };
	struct pair children[CHILDREN];

	ASSERT_EQ(0, setsockopt(self->tcp.far, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
	close(self->tcp.far);
	EXPECT_EQ(ECONNRESET, down(&self->events));
	self->tcp.far = -1;
	ASSERT_EQ(0, disconnect(self->tcp.near));
	make_children(_metadata, self->tcp.near, children);
	use_children(_metadata, children);
	close_children(children);
}

TEST_F(socket, module_gone)
{
	struct pair children[CHILDREN];
	int tries = 100;

	ASSERT_EQ(0, disconnect(self->tcp.near));
	make_children(_metadata, self->tcp.near, children);
	close(self->disk);
	self->disk = -1;
	EXPECT_EQ(0, detach(&self->nl, INDEX, true));
	EXPECT_TRUE(wait_users(0, 10000));
	while (syscall(SYS_delete_module, "nbd", O_NONBLOCK) && --tries)
		usleep(100000);
	EXPECT_GT(tries, 0);
	use_children(_metadata, children);
	close_children(children);
	make_children(_metadata, self->tcp.near, children);
	close_children(children);
	EXPECT_EQ(0, system("modprobe nbd"));
	close(self->nl.fd);
	nl_open(&self->nl);
}

/* What would be sent below TLS from now on is no request */
TEST_F(socket, tls_above)
{
	struct pair *tcp = &self->tcp;
	char buf[4096];

	if (setsockopt(tcp->near, SOL_TCP, TCP_ULP, "tls", sizeof("tls")))
		SKIP(return, "no TLS in this kernel");
	while (recv(tcp->far, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
	EXPECT_EQ(EIO, read_it(self->disk));
	EXPECT_EQ(EBUSY, down(&self->events));
	EXPECT_GE(0, recv(tcp->far, buf, sizeof(buf), MSG_DONTWAIT));
}

/**
 * struct holder - a thread that has the lock of a socket
 * @fd: the socket
 * @memory: from here it sends; a page that is not there
 * @faults: userfaultfd of the page
 * @thread: the thread
 */
struct holder {
	int fd;
	void *memory;
	int faults;
	pthread_t thread;
};

static void *send_page(void *arg)
{
	struct holder *h = arg;

	send(h->fd, h->memory, getpagesize(), MSG_NOSIGNAL);
	return NULL;
}

/* When this returns 0 the lock is taken; else errno tells */
static int hold(struct holder *h, int fd)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register missing = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffd_msg fault;

	h->fd = fd;
	h->memory = mmap(NULL, getpagesize(), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	h->faults = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (h->faults < 0)
		return -1;
	missing.range.start = (uintptr_t)h->memory;
	missing.range.len = getpagesize();
	return ioctl(h->faults, UFFDIO_API, &api) ||
	       ioctl(h->faults, UFFDIO_REGISTER, &missing) ||
	       pthread_create(&h->thread, NULL, send_page, h) ||
	       read(h->faults, &fault, sizeof(fault)) != sizeof(fault);
}

static int let_go(struct holder *h)
{
	struct uffdio_zeropage zero = { .range = { (uintptr_t)h->memory, getpagesize() } };

	return ioctl(h->faults, UFFDIO_ZEROPAGE, &zero) || pthread_join(h->thread, NULL);
}

/* Offer a connection in a process of its own, which ends with the errno */
static pid_t offer(FIXTURE_DATA(socket) *self, int fd)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	nl_open(&self->nl);
	msg_begin(&self->nl, &self->m, NBDCTL_CMD_SLOT_REPLACE);
	put_facts(&self->m, &self->x, INDEX, 0);
	put_slot(&self->m, 0, fd, &self->x);
	_exit(nl_call(&self->nl, &self->m));
}

/* A socket that a program does not let go of is waited for by nobody but the one who offers it */
TEST_F(socket, held)
{
	struct sockaddr_in addr;
	int fd = listener(&addr);
	struct pair other = connected(fd, &addr);
	struct holder holder;
	pid_t pid;
	int held;

	close(fd);
	held = hold(&holder, other.near);
	if (held && errno == ENOSYS)
		SKIP(return, "no userfaultfd in this kernel");
	ASSERT_EQ(0, held);
	pid = offer(self, other.near);
	EXPECT_EQ(-1, status_of(pid, 1000));
	msg_begin(&self->nl, &self->m, NBDCTL_CMD_RESIZE);
	put_u32(&self->m, NBDCTL_A_DEVICE_INDEX, INDEX);
	put_u64(&self->m, NBDCTL_A_DEVICE_SIZE, SIZE / 2);
	EXPECT_EQ(0, nl_call(&self->nl, &self->m)) TH_LOG("%s", self->nl.text);
	EXPECT_EQ(0, detach(&self->nl, INDEX, true));
	EXPECT_EQ(-1, status_of(pid, 0));
	EXPECT_EQ(0, let_go(&holder));
	EXPECT_EQ(ENOTCONN, status_of(pid, 20000));
	close(holder.faults);
	close(other.near);
	close(other.far);
}

TEST_HARNESS_MAIN
