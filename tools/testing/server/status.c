// SPDX-License-Identifier: GPL-2.0-only
/*
 * Correct answers to BLOCK_STATUS, plain or changed by --status as far as the protocol allows.
 */
#include <endian.h>
#include <err.h>
#include <stdlib.h>

#include "reply.h"

#define DESCRIPTORS_CAP		(1UL << 20)	/* what the protocol recommends */
#define DESCRIPTORS_MANY	(1UL << 22)

struct builder {
	struct wire_descriptor *d;
	size_t n, room, cap;
};

static void put(struct builder *b, uint32_t length, uint32_t status)
{
	if (b->n == b->room) {
		b->room = b->room ? b->room * 2 : 64;
		b->d = realloc(b->d, b->room * sizeof(*b->d));
		if (!b->d)
			err(1, "descriptors");
	}
	b->d[b->n].length = htobe32(length);
	b->d[b->n].status = htobe32(status);
	b->n++;
}

/* How far this answer goes: the whole request, or less where --status says so. */
static uint64_t stop_at(struct conn *c, const struct request *req)
{
	uint64_t unit = c->min, units = req->length / unit, cut;

	if (opt.status & STATUS_DIFFER)
		cut = random_below(&c->rng, units);
	else if (opt.status & STATUS_SHORT)
		cut = hash64(opt.seed ^ req->cookie) % (units ? units : 1);
	else
		return req->offset + req->length;
	return req->offset + (cut + 1) * unit;
}

/* The next extent: as long as the status stays the same, unless neighbours are to be split. */
static uint32_t next_extent(struct conn *c, const struct context *ctx, uint64_t pos, uint64_t end,
			    uint64_t *len)
{
	uint64_t more;
	uint32_t status = layout_at(ctx, pos, end, len);

	if (opt.status & STATUS_SPLIT) {
		if (*len > 1)
			*len = 1 + random_below(&c->rng, *len);
		return status;
	}
	while (pos + *len < end && layout_at(ctx, pos + *len, end, &more) == status)
		*len += more;
	return status;
}

/* The last descriptor may tell about bytes behind the request, and nothing forbids the end. */
static uint64_t overshoot(struct conn *c, const struct context *ctx, uint64_t pos, uint64_t len)
{
	uint64_t more = 0;

	if (pos + len < opt.size && (opt.status & STATUS_OVERSHOOT)) {
		layout_at(ctx, pos, opt.size, &more);
		if (more > len)
			len = more;
	}
	if (opt.status & STATUS_BEYOND)
		len = opt.size - pos + 1 + random_below(&c->rng, MiB);
	return len > UINT32_MAX ? UINT32_MAX : len;
}

struct wire_descriptor *status_descriptors(struct conn *c, const struct request *req,
					   const struct context *ctx, size_t *count)
{
	bool one = req->flags & NBD_CMD_FLAG_REQ_ONE;
	struct builder b = { .cap = DESCRIPTORS_CAP };
	uint64_t pos = req->offset, stop = stop_at(c, req), len;

	if (opt.status & STATUS_MANY)
		b.cap = DESCRIPTORS_MANY;
	if (one)
		b.cap = 1;
	while (pos < stop && b.n < b.cap) {
		uint32_t status = next_extent(c, ctx, pos, stop, &len);

		if (!one && pos + len >= req->offset + req->length)
			len = overshoot(c, ctx, pos, len);
		put(&b, len, status);
		pos += len;
	}
	*count = b.n;
	return b.d;
}

struct msg *status_chunk(struct reply *r, uint16_t flags, uint32_t id,
			 struct wire_descriptor *desc, size_t count)
{
	uint32_t be = htobe32(id);
	struct msg *m = reply_chunk(r, flags, NBD_REPLY_BLOCK_STATUS, &be, sizeof(be), desc,
				    count * sizeof(*desc));

	m->owned = desc;
	return m;
}

void status_answer(struct conn *c, struct reply *r)
{
	unsigned int order[MAX_CONTEXTS], n = c->nr_selected;

	for (unsigned int i = 0; i < n; i++)
		order[i] = i;
	for (unsigned int i = n; i > 1 && (opt.status & STATUS_SHUFFLE); i--) {
		unsigned int j = random_below(&c->rng, i), t = order[i - 1];

		order[i - 1] = order[j];
		order[j] = t;
	}
	for (unsigned int i = 0; i < n; i++) {
		const struct selected *s = &c->selected[order[i]];
		size_t count;
		struct wire_descriptor *d = status_descriptors(c, &r->req, s->context, &count);

		status_chunk(r, i == n - 1 ? NBD_REPLY_FLAG_DONE : 0, s->id, d, count);
	}
}
