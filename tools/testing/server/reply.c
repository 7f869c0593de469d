// SPDX-License-Identifier: GPL-2.0-only
/*
 * Building replies: simple ones, and the chunks of structured ones.
 */
#include <assert.h>
#include <endian.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "reply.h"

static void *must_alloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);

	if (!p)
		err(1, "memory");
	return p;
}

struct reply *reply_new(const struct request *req)
{
	struct reply *r = must_alloc(sizeof(*r));

	r->req = *req;
	r->tail = &r->first;
	return r;
}

void reply_clear(struct reply *r)
{
	struct msg *m, *next;

	for (m = r->first; m; m = next) {
		next = m->next;
		free(m->owned);
		free(m);
	}
	r->first = NULL;
	r->tail = &r->first;
}

void reply_free(struct reply *r)
{
	reply_clear(r);
	free(r);
}

struct msg *reply_raw(struct reply *r, const void *bytes, size_t len)
{
	struct msg *m = must_alloc(sizeof(*m));

	assert(len <= sizeof(m->head));
	memcpy(m->head, bytes, len);
	m->head_len = len;
	*r->tail = m;
	r->tail = &m->next;
	return m;
}

void msg_own(struct msg *m, void *data, size_t len)
{
	free(m->owned);
	m->owned = data;
	m->data = data;
	m->data_len = len;
}

struct msg *reply_simple(struct reply *r, uint32_t error)
{
	struct wire_simple h = {
		.magic = htobe32(NBD_SIMPLE_MAGIC),
		.error = htobe32(error),
		.cookie = htobe64(r->req.cookie),
	};

	return reply_raw(r, &h, sizeof(h));
}

/* The fixed fields go to the head, the payload proper stays where it is. */
struct msg *reply_chunk(struct reply *r, uint16_t flags, uint16_t type, const void *fixed,
			size_t fixed_len, const void *data, size_t data_len)
{
	struct wire_chunk h = {
		.magic = htobe32(NBD_CHUNK_MAGIC),
		.flags = htobe16(flags),
		.type = htobe16(type),
		.cookie = htobe64(r->req.cookie),
		.length = htobe32(fixed_len + data_len),
	};
	struct msg *m = reply_raw(r, &h, sizeof(h));

	assert(sizeof(h) + fixed_len <= sizeof(m->head));
	if (fixed_len)
		memcpy(m->head + sizeof(h), fixed, fixed_len);
	m->head_len += fixed_len;
	m->data = data;
	m->data_len = data_len;
	return m;
}

struct msg *reply_data(struct reply *r, uint16_t flags, uint64_t offset, uint32_t len)
{
	uint64_t be = htobe64(offset);

	return reply_chunk(r, flags, NBD_REPLY_OFFSET_DATA, &be, sizeof(be),
			   store_at(offset, len), len);
}

struct msg *reply_hole(struct reply *r, uint16_t flags, uint64_t offset, uint32_t len)
{
	struct { uint64_t offset; uint32_t size; } __attribute__((packed)) hole = {
		.offset = htobe64(offset),
		.size = htobe32(len),
	};

	return reply_chunk(r, flags, NBD_REPLY_OFFSET_HOLE, &hole, sizeof(hole), NULL, 0);
}

struct msg *reply_none(struct reply *r)
{
	return reply_chunk(r, NBD_REPLY_FLAG_DONE, NBD_REPLY_NONE, NULL, 0, NULL, 0);
}

static struct msg *error_chunk(struct reply *r, uint16_t flags, uint16_t type, uint32_t error,
			       const char *text, const void *tail, size_t tail_len)
{
	struct { uint32_t error; uint16_t len; } __attribute__((packed)) fixed = {
		.error = htobe32(error),
		.len = htobe16(strlen(text)),
	};
	size_t len = strlen(text) + tail_len;
	uint8_t *payload = must_alloc(len);
	struct msg *m;

	memcpy(payload, text, strlen(text));
	if (tail_len)
		memcpy(payload + strlen(text), tail, tail_len);
	m = reply_chunk(r, flags, type, &fixed, sizeof(fixed), payload, len);
	m->owned = payload;
	return m;
}

struct msg *reply_error(struct reply *r, uint16_t flags, uint32_t error, const char *text)
{
	return error_chunk(r, flags, NBD_REPLY_ERROR, error, text, NULL, 0);
}

struct msg *reply_error_offset(struct reply *r, uint16_t flags, uint32_t error, const char *text,
			       uint64_t offset)
{
	uint64_t be = htobe64(offset);

	return error_chunk(r, flags, NBD_REPLY_ERROR_OFFSET, error, text, &be, sizeof(be));
}

struct msg *reply_last(struct reply *r)
{
	struct msg *m = r->first;

	while (m && m->next)
		m = m->next;
	return m;
}

/* Both reply forms have the magic at 0 and the cookie at 8. */
void msg_set_magic(struct msg *m, uint32_t magic)
{
	magic = htobe32(magic);
	memcpy(m->head, &magic, sizeof(magic));
}

void msg_set_cookie(struct msg *m, uint64_t cookie)
{
	cookie = htobe64(cookie);
	memcpy(m->head + 8, &cookie, sizeof(cookie));
}

void msg_set_flags(struct msg *m, uint16_t flags)
{
	flags = htobe16(flags);
	memcpy(m->head + 4, &flags, sizeof(flags));
}

void msg_set_length(struct msg *m, uint32_t length)
{
	length = htobe32(length);
	memcpy(m->head + 16, &length, sizeof(length));
}

/* Keeps only the first len bytes of the message. */
void msg_truncate(struct msg *m, size_t len, enum msg_end end)
{
	m->end = end;
	if (len <= m->head_len) {
		m->head_len = len;
		m->data_len = 0;
	} else if (len - m->head_len < m->data_len) {
		m->data_len = len - m->head_len;
	}
}

/* The plain way to fail a request, in a form the negotiation allows. */
void fail_answer(struct conn *c, struct reply *r, uint32_t error, const char *text)
{
	bool chunk = r->req.command == NBD_CMD_READ || r->req.command == NBD_CMD_BLOCK_STATUS;

	if (c->structured && (chunk || opt.write_reply == WRITE_CHUNK))
		reply_error(r, NBD_REPLY_FLAG_DONE, error, text);
	else
		reply_simple(r, error);
}
