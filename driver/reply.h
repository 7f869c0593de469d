/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reply parser: finds out, piece by piece, what the bytes of a server mean and
 * whether they may mean it. It never sees payload, only fixed-size pieces of
 * headers; whoever feeds it does what each step says.
 */
#ifndef NBD_REPLY_H
#define NBD_REPLY_H

#include "proto.h"

/**
 * enum nbd_step - what the parser wants done next
 * @NBD_STEP_FILL: gather @need bytes into @buf, then nbd_reply_filled()
 * @NBD_STEP_FIND: look up @cookie, then nbd_reply_found()
 * @NBD_STEP_DATA: the next @left bytes are content at @offset, then nbd_reply_drained()
 * @NBD_STEP_HOLE: @length bytes at @offset read as zeroes, then nbd_reply_done_step()
 * @NBD_STEP_STATUS: the next @left bytes are descriptors of context @context_id,
 *	then nbd_reply_drained()
 * @NBD_STEP_SKIP: drop the next @left bytes, then nbd_reply_drained()
 * @NBD_STEP_ERROR: the request failed with @error, then nbd_reply_done_step()
 * @NBD_STEP_END: this was the last of the reply, then nbd_reply_done_step()
 * @NBD_STEP_BROKEN: the server broke the protocol, @broken says how; the
 *	connection can't be used any more
 */
enum nbd_step {
	NBD_STEP_FILL,
	NBD_STEP_FIND,
	NBD_STEP_DATA,
	NBD_STEP_HOLE,
	NBD_STEP_STATUS,
	NBD_STEP_SKIP,
	NBD_STEP_ERROR,
	NBD_STEP_END,
	NBD_STEP_BROKEN,
};

/**
 * struct nbd_reply - state of the reply parser of one connection
 * @step: what is to be done next
 * @structured: structured replies were negotiated
 * @orphan: the reply belongs to no request, all of it is dropped
 * @part: which piece of the reply @buf holds
 * @chunk_flags: flags of the chunk
 * @chunk_type: type of the chunk
 * @need: bytes wanted in @buf
 * @have: bytes already there
 * @left: bytes of the payload not yet seen
 * @length: length of a hole
 * @error: error the reply carries
 * @context_id: context of a block status chunk
 * @cookie: of the reply
 * @offset: absolute offset of the content
 * @req: the request this is a reply to
 * @broken: which rule was broken
 * @buf: the piece being gathered
 */
struct nbd_reply {
	enum nbd_step step;
	bool structured;
	bool orphan;
	u8 part;
	u16 chunk_flags;
	u16 chunk_type;
	u32 need;
	u32 have;
	u32 left;
	u32 length;
	u32 error;
	u32 context_id;
	u64 cookie;
	u64 offset;
	const struct nbd_req *req;
	const char *broken;
	u8 buf[sizeof(struct nbd_wire_chunk)];
};

void nbd_reply_init(struct nbd_reply *r, bool structured);
void nbd_reply_filled(struct nbd_reply *r);
void nbd_reply_found(struct nbd_reply *r, const struct nbd_req *req);
void nbd_reply_orphaned(struct nbd_reply *r);
void nbd_reply_drained(struct nbd_reply *r);
void nbd_reply_done_step(struct nbd_reply *r);
void nbd_reply_break(struct nbd_reply *r, const char *rule);

/* Between two replies: nothing of the next one has been seen */
static inline bool nbd_reply_idle(const struct nbd_reply *r)
{
	return r->step == NBD_STEP_FILL && !r->part && !r->have;
}

#endif /* NBD_REPLY_H */
