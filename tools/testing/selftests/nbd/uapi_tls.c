// SPDX-License-Identifier: GPL-2.0-only
/*
 * A connection with TLS in the kernel, with fixed keys. The socket fills up at each length of a row
 * of writes, so also where the last record was sent in part: its rest must go out when there is
 * room, though nothing follows that would push it.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <linux/aio_abi.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "uapi_session.h"

#ifndef TCP_ULP
#define TCP_ULP	31
#endif
#ifndef SOL_TLS
#define SOL_TLS	282
#endif

#define REQUEST_MAGIC	0x25609513u
#define REPLY_MAGIC	0x67446698u
#define WRITES		20
#define BYTES		4096

struct request {
	uint32_t magic;
	uint16_t flags;
	uint16_t type;
	uint64_t cookie;
	uint64_t offset;
	uint32_t length;
} __attribute__((packed));

struct reply {
	uint32_t magic;
	uint32_t error;
	uint64_t cookie;
} __attribute__((packed));

FIXTURE(tls)
{
	struct nl nl;
	struct msg m;
	struct export x;
	int near;
	int far;
	int disk;
	aio_context_t aio;
};

static void small(int fd, int option)
{
	int bytes = 16384;

	setsockopt(fd, SOL_SOCKET, option, &bytes, sizeof(bytes));
}

static int set_key(int fd, int way, unsigned char key)
{
	struct tls12_crypto_info_aes_gcm_128 info = {
		.info = { TLS_1_2_VERSION, TLS_CIPHER_AES_GCM_128 },
	};

	memset(info.key, key, sizeof(info.key));
	return setsockopt(fd, SOL_TLS, way, &info, sizeof(info));
}

/* Both ends of a connection over the loopback. Return: 0, or an errno if there is no TLS */
static int connect_tls(int *near, int *far)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr = { htonl(0x7f000001) } };
	struct timeval patience = { .tv_sec = 10 };
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	small(fd, SO_RCVBUF);
	bind(fd, (void *)&addr, len);
	listen(fd, 1);
	getsockname(fd, (void *)&addr, &len);
	*near = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	small(*near, SO_SNDBUF);
	if (connect(*near, (void *)&addr, len))
		exit(1);
	*far = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	close(fd);
	setsockopt(*far, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (setsockopt(*near, SOL_TCP, TCP_ULP, "tls", sizeof("tls")) ||
	    setsockopt(*far, SOL_TCP, TCP_ULP, "tls", sizeof("tls")) ||
	    set_key(*near, TLS_TX, 1) || set_key(*far, TLS_RX, 1) || set_key(*near, TLS_RX, 2) ||
	    set_key(*far, TLS_TX, 2))
		return errno;
	return 0;
}

FIXTURE_SETUP(tls)
{
	int error;

	nl_open(&self->nl);
	self->disk = open_disk(INDEX, O_RDWR | O_DIRECT);
	error = connect_tls(&self->near, &self->far);
	if (error)
		SKIP(return, "no TLS in this kernel: %s", strerror(error));
	ASSERT_EQ(0, syscall(SYS_io_setup, WRITES, &self->aio));
	self->x = (struct export){ .size = SIZE, .flags = 1 };
	msg_begin(&self->nl, &self->m, NBDCTL_CMD_ATTACH);
	put_facts(&self->m, &self->x, INDEX, 0);
	put_slot(&self->m, 0, self->near, &self->x);
	ASSERT_EQ(0, nl_call(&self->nl, &self->m)) TH_LOG("%s", self->nl.text);
}

FIXTURE_TEARDOWN(tls)
{
	detach(&self->nl, INDEX, true);
	close(self->disk);
	close(self->near);
	close(self->far);
	syscall(SYS_io_destroy, self->aio);
	EXPECT_TRUE(wait_state(&self->nl, INDEX, NBDCTL_STATE_IDLE, 20000));
}

static bool take(int fd, void *buf, size_t n)
{
	return recv(fd, buf, n, MSG_WAITALL) == (ssize_t)n;
}

static void answer(int fd, uint64_t cookie, uint32_t content)
{
	static char zeroes[1 << 20];
	struct reply reply = { htobe32(REPLY_MAGIC), 0, cookie };

	send(fd, &reply, sizeof(reply), content ? MSG_MORE : 0);
	if (content)
		send(fd, zeroes, content, 0);
}

/* The next write, after all reads before it were answered. Return: whether all of it came */
static bool next_write(int fd, uint64_t *cookie)
{
	static char payload[1 << 20];
	struct request request;

	while (take(fd, &request, sizeof(request))) {
		if (be32toh(request.magic) != REQUEST_MAGIC ||
		    be32toh(request.length) > sizeof(payload))
			return false;
		*cookie = request.cookie;
		if (be16toh(request.type) == 1)
			return take(fd, payload, be32toh(request.length));
		answer(fd, request.cookie, be32toh(request.length));
	}
	return false;
}

static void submit(struct __test_metadata *_metadata, int disk, aio_context_t aio, int i)
{
	static char block[BYTES] __attribute__((aligned(4096)));
	struct iocb cb = {
		.aio_lio_opcode = IOCB_CMD_PWRITE,
		.aio_fildes = disk,
		.aio_buf = (uintptr_t)block,
		.aio_nbytes = BYTES,
		/* udev may wait for what is at either end, with the pages locked */
		.aio_offset = SIZE / 2 + i * BYTES,
	};
	struct iocb *list = &cb;

	ASSERT_EQ(1, syscall(SYS_io_submit, aio, 1, &list)) TH_LOG("%m");
	/* each is sent by itself, and a record */
	usleep(2000);
}

TEST_F_TIMEOUT(tls, last_record, 120)
{
	struct io_event events[WRITES];
	uint64_t cookies[WRITES];
	int n, i;

	for (n = 1; n <= WRITES; n++) {
		for (i = 0; i < n; i++)
			submit(_metadata, self->disk, self->aio, i);
		for (i = 0; i < n; i++)
			ASSERT_TRUE(next_write(self->far, &cookies[i])) TH_LOG("%d of %d", i, n);
		for (i = 0; i < n; i++)
			answer(self->far, cookies[i], 0);
		ASSERT_EQ(n, syscall(SYS_io_getevents, self->aio, n, n, events, NULL));
		for (i = 0; i < n; i++)
			ASSERT_EQ(BYTES, (int)events[i].res);
	}
}

TEST_HARNESS_MAIN
