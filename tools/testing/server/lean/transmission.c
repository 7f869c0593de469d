// SPDX-License-Identifier: GPL-2.0-only
/* The transmission phase: requests are answered as many at a time as have come. */
#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "../wire.h"
#include "lean.h"

/* Most pieces, and headers, that go out at once */
#define VECS		IOV_MAX
#define HEADERS		(VECS / 2)
#define PAYLOAD_MAX	(32U << 20)
/* Descriptors in one answer to BLOCK_STATUS */
#define EXTENTS		65536U

/* What every read returns; nobody writes here, so it is one page of memory again and again */
static unsigned char zeroes[PAYLOAD_MAX];

/* An answer before its content: the longest is a chunk with an offset and a length */
struct head {
	unsigned char bytes[32];
};

/* What goes out next */
static struct {
	struct iovec vecs[VECS];
	struct head heads[HEADERS];
	unsigned int n_vecs;
	unsigned int n_heads;
} out;

static bool flush_out(struct lean_conn *conn)
{
	struct iovec *vec = out.vecs;
	unsigned int n = out.n_vecs;
	ssize_t sent;

	out.n_vecs = 0;
	out.n_heads = 0;
	while (n) {
		struct msghdr msg = { .msg_iov = vec, .msg_iovlen = n };

		sent = sendmsg(conn->fd, &msg, MSG_NOSIGNAL);
		if (sent < 0 && errno != EINTR)
			return false;
		while (n && sent >= (ssize_t)vec->iov_len) {
			sent -= vec->iov_len;
			vec++;
			n--;
		}
		if (n && sent > 0) {
			vec->iov_base = (char *)vec->iov_base + sent;
			vec->iov_len -= sent;
		}
	}
	return true;
}

static bool push(struct lean_conn *conn, const void *head, size_t head_len, const void *data,
		 size_t len)
{
	if ((out.n_vecs + 2 > VECS || out.n_heads == HEADERS) && !flush_out(conn))
		return false;
	memcpy(out.heads[out.n_heads].bytes, head, head_len);
	out.vecs[out.n_vecs++] = (struct iovec){ out.heads[out.n_heads++].bytes, head_len };
	if (len)
		out.vecs[out.n_vecs++] = (struct iovec){ (void *)data, len };
	return true;
}

static bool answer(struct lean_conn *conn, uint64_t cookie, uint32_t error)
{
	struct wire_simple simple = {
		.magic = htobe32(NBD_SIMPLE_MAGIC),
		.error = htobe32(error),
		.cookie = cookie,
	};

	return push(conn, &simple, sizeof(simple), NULL, 0);
}

static struct wire_chunk chunk(uint64_t cookie, uint16_t type, uint32_t len)
{
	return (struct wire_chunk){
		.magic = htobe32(NBD_CHUNK_MAGIC),
		.flags = htobe16(NBD_REPLY_FLAG_DONE),
		.type = htobe16(type),
		.cookie = cookie,
		.length = htobe32(len),
	};
}

static bool read_structured(struct lean_conn *conn, const struct wire_request *request,
			    uint32_t len)
{
	struct {
		struct wire_chunk chunk;
		uint64_t offset;
		uint32_t length;
	} __attribute__((packed)) head = { .offset = request->offset, .length = htobe32(len) };

	if (lean.holes) {
		head.chunk = chunk(request->cookie, NBD_REPLY_OFFSET_HOLE, 12);
		return push(conn, &head, sizeof(head), NULL, 0);
	}
	head.chunk = chunk(request->cookie, NBD_REPLY_OFFSET_DATA, 8 + len);
	return push(conn, &head, sizeof(head) - sizeof(head.length), zeroes, len);
}

static bool read_simple(struct lean_conn *conn, const struct wire_request *request, uint32_t len)
{
	struct wire_simple simple = {
		.magic = htobe32(NBD_SIMPLE_MAGIC),
		.cookie = request->cookie,
	};

	return push(conn, &simple, sizeof(simple), zeroes, len);
}

/* Extents of one size, data and holes in turn. Sent at once, as its memory is there only once. */
static bool block_status(struct lean_conn *conn, const struct wire_request *request, uint32_t len)
{
	static struct wire_descriptor descriptors[EXTENTS];
	uint64_t at = be64toh(request->offset), end = at + len, next;
	struct {
		struct wire_chunk chunk;
		uint32_t id;
	} __attribute__((packed)) head = { .id = htobe32(1) };
	uint32_t n = 0;

	if (!flush_out(conn))
		return false;
	while (at < end && n < EXTENTS) {
		next = (at / lean.extent + 1) * lean.extent;
		if (next > end)
			next = end;
		descriptors[n].length = htobe32(next - at);
		descriptors[n++].status = at / lean.extent & 1 ?
					  htobe32(NBD_STATE_HOLE | NBD_STATE_ZERO) : 0;
		at = next;
	}
	head.chunk = chunk(request->cookie, NBD_REPLY_BLOCK_STATUS, 4 + n * sizeof(*descriptors));
	return push(conn, &head, sizeof(head), descriptors, n * sizeof(*descriptors)) &&
	       flush_out(conn);
}

static bool serve_read(struct lean_conn *conn, const struct wire_request *request, uint32_t len)
{
	if (conn->structured)
		return read_structured(conn, request, len);
	return read_simple(conn, request, len);
}

static bool serve(struct lean_conn *conn, const struct wire_request *request)
{
	uint64_t offset = be64toh(request->offset);
	uint32_t len = be32toh(request->length);
	uint16_t command = be16toh(request->command);

	if (be32toh(request->magic) != NBD_REQUEST_MAGIC || command == NBD_CMD_DISC)
		return false;
	if (command == NBD_CMD_WRITE) {
		conn->skip = len;
		conn->late = true;
		conn->cookie = request->cookie;
		return true;
	}
	if (len > lean.size || offset > lean.size - len)
		return answer(conn, request->cookie, NBD_EINVAL);
	switch (command) {
	case NBD_CMD_READ:
		if (len && len <= PAYLOAD_MAX)
			return serve_read(conn, request, len);
		break;
	case NBD_CMD_FLUSH:
	case NBD_CMD_TRIM:
	case NBD_CMD_WRITE_ZEROES:
		return answer(conn, request->cookie, 0);
	case NBD_CMD_BLOCK_STATUS:
		if (len && conn->structured)
			return block_status(conn, request, len);
		break;
	}
	return answer(conn, request->cookie, NBD_EINVAL);
}

/* Drops payload; returns how much of what is at @at it was */
static size_t drop(struct lean_conn *conn, size_t at)
{
	size_t n = conn->have - at;

	if (n > conn->skip)
		n = conn->skip;
	conn->skip -= n;
	return n;
}

bool lean_serve(struct lean_conn *conn)
{
	struct wire_request request;
	size_t at = 0;
	ssize_t n;

	n = recv(conn->fd, conn->in + conn->have, sizeof(conn->in) - conn->have, 0);
	if (n <= 0)
		return false;
	conn->have += n;
	for (;;) {
		at += drop(conn, at);
		if (conn->skip)
			break;
		if (conn->late && !answer(conn, conn->cookie, 0))
			return false;
		conn->late = false;
		if (conn->have - at < sizeof(request))
			break;
		memcpy(&request, conn->in + at, sizeof(request));
		at += sizeof(request);
		if (!serve(conn, &request))
			return false;
	}
	conn->have -= at;
	memmove(conn->in, conn->in + at, conn->have);
	return flush_out(conn);
}
