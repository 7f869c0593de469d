// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replies that wait to be sent. Requests are collected for as long as input is at hand; then all
 * their replies leave together, one after the other or, as the protocol allows, interleaved.
 */
#include <stdlib.h>

#include "reply.h"

void queue_reply(struct conn *c, struct reply *r)
{
	struct reply **tail = &c->pending;

	for (struct msg *m = r->first; m; m = m->next)
		c->pending_bytes += m->head_len + m->data_len;
	while (*tail)
		tail = &(*tail)->next;
	*tail = r;
	c->nr_pending++;
}

/* The request stays in flight for as long as the connection lives. */
void queue_unanswered(struct conn *c, struct reply *r)
{
	r->next = c->unanswered;
	c->unanswered = r;
}

bool queue_has_cookie(const struct conn *c, uint64_t cookie)
{
	for (const struct reply *r = c->pending; r; r = r->next)
		if (r->req.cookie == cookie)
			return true;
	for (const struct reply *r = c->unanswered; r; r = r->next)
		if (r->req.cookie == cookie)
			return true;
	return false;
}

static struct reply **pick(struct conn *c, bool mix)
{
	struct reply **at = &c->pending;
	uint64_t n = mix ? random_below(&c->rng, c->nr_pending) : 0;

	while (n--)
		at = &(*at)->next;
	return at;
}

static bool send_msg(struct conn *c, const struct msg *m)
{
	bool ok;

	c->trickle_ms = m->trickle_ms;
	ok = conn_write(c, m->head, m->head_len);
	c->trickle_ms = 0;
	if (!ok)
		return false;
	if (m->data_len && !conn_write(c, m->data, m->data_len))
		return false;
	if (m->end == END_STALL)
		conn_stall(c);
	return m->end == END_NOTHING;
}

static void finish(struct conn *c, struct reply **at)
{
	struct reply *r = *at;

	*at = r->next;
	c->nr_pending--;
	c->stale_cookie = r->req.cookie;
	c->have_stale = true;
	reply_free(r);
}

/* Sends the next message of the reply, or all of it. False: the connection is over. */
static bool send_some(struct conn *c, struct reply **at, bool whole)
{
	struct reply *r = *at;
	bool ok = true;

	while (ok && r->first) {
		struct msg *m = r->first;

		ok = send_msg(c, m);
		r->first = m->next;
		free(m->owned);
		free(m);
		if (!whole)
			break;
	}
	if (!r->first)
		finish(c, at);
	return ok;
}

bool queue_flush(struct conn *c)
{
	bool mix = opt.shape == SHAPE_RANDOM || opt.shape == SHAPE_INTERLEAVE || c->mix_next;
	bool ok = true;

	if (opt.delay_ms)
		pause_ms(opt.delay_ms);
	if (opt.mutate_rate)
		for (struct reply *r = c->pending; r; r = r->next)
			mutate_reply(c, r);
	while (ok && c->pending) {
		struct reply **at = pick(c, mix);

		ok = send_some(c, at, !mix || (*at)->ordered);
	}
	c->pending_bytes = 0;
	c->mix_next = false;
	c->linger_ms = 0;
	return ok;
}

static void free_list(struct reply *r)
{
	while (r) {
		struct reply *next = r->next;

		reply_free(r);
		r = next;
	}
}

void queue_free(struct conn *c)
{
	free_list(c->pending);
	free_list(c->unanswered);
	c->pending = NULL;
	c->unanswered = NULL;
}
