/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A receiver in user space: drives the reply parser as the driver's receiver
 * does, over a small table of requests. What the parser lets through is kept
 * byte by byte, so that a test can judge it without trusting the tracker.
 */
#ifndef DRIVER_RIG_H
#define DRIVER_RIG_H

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cover.h"
#include "extents.h"
#include "reply.h"

#define RIG_CMDS	8u
#define RIG_CONTEXTS	2u
#define RIG_RUNS	16u
#define RIG_EXTENTS	8u
#define RIG_LENGTH	65536u		/* most bytes of a request */

/* Ids of the two contexts on the connection, and the mask of the first */
static const u32 rig_ids[RIG_CONTEXTS] = { 7, 0xfffffff0u };

/**
 * struct rig_cmd - a request in flight
 * @req: what was asked
 * @live: no reply has ended it
 * @error: first error of the reply
 * @cover: the driver's tracker of content
 * @runs: memory of @cover
 * @hits: how often each byte was answered; 0xff says as a hole
 * @ext: extents of each context
 * @list: memory of @ext
 */
struct rig_cmd {
	struct nbd_req req;
	bool live;
	u32 error;
	struct nbd_cover cover;
	struct nbd_run runs[RIG_RUNS];
	u8 *hits;
	struct nbd_extents ext[RIG_CONTEXTS];
	struct nbd_extent list[RIG_CONTEXTS][RIG_EXTENTS];
};

/**
 * struct rig - the receiver
 * @r: the parser
 * @cmd: the request that the reply is for
 * @ext: where descriptors go
 * @at: offset of the next byte of content
 * @cmds: requests; the place is the cookie
 * @orphan: cookie of a failed block status, whose reply may continue
 * @orphans: chunks that may come for it
 * @log: what happened, in words; payload is listed once, when it is announced
 * @used: bytes of @log
 */
struct rig {
	struct nbd_reply r;
	struct rig_cmd *cmd;
	struct nbd_extents *ext;
	u64 at;
	struct rig_cmd cmds[RIG_CMDS];
	u64 orphan;
	u32 orphans;
	char log[4096];
	size_t used;
};

__attribute__((format(printf, 2, 3)))
static inline void rig_say(struct rig *rig, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(rig->log + rig->used, sizeof(rig->log) - rig->used, format, args);
	va_end(args);
	if (n > 0 && rig->used + n < sizeof(rig->log))
		rig->used += n;
	else
		rig->log[rig->used] = '\0';
}

static inline void rig_init(struct rig *rig, bool structured)
{
	memset(rig, 0, sizeof(*rig));
	nbd_reply_init(&rig->r, structured);
}

static inline void rig_ask(struct rig *rig, u32 cookie, struct nbd_req req)
{
	struct rig_cmd *cmd = &rig->cmds[cookie];
	u32 i;

	assert(req.length <= RIG_LENGTH);
	cmd->req = req;
	cmd->live = true;
	cmd->cover = (struct nbd_cover){ .cap = RIG_RUNS, .runs = cmd->runs };
	cmd->hits = calloc(1, req.length + 1);
	for (i = 0; i < RIG_CONTEXTS; i++) {
		cmd->ext[i] = (struct nbd_extents){
			.mask = i ? U64_MAX : nbd_context_mask("base:allocation"),
			.one = req.flags & NBD_CMD_FLAG_REQ_ONE,
			.cap = RIG_EXTENTS,
			.list = cmd->list[i],
		};
		nbd_extents_reset(&cmd->ext[i], req.length);
	}
}

static inline void rig_free(struct rig *rig)
{
	u32 i;

	for (i = 0; i < RIG_CMDS; i++)
		free(rig->cmds[i].hits);
}

static inline void rig_break(struct rig *rig, const char *rule)
{
	nbd_reply_violation(&rig->r, rule);
}

/* Content is announced: it must be new, and lie in the request */
static inline void rig_content(struct rig *rig, u32 length, bool hole)
{
	struct rig_cmd *cmd = rig->cmd;
	u64 start = rig->r.offset - cmd->req.offset;
	int err;
	u32 i;

	assert(rig->r.offset >= cmd->req.offset && start + length <= cmd->req.length);
	assert(cmd->req.type == NBD_CMD_READ);
	if (!length)
		return;
	err = nbd_cover_add(&cmd->cover, start, length);
	if (err) {
		rig_break(rig, err == -EEXIST ? "data sent twice" : "too many chunks");
		return;
	}
	rig->at = rig->r.offset;
	for (i = 0; hole && i < length; i++)
		assert(!cmd->hits[start + i]++);
	rig_say(rig, "%s %llu+%u; ", hole ? "hole" : "data",
		(unsigned long long)rig->r.offset, length);
}

