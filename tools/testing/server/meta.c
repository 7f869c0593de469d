// SPDX-License-Identifier: GPL-2.0-only
/*
 * Metadata contexts in the handshake: LIST_META_CONTEXT and SET_META_CONTEXT.
 */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evil.h"

struct cursor {
	const uint8_t *p;
	uint32_t left;
	bool bad;
};

static uint32_t take_u32(struct cursor *cur)
{
	uint32_t be;

	if (cur->left < 4) {
		cur->bad = true;
		return 0;
	}
	memcpy(&be, cur->p, 4);
	cur->p += 4;
	cur->left -= 4;
	return be32toh(be);
}

static const uint8_t *take_string(struct cursor *cur, uint32_t *len)
{
	const uint8_t *s;

	*len = take_u32(cur);
	if (cur->bad || *len > cur->left) {
		cur->bad = true;
		*len = 0;
		return cur->p;
	}
	s = cur->p;
	cur->p += *len;
	cur->left -= *len;
	return s;
}

/* Length of the UTF-8 sequence at s, 0 if there is none. Overlong forms are not sought out. */
static unsigned int utf8_len(const uint8_t *s, uint32_t left)
{
	unsigned int n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 :
			 s[0] < 0xf5 ? 4 : 0;

	if (n > left)
		return 0;
	for (unsigned int i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

/* NBD protocol, "Values": strings are UTF-8, at most 4096 bytes, without NUL. */
bool check_string(struct conn *c, const char *what, const uint8_t *s, uint32_t len)
{
	if (len > NBD_MAX_STRING) {
		violation(c, "%s of %u bytes", what, len);
		return false;
	}
	for (uint32_t i = 0, n; i < len; i += n) {
		n = utf8_len(s + i, len - i);
		if (!n || !s[i]) {
			violation(c, "%s is not UTF-8 or holds a NUL", what);
			return false;
		}
	}
	return true;
}

static bool has_namespace(const uint8_t *s, uint32_t len)
{
	const uint8_t *colon = memchr(s, ':', len);

	return colon && colon != s;
}

/* Matches the whole name; when listing, also what ends in a colon as a prefix. */
static bool matches(const char *name, const uint8_t *q, uint32_t len, bool list)
{
	if (strlen(name) == len && !memcmp(name, q, len))
		return true;
	return list && len && q[len - 1] == ':' && !strncmp(name, (const char *)q, len);
}

static bool already_selected(const struct conn *c, const struct context *ctx)
{
	for (unsigned int i = 0; i < c->nr_selected; i++)
		if (c->selected[i].context == ctx)
			return true;
	return false;
}

/* Identifiers are random and of this connection alone, as the protocol allows. */
static uint32_t fresh_id(struct conn *c)
{
	uint32_t id;
	bool used;

	do {
		id = random64(&c->rng);
		used = false;
		for (unsigned int i = 0; i < c->nr_selected; i++)
			used |= c->selected[i].id == id;
	} while (used);
	return id;
}

static void select_context(struct conn *c, const struct context *ctx)
{
	struct selected *s = &c->selected[c->nr_selected];

	if (already_selected(c, ctx))
		return;
	s->id = fresh_id(c);
	s->context = ctx;
	c->nr_selected++;
}

static void run_query(struct conn *c, bool list, const uint8_t *q, uint32_t len)
{
	for (unsigned int i = 0; i < opt.nr_contexts; i++) {
		const struct context *ctx = &opt.contexts[i];

		if (!matches(ctx->name, q, len, list))
			continue;
		if (list)
			meta_reply(c, NBD_OPT_LIST_META_CONTEXT, random64(&c->rng), ctx->name,
				   strlen(ctx->name));
		else
			select_context(c, ctx);
	}
}

static void list_all(struct conn *c)
{
	for (unsigned int i = 0; i < opt.nr_contexts; i++)
		meta_reply(c, NBD_OPT_LIST_META_CONTEXT, random64(&c->rng), opt.contexts[i].name,
			   strlen(opt.contexts[i].name));
}

static void check_repeats(struct conn *c, const struct cursor *all, uint32_t count)
{
	struct cursor a = *all;

	for (uint32_t i = 0; i < count; i++) {
		struct cursor b = *all;
		uint32_t la, lb;
		const uint8_t *qa = take_string(&a, &la), *qb;

		for (uint32_t j = 0; j < i; j++) {
			qb = take_string(&b, &lb);
			if (la == lb && !memcmp(qa, qb, la))
				violation(c, "query %.*s sent twice", (int)la, qa);
		}
	}
}

static bool check_queries(struct conn *c, const struct cursor *start, uint32_t count)
{
	struct cursor cur = *start;
	bool good = true;

	for (uint32_t i = 0; i < count && !cur.bad; i++) {
		uint32_t len;
		const uint8_t *q = take_string(&cur, &len);

		if (cur.bad)
			break;
		good &= check_string(c, "query", q, len);
		if (!has_namespace(q, len)) {
			violation(c, "query %.*s has no namespace", (int)len, q);
			good = false;
		}
	}
	if (cur.bad || cur.left) {
		violation(c, "malformed metadata context option");
		return false;
	}
	check_repeats(c, start, count);
	return good;
}

static enum verdict send_selection(struct conn *c)
{
	enum verdict v = evil_step(c, STEP_SELECTED, NBD_OPT_SET_META_CONTEXT);

	if (v != HS_NORMAL)
		return v;
	for (unsigned int i = 0; i < c->nr_selected; i++) {
		const char *name = c->selected[i].context->name;

		logf_line("CONTEXT %s id=0x%08x conn=%u", name, c->selected[i].id, c->no);
		meta_reply(c, NBD_OPT_SET_META_CONTEXT, c->selected[i].id, name, strlen(name));
	}
	c->set_done = true;
	option_reply(c, NBD_OPT_SET_META_CONTEXT, NBD_REP_ACK, NULL, 0);
	return HS_CONTINUE;
}

static void forget_selection(struct conn *c)
{
	free(c->set_export);
	c->set_export = NULL;
	c->set_done = false;
	c->nr_selected = 0;
}

enum verdict meta_option(struct conn *c, uint32_t option, const uint8_t *data, uint32_t len)
{
	struct cursor cur = { .p = data, .left = len };
	bool list = option == NBD_OPT_LIST_META_CONTEXT;
	uint32_t name_len, count, q_len;
	const uint8_t *name;

	if (!list)
		forget_selection(c);
	name = take_string(&cur, &name_len);
	count = take_u32(&cur);
	if (!c->structured)
		violation(c, "metadata contexts before structured replies");
	if (!c->structured || cur.bad || !check_queries(c, &cur, count) ||
	    !check_string(c, "export name", name, name_len)) {
		option_error(c, option, NBD_REP_ERR_INVALID, "malformed or out of order");
		return HS_CONTINUE;
	}
	if (opt.export && (strlen(opt.export) != name_len || memcmp(opt.export, name, name_len))) {
		option_error(c, option, NBD_REP_ERR_UNKNOWN, "no such export");
		return HS_CONTINUE;
	}
	if (list && !count)
		list_all(c);
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *q = take_string(&cur, &q_len);

		run_query(c, list, q, q_len);
	}
	if (list) {
		option_reply(c, option, NBD_REP_ACK, NULL, 0);
		return HS_CONTINUE;
	}
	c->set_export = strndup((const char *)name, name_len);
	return c->set_export ? send_selection(c) : HS_CLOSE;
}
