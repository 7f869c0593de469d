// SPDX-License-Identifier: GPL-2.0-only
/*
 * --mutate: spoils correct replies of the transmission phase at random, from a seed. Only headers
 * and the fixed fields of chunks change, never the data of a READ: what a client accepts in spite
 * of it must still be right.
 */
#include "reply.h"

static struct msg *any_msg(struct conn *c, struct reply *r)
{
	unsigned int n = 0;
	struct msg *m;

	for (m = r->first; m; m = m->next)
		n++;
	n = random_below(&c->mutate_rng, n);
	for (m = r->first; n--; )
		m = m->next;
	return m;
}

static const char *flip_bit(struct conn *c, struct reply *r)
{
	struct msg *m = any_msg(c, r);
	uint64_t bit = random_below(&c->mutate_rng, m->head_len * 8);

	m->head[bit / 8] ^= 1 << bit % 8;
	return "flip-bit";
}

static const char *truncate_head(struct conn *c, struct reply *r)
{
	struct msg *m = any_msg(c, r);
	size_t len = random_below(&c->mutate_rng, m->head_len);

	msg_truncate(m, len, random_below(&c->mutate_rng, 2) ? END_CLOSE : END_NOTHING);
	return "truncate";
}

static const char *duplicate(struct conn *c, struct reply *r)
{
	struct msg *m = any_msg(c, r), *copy;

	/* A payload that belongs to the message cannot be shared; its head alone goes twice. */
	copy = reply_raw(r, m->head, m->head_len);
	if (!m->owned) {
		copy->data = m->data;
		copy->data_len = m->data_len;
	}
	return "duplicate";
}

static const char *reorder(struct conn *c, struct reply *r)
{
	struct msg *first = r->first;

	(void)c;
	if (!first->next)
		return duplicate(c, r);
	r->first = first->next;
	first->next = NULL;
	*r->tail = first;
	r->tail = &first->next;
	return "reorder";
}

static const char *stale_cookie(struct conn *c, struct reply *r)
{
	struct msg *m = any_msg(c, r);

	msg_set_cookie(m, c->have_stale ? c->stale_cookie : random64(&c->mutate_rng));
	return "stale-cookie";
}

/*
 * Of another request that is in flight. Reads only: a chunk of data says where it belongs, so that
 * a client can tell; a chunk of block status does not.
 */
static const char *other_cookie(struct conn *c, struct reply *r)
{
	uint64_t n = random_below(&c->mutate_rng, c->nr_pending);
	struct reply *other = c->pending;

	while (n--)
		other = other->next;
	if (other == r || r->req.command != NBD_CMD_READ || !c->structured)
		return stale_cookie(c, r);
	msg_set_cookie(any_msg(c, r), other->req.cookie);
	return "other-cookie";
}

/* The connection ends in the middle of content */
static const char *cut_payload(struct conn *c, struct reply *r)
{
	struct msg *m = any_msg(c, r);

	if (!m->data_len)
		return truncate_head(c, r);
	msg_truncate(m, m->head_len + random_below(&c->mutate_rng, m->data_len), END_CLOSE);
	return "cut-payload";
}

static const char *wrong_length(struct conn *c, struct reply *r)
{
	static const uint32_t lengths[] = { 0, 1, 4, 8, 9, 12, 13, 511, 4096, 0x7fffffff, ~0U };
	struct msg *m = any_msg(c, r);

	if (m->head_len >= sizeof(struct wire_chunk))
		msg_set_length(m, lengths[random_below(&c->mutate_rng,
						       sizeof(lengths) / sizeof(lengths[0]))]);
	else
		return flip_bit(c, r);
	return "wrong-length";
}

static const char *wrong_type(struct conn *c, struct reply *r)
{
	static const uint16_t types[] = { 0, 1, 2, 3, 5, 6, 0x8001, 0x8002, 0x8003, 0xffff };
	struct msg *m = any_msg(c, r);
	uint16_t type = types[random_below(&c->mutate_rng, sizeof(types) / sizeof(types[0]))];

	if (m->head_len < sizeof(struct wire_chunk))
		return flip_bit(c, r);
	m->head[6] = type >> 8;
	m->head[7] = type & 0xff;
	return "wrong-type";
}

static const char *(*const mutations[])(struct conn *c, struct reply *r) = {
	flip_bit, truncate_head, duplicate, reorder, stale_cookie, other_cookie, cut_payload,
	wrong_length, wrong_type,
};

#define NR_MUTATIONS	(sizeof(mutations) / sizeof(mutations[0]))

void mutate_reply(struct conn *c, struct reply *r)
{
	const char *name;

	if (r->final || !r->first)
		return;
	r->final = true;
	if (random_below(&c->mutate_rng, 1000) >= opt.mutate_rate)
		return;
	name = mutations[random_below(&c->mutate_rng, NR_MUTATIONS)](c, r);
	logf_line("MUTATE %s cookie=0x%llx conn=%u", name, (unsigned long long)r->req.cookie,
		  c->no);
}
