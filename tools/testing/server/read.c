// SPDX-License-Identifier: GPL-2.0-only
/*
 * Correct answers to READ, in every shape the protocol allows: any split into data and holes, in
 * any order, with DONE on the last piece or on a NONE chunk of its own.
 */
#include "reply.h"

#define MAX_PIECES	64
#define ZERO_BLOCK	4096

struct piece {
	uint64_t offset;
	uint32_t len;
	bool hole;
};

struct pieces {
	struct piece p[MAX_PIECES];
	unsigned int n;
};

static void add_piece(struct pieces *ps, uint64_t offset, uint32_t len, bool hole)
{
	ps->p[ps->n++] = (struct piece){ .offset = offset, .len = len, .hole = hole };
}

/* Most cuts fall on sectors, one set in four on any byte. */
static void cut_random(struct conn *c, const struct request *req, struct pieces *ps)
{
	uint32_t unit = random_below(&c->rng, 4) ? 512 : 1;
	unsigned int wanted = 2 + random_below(&c->rng, 15);
	uint64_t pos = req->offset, end = pos + req->length;

	while (pos < end && ps->n < MAX_PIECES - 1) {
		uint64_t len = unit * (1 + random_below(&c->rng, req->length / unit / wanted * 2));

		if (len > end - pos)
			len = end - pos;
		add_piece(ps, pos, len, false);
		pos += len;
	}
	if (pos < end)
		add_piece(ps, pos, end - pos, false);
}

/* Runs of zero blocks become holes; what no longer fits is one piece of data. */
static void cut_holes(const struct request *req, struct pieces *ps)
{
	uint64_t pos = req->offset, end = pos + req->length;

	while (pos < end && ps->n < MAX_PIECES - 1) {
		uint64_t next = pos, stop;
		bool zero = false;

		do {
			stop = (next / ZERO_BLOCK + 1) * ZERO_BLOCK;
			if (stop > end)
				stop = end;
			if (next == pos)
				zero = store_is_zero(next, stop - next);
			else if (store_is_zero(next, stop - next) != zero)
				break;
			next = stop;
		} while (next < end);
		add_piece(ps, pos, next - pos, zero);
		pos = next;
	}
	if (pos < end)
		add_piece(ps, pos, end - pos, false);
}

static void shuffle(struct conn *c, struct pieces *ps)
{
	for (unsigned int i = ps->n; i > 1; i--) {
		unsigned int j = random_below(&c->rng, i);
		struct piece t = ps->p[i - 1];

		ps->p[i - 1] = ps->p[j];
		ps->p[j] = t;
	}
}

static void reverse(struct pieces *ps)
{
	for (unsigned int i = 0; i < ps->n / 2; i++) {
		struct piece t = ps->p[i];

		ps->p[i] = ps->p[ps->n - 1 - i];
		ps->p[ps->n - 1 - i] = t;
	}
}

static void emit(struct conn *c, struct reply *r, const struct pieces *ps)
{
	bool none = random64(&c->rng) & 1;

	for (unsigned int i = 0; i < ps->n; i++) {
		const struct piece *p = &ps->p[i];
		uint16_t flags = !none && i == ps->n - 1 ? NBD_REPLY_FLAG_DONE : 0;

		if (p->hole)
			reply_hole(r, flags, p->offset, p->len);
		else
			reply_data(r, flags, p->offset, p->len);
	}
	if (none)
		reply_none(r);
}

/* One piece: the only shape of a simple reply, and the one DF asks for. */
void read_whole(struct conn *c, struct reply *r)
{
	struct msg *m;

	if (c->structured) {
		reply_data(r, NBD_REPLY_FLAG_DONE, r->req.offset, r->req.length);
		return;
	}
	m = reply_simple(r, 0);
	m->data = store_at(r->req.offset, r->req.length);
	m->data_len = r->req.length;
}

void read_answer(struct conn *c, struct reply *r)
{
	bool whole = !c->structured || (r->req.flags & NBD_CMD_FLAG_DF) || r->req.length < 2;
	struct pieces ps = { .n = 0 };

	if (whole || opt.shape == SHAPE_WHOLE) {
		read_whole(c, r);
		return;
	}
	if (opt.shape == SHAPE_HOLES)
		cut_holes(&r->req, &ps);
	else
		cut_random(c, &r->req, &ps);
	if (opt.shape == SHAPE_REVERSE)
		reverse(&ps);
	if (opt.shape == SHAPE_RANDOM) {
		for (unsigned int i = 0; i < ps.n; i++)
			ps.p[i].hole = random_below(&c->rng, 4) &&
				       store_is_zero(ps.p[i].offset, ps.p[i].len);
		shuffle(c, &ps);
	}
	emit(c, r, &ps);
}
