// SPDX-License-Identifier: GPL-2.0-only
/*
 * Misbehaviours that fit any command, in both reply forms: magics, cookies, and the ways a stream
 * can end or fall silent. The table is at the end.
 */
#include <endian.h>
#include <string.h>
#include <sys/socket.h>

#include "evil.h"

#define EVIL(name)	static void name(struct conn *c, struct reply *r, const struct evil *e)
#define UNUSED		((void)c, (void)e)
#define COMPANY_MS	100

/* The right answer, in its plainest form */
static void normal(struct conn *c, struct reply *r)
{
	if (r->req.command == NBD_CMD_READ)
		read_whole(c, r);
	else if (r->req.command == NBD_CMD_BLOCK_STATUS)
		status_answer(c, r);
	else
		reply_simple(r, 0);
	r->ordered = true;
}

EVIL(magic)
{
	normal(c, r);
	msg_set_magic(r->first, e->arg);
}

EVIL(cookie_flip)
{
	normal(c, r);
	for (struct msg *m = r->first; m; m = m->next)
		msg_set_cookie(m, r->req.cookie ^ e->arg);
}

/* A whole second answer, under a cookie that was answered long ago, goes before the right one. */
EVIL(stale)
{
	uint64_t cookie = c->have_stale ? c->stale_cookie : r->req.cookie + 1;
	struct msg *m;

	normal(c, r);
	for (m = r->first; m; m = m->next)
		msg_set_cookie(m, cookie);
	normal(c, r);
	(void)e;
}

/* The cookie of a request that waits for its answer: queued here, or about to be read. */
static uint64_t cookie_of_another(struct conn *c, const struct reply *r)
{
	struct wire_request next;

	if (c->pending)
		return c->pending->req.cookie;
	if (r->req.command != NBD_CMD_WRITE && conn_readable(c, COMPANY_MS) &&
	    recv(c->fd, &next, sizeof(next), MSG_PEEK) == sizeof(next))
		return be64toh(next.cookie);
	return r->req.cookie + 1;
}

EVIL(others_cookie)
{
	uint64_t cookie = cookie_of_another(c, r);

	normal(c, r);
	for (struct msg *m = r->first; m; m = m->next)
		msg_set_cookie(m, cookie);
	(void)e;
}

EVIL(no_reply)
{
	(void)r;
	UNUSED;
}

/* The first arg & 0xff bytes of the answer, then EOF, or silence (0x100). */
EVIL(cut)
{
	enum msg_end end = e->arg & 0x100 ? END_STALL : END_CLOSE;

	normal(c, r);
	msg_truncate(r->first, e->arg & 0xff, end);
}

EVIL(trickled)
{
	normal(c, r);
	for (struct msg *m = r->first; m; m = m->next)
		m->trickle_ms = e->arg;
}

EVIL(close_after)
{
	normal(c, r);
	reply_last(r)->end = END_CLOSE;
	(void)e;
}

EVIL(deaf)
{
	conn_deaf(c);
	normal(c, r);
	msg_truncate(r->first, 0, END_CLOSE);
	(void)e;
}

EVIL(junk_after)
{
	static const uint8_t junk[MSG_HEAD_MAX] = "unsolicited bytes";

	normal(c, r);
	reply_raw(r, junk, e->arg);
}

EVIL(unsolicited)
{
	normal(c, r);
	msg_set_cookie(reply_simple(r, e->arg), random64(&c->rng));
}

EVIL(unsolicited_chunk)
{
	normal(c, r);
	msg_set_cookie(reply_none(r), random64(&c->rng));
	(void)e;
}

#define ROW(n, o, f, a, w)								\
	{ .name = n, .phase = PHASE_ANY, .outcome = OUTCOME_##o, .commands = CMDS_ALL,	\
	  .simple_too = true, .reply = f, .arg = a, .what = w }

const struct evil evil_stream_table[] = {
	ROW("magic-wrong", DROP, magic, 0x12345678, "reply with a magic nobody knows"),
	ROW("magic-extended", DROP, magic, NBD_EXT_REPLY_MAGIC, "magic of an extended reply"),
	ROW("magic-request", DROP, magic, NBD_REQUEST_MAGIC, "magic of a request"),
	ROW("magic-zero", DROP, magic, 0, "magic 0"),
	ROW("cookie-wrong", DROP, cookie_flip, 0x5555555555555555ULL, "cookie never used"),
	ROW("cookie-high-half", DROP, cookie_flip, 1ULL << 32, "upper half of the cookie differs"),
	ROW("cookie-low-half", DROP, cookie_flip, 1ULL << 31, "lower half of the cookie differs"),
	ROW("cookie-swapped", DROP, cookie_flip, UINT64_MAX, "every bit of the cookie differs"),
	ROW("cookie-stale", DROP, stale, 0, "an answer to a finished request, then the right one"),
	ROW("cookie-other", DROP, others_cookie, 0,
	    "answer under the cookie of another request in flight (needs two)"),
	ROW("reply-none", DROP, no_reply, 0, "this request is never answered, others are"),
	ROW("reply-stall", DROP, cut, 0x100, "silence instead of the reply, for all requests"),
	ROW("reply-stall-header", DROP, cut, 0x100 | 7, "silence after 7 bytes of the header"),
	ROW("reply-eof", DROP, cut, 0, "EOF instead of the reply"),
	ROW("reply-eof-header", DROP, cut, 7, "EOF after 7 bytes of the header"),
	ROW("reply-eof-header15", DROP, cut, 15, "EOF after 15 bytes of the header"),
	ROW("reply-deaf", DROP, deaf, 0, "neither answers nor reads from now on: sends block"),
	ROW("reply-trickle", OK, trickled, 2, "headers arrive byte by byte, 2 ms apart"),
	ROW("eof-idle", DROP, close_after, 0, "EOF just after a right reply"),
	ROW("junk-1", DROP, junk_after, 1, "one stray byte behind a right reply"),
	ROW("junk-16", DROP, junk_after, 16, "16 stray bytes behind a right reply"),
	ROW("junk-64", DROP, junk_after, 64, "64 stray bytes behind a right reply"),
	ROW("unsolicited-success", DROP, unsolicited, 0, "a second reply to nothing"),
	ROW("unsolicited-error", DROP, unsolicited, NBD_EIO, "an error reply to nothing"),
	ROW("unsolicited-chunk", DROP, unsolicited_chunk, 0, "a NONE chunk for nothing"),
	{ 0 },
};