static inline void rig_find(struct rig *rig)
{
	u64 cookie = rig->r.cookie;

	if (cookie < RIG_CMDS && rig->cmds[cookie].live) {
		rig->cmd = &rig->cmds[cookie];
		nbd_reply_found(&rig->r, &rig->cmd->req);
	} else if (rig->orphans && rig->orphan == cookie) {
		rig->orphans--;
		rig_say(rig, "orphan; ");
		nbd_reply_orphaned(&rig->r);
	} else {
		rig_break(rig, "reply to no request in flight");
	}
}

/* Is a read that is about to end well whole? Told by the bytes themselves. */
static inline bool rig_whole(const struct rig_cmd *cmd)
{
	u32 i;

	for (i = 0; i < cmd->req.length; i++)
		if (cmd->hits[i] != 1)
			return false;
	return true;
}

static inline void rig_end(struct rig *rig)
{
	struct rig_cmd *cmd = rig->cmd;
	bool read = cmd->req.type == NBD_CMD_READ, full, all;

	full = nbd_cover_full(&cmd->cover, cmd->req.length);
	all = cmd->ext[0].seen && cmd->ext[1].seen;
	if (read)
		assert(full == rig_whole(cmd));
	if (!cmd->error && read && !full)
		return rig_break(rig, "data missing");
	if (!cmd->error && cmd->req.type == NBD_CMD_BLOCK_STATUS && !all)
		return rig_break(rig, "context missing");
	if (cmd->error && cmd->req.type == NBD_CMD_BLOCK_STATUS) {
		rig->orphan = rig->r.cookie;
		rig->orphans = RIG_CONTEXTS - 1;
	}
	cmd->live = false;
	rig_say(rig, cmd->error ? "failed %u; " : "end; ", cmd->error);
	nbd_reply_done_step(&rig->r);
}

static inline void rig_context(struct rig *rig)
{
	u32 i;

	for (i = 0; i < RIG_CONTEXTS; i++) {
		if (rig_ids[i] != rig->r.context_id)
			continue;
		rig->ext = &rig->cmd->ext[i];
		if (rig->ext->seen)
			return rig_break(rig, "second chunk for one context");
		rig->ext->seen = true;
		rig_say(rig, "status %u; ", i);
		return;
	}
	rig_break(rig, "unknown context");
}

static inline void rig_announced(struct rig *rig)
{
	if (rig->r.step == NBD_STEP_DATA)
		rig_content(rig, rig->r.left, false);
	else if (rig->r.step == NBD_STEP_STATUS)
		rig_context(rig);
}

static inline u32 rig_payload(struct rig *rig, const u8 *buf, u32 n)
{
	u32 i;

	n = min_t(u32, n, rig->r.left);
	if (rig->r.step == NBD_STEP_DATA) {
		for (i = 0; i < n; i++)
			assert(!rig->cmd->hits[rig->at + i - rig->cmd->req.offset]++);
		rig->at += n;
	} else if (rig->r.step == NBD_STEP_STATUS) {
		nbd_extents_feed(rig->ext, buf, n);
	}
	rig->r.left -= n;
	if (!rig->r.left)
		nbd_reply_drained(&rig->r);
	return n;
}

static inline u32 rig_fill(struct rig *rig, const u8 *buf, u32 n)
{
	struct nbd_reply *r = &rig->r;

	assert(r->need > r->have && r->need <= sizeof(r->buf));
	n = min_t(u32, n, r->need - r->have);
	memcpy(r->buf + r->have, buf, n);
	r->have += n;
	if (r->have == r->need)
		nbd_reply_filled(r);
	return n;
}

static inline bool rig_wants_bytes(const struct nbd_reply *r)
{
	return r->step == NBD_STEP_FILL || r->step == NBD_STEP_DATA ||
	       r->step == NBD_STEP_STATUS || (r->step == NBD_STEP_SKIP && r->left);
}

/* Take bytes of the server. Return: false after it broke a rule, which @rig->r.broken tells */
static inline bool rig_feed(struct rig *rig, const u8 *buf, u32 len)
{
	struct nbd_reply *r = &rig->r;
	u32 n;

	while (len || !rig_wants_bytes(r)) {
		n = 0;
		switch (r->step) {
		case NBD_STEP_FILL:
			n = rig_fill(rig, buf, len);
			rig_announced(rig);
			break;
		case NBD_STEP_FIND:
			rig_find(rig);
			rig_announced(rig);
			break;
		case NBD_STEP_HOLE:
			rig_content(rig, r->length, true);
			if (r->step == NBD_STEP_HOLE)
				nbd_reply_done_step(r);
			break;
		case NBD_STEP_ERROR:
			if (!rig->cmd->error)
				rig->cmd->error = r->error;
			nbd_reply_done_step(r);
			break;
		case NBD_STEP_END:
			rig_end(rig);
			break;
		case NBD_STEP_VIOLATION:
			return false;
		default:
			n = rig_payload(rig, buf, len);
		}
		buf += n;
		len -= n;
	}
	return true;
}

#endif /* DRIVER_RIG_H */
