/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reply parser: interprets and validates the headers of replies, step by step. It never sees data
 * or descriptors, only the fixed-size parts of headers; its caller executes each step.
 * Kernel-independent. The functions may be called in any context, by one caller at a time.
 */
#ifndef NBD_REPLY_H
#define NBD_REPLY_H

#include "proto.h"

/**
 * enum nbd_step - step that the caller of the parser has to execute next
 * @NBD_STEP_FILL: read @need bytes into @buf, then call nbd_reply_filled()
 * @NBD_STEP_FIND: look up @cookie, then call nbd_reply_found() or nbd_reply_orphaned()
 * @NBD_STEP_DATA: take the next @left bytes as data at @offset, then call nbd_reply_drained()
 * @NBD_STEP_HOLE: zero @length bytes at @offset, then call nbd_reply_done_step()
 * @NBD_STEP_STATUS: take the next @left bytes as descriptors of the context @context_id, then call
 *	nbd_reply_drained()
 * @NBD_STEP_SKIP: drop the next @left bytes, then call nbd_reply_drained()
 * @NBD_STEP_ERROR: record that the request failed with @error, then call nbd_reply_done_step()
 * @NBD_STEP_END: handle the end of the reply, then call nbd_reply_done_step()
 * @NBD_STEP_VIOLATION: end the connection because of the protocol violation @broken
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
	NBD_STEP_VIOLATION,
};

/**
 * struct nbd_reply - state of the reply parser of one connection
 * @step: step to execute next
 * @structured: structured replies were negotiated
 * @orphan: the chunk is for a request that has failed, and is dropped
 * @part: part of the reply that @buf is for, see reply.c
 * @chunk_flags: flags of the chunk; NBD_REPLY_FLAG_DONE for a simple reply
 * @chunk_type: type of the chunk, NBD_REPLY_TYPE_*
 * @need: number of bytes needed in @buf
 * @have: number of bytes in @buf
 * @left: bytes of the payload that have not been read
 * @length: length of a hole in bytes
 * @error: error of the simple reply or of the chunk, NBD_E*, or 0
 * @context_id: id of the metadata context of a block status chunk
 * @cookie: cookie of the reply
 * @offset: offset of data or of a hole in the export, in bytes
 * @req: request that the reply is for, NULL before it was found
 * @broken: description of the protocol violation
 * @buf: buffer for a part of a header
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
void nbd_reply_violation(struct nbd_reply *r, const char *rule);

/* True between replies or chunks, if no byte of the next one has been read */
static inline bool nbd_reply_idle(const struct nbd_reply *r)
{
	return r->step == NBD_STEP_FILL && !r->part && !r->have;
}

#endif /* NBD_REPLY_H */
