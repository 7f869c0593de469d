// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reply parser. Every length and type that a server sends is validated here, against the request
 * that the reply is for; see "Structured reply message" and the sections of the reply types in the
 * NBD protocol.
 */
#include "reply.h"

/* Parts of a reply that are read into nbd_reply.buf, in their order */
enum {
	PART_HEADER,		/* what both forms of a reply begin with */
	PART_CHUNK,		/* the rest of the header of a chunk */
	PART_PREFIX,		/* the fixed fields that a payload begins with */
};

static void reply_want(struct nbd_reply *r, u8 part, u32 need, u32 have)
{
	r->part = part;
	r->need = need;
	r->have = have;
	r->step = NBD_STEP_FILL;
}

static void reply_next_reply(struct nbd_reply *r)
{
	r->req = NULL;
	r->orphan = false;
	r->error = 0;
	reply_want(r, PART_HEADER, sizeof(struct nbd_wire_simple), 0);
}

/**
 * nbd_reply_init() - initialise the parser for the start of the transmission phase
 * @r: the parser
 * @structured: structured replies were negotiated
 */
void nbd_reply_init(struct nbd_reply *r, bool structured)
{
	memset(r, 0, sizeof(*r));
	r->structured = structured;
	reply_next_reply(r);
}

/**
 * nbd_reply_violation() - record a protocol violation
 * @r: the parser
 * @rule: human-readable description of what the server did
 */
void nbd_reply_violation(struct nbd_reply *r, const char *rule)
{
	r->broken = rule;
	r->step = NBD_STEP_VIOLATION;
}

static void reply_header_filled(struct nbd_reply *r)
{
	const struct nbd_wire_simple *wire = (const void *)r->buf;

	r->cookie = be64_to_cpu(wire->cookie);
	switch (be32_to_cpu(wire->magic)) {
	case NBD_SIMPLE_REPLY_MAGIC:
		r->chunk_type = NBD_REPLY_TYPE_NONE;
		r->chunk_flags = NBD_REPLY_FLAG_DONE;
		r->error = be32_to_cpu(wire->error);
		r->left = 0;
		r->length = 0;
		r->part = PART_HEADER;
		r->step = NBD_STEP_FIND;
		break;
	case NBD_STRUCTURED_REPLY_MAGIC:
		if (r->structured)
			reply_want(r, PART_CHUNK, sizeof(struct nbd_wire_chunk), r->have);
		else
			nbd_reply_violation(r, "structured reply, which was not negotiated");
		break;
	default:
		nbd_reply_violation(r, "unknown reply magic");
	}
}

static void reply_chunk_filled(struct nbd_reply *r)
{
	const struct nbd_wire_chunk *wire = (const void *)r->buf;

	r->chunk_flags = be16_to_cpu(wire->flags);
	r->chunk_type = be16_to_cpu(wire->type);
	r->left = be32_to_cpu(wire->length);
	r->step = NBD_STEP_FIND;
}

/* True if the range of a chunk is in the range of its request; no sum can wrap */
static bool reply_is_inside(const struct nbd_req *req, u64 offset, u32 length)
{
	return offset >= req->offset && offset - req->offset <= req->length &&
	       length <= req->length - (offset - req->offset);
}

static void reply_data_filled(struct nbd_reply *r)
{
	const struct nbd_wire_data *wire = (const void *)r->buf;

	r->offset = be64_to_cpu(wire->offset);
	if (reply_is_inside(r->req, r->offset, r->left))
		r->step = NBD_STEP_DATA;
	else
		nbd_reply_violation(r, "data chunk outside of the request");
}

static void reply_hole_filled(struct nbd_reply *r)
{
	const struct nbd_wire_hole *wire = (const void *)r->buf;

	r->offset = be64_to_cpu(wire->offset);
	r->length = be32_to_cpu(wire->length);
	if (r->length && reply_is_inside(r->req, r->offset, r->length))
		r->step = NBD_STEP_HOLE;
	else
		nbd_reply_violation(r, "hole chunk empty or outside of the request");
}

static void reply_status_filled(struct nbd_reply *r)
{
	const struct nbd_wire_status *wire = (const void *)r->buf;

	r->context_id = be32_to_cpu(wire->context_id);
	r->step = NBD_STEP_STATUS;
}

static void reply_error_filled(struct nbd_reply *r)
{
	const struct nbd_wire_error *wire = (const void *)r->buf;
	u32 message = be16_to_cpu(wire->message_length);
	u32 tail = r->chunk_type == NBD_REPLY_TYPE_ERROR_OFFSET ? sizeof(__be64) : 0;
	bool known = r->chunk_type == NBD_REPLY_TYPE_ERROR ||
		     r->chunk_type == NBD_REPLY_TYPE_ERROR_OFFSET;

	if (message > NBD_STRING_MAX || message > r->left)
		return nbd_reply_violation(r, "error message longer than its chunk, or too long");
	if (known && r->left != message + tail)
		return nbd_reply_violation(r, "error chunk of a wrong length");
	/* An error chunk is an error even if its number is 0 */
	r->error = be32_to_cpu(wire->error) ?: NBD_EIO;
	r->step = NBD_STEP_ERROR;
}

static void reply_prefix_filled(struct nbd_reply *r)
{
	switch (r->chunk_type) {
	case NBD_REPLY_TYPE_OFFSET_DATA:
		return reply_data_filled(r);
	case NBD_REPLY_TYPE_OFFSET_HOLE:
		return reply_hole_filled(r);
	case NBD_REPLY_TYPE_BLOCK_STATUS:
		return reply_status_filled(r);
	default:
		return reply_error_filled(r);
	}
}

/**
 * nbd_reply_filled() - validate the part of a header that was read
 * @r: the parser, in NBD_STEP_FILL with @r->need bytes in @r->buf
 */
void nbd_reply_filled(struct nbd_reply *r)
{
	switch (r->part) {
	case PART_HEADER:
		return reply_header_filled(r);
	case PART_CHUNK:
		return reply_chunk_filled(r);
	default:
		return reply_prefix_filled(r);
	}
}

/* Read the fixed prefix of the payload next, which the length of the payload includes */
static void reply_want_prefix(struct nbd_reply *r, u32 size)
{
	r->left -= size;
	reply_want(r, PART_PREFIX, size, 0);
}

static void reply_found_simple(struct nbd_reply *r)
{
	const struct nbd_req *req = r->req;

	if (r->error) {
		r->step = NBD_STEP_ERROR;
	} else if (req->type == NBD_CMD_READ && !r->structured) {
		r->offset = req->offset;
		r->left = req->length;
		r->step = NBD_STEP_DATA;
	} else if (req->type == NBD_CMD_READ || req->type == NBD_CMD_BLOCK_STATUS) {
		nbd_reply_violation(r,
				    "simple reply without error to a request that requires chunks");
	} else {
		r->step = NBD_STEP_END;
	}
}

static void reply_found_data(struct nbd_reply *r)
{
	if (r->req->type != NBD_CMD_READ)
		nbd_reply_violation(r, "data chunk for a request that is not a READ");
	else if (r->left <= sizeof(struct nbd_wire_data) ||
		 r->left - sizeof(struct nbd_wire_data) > r->req->length)
		nbd_reply_violation(r, "data chunk of a wrong length");
	else
		reply_want_prefix(r, sizeof(struct nbd_wire_data));
}

static void reply_found_hole(struct nbd_reply *r)
{
	if (r->req->type != NBD_CMD_READ)
		nbd_reply_violation(r, "hole chunk for a request that is not a READ");
	else if (r->left != sizeof(struct nbd_wire_hole))
		nbd_reply_violation(r, "hole chunk of a wrong length");
	else
		reply_want_prefix(r, sizeof(struct nbd_wire_hole));
}

static void reply_found_status(struct nbd_reply *r)
{
	u32 descriptors = r->left - sizeof(struct nbd_wire_status);

	if (r->req->type != NBD_CMD_BLOCK_STATUS)
		nbd_reply_violation(r, "block status chunk for a request that is not BLOCK_STATUS");
	else if (r->left <= sizeof(struct nbd_wire_status) ||
		 descriptors % sizeof(struct nbd_wire_descriptor) ||
		 descriptors / sizeof(struct nbd_wire_descriptor) > NBD_MAX_DESCRIPTORS)
		nbd_reply_violation(r, "block status chunk of a wrong length");
	else
		reply_want_prefix(r, sizeof(struct nbd_wire_status));
}

/* Most payload of an error chunk: fixed fields, the longest message, and fields of future types */
#define ERROR_MAX	(sizeof(struct nbd_wire_error) + NBD_STRING_MAX + 256)

static void reply_found_error(struct nbd_reply *r)
{
	if (r->left < sizeof(struct nbd_wire_error) || r->left > ERROR_MAX)
		nbd_reply_violation(r, "error chunk of a wrong length");
	else
		reply_want_prefix(r, sizeof(struct nbd_wire_error));
}

/**
 * nbd_reply_found() - continue with the request that the cookie belongs to
 * @r: the parser, in NBD_STEP_FIND
 * @req: the request; must stay until NBD_STEP_END, or until the next chunk
 */
void nbd_reply_found(struct nbd_reply *r, const struct nbd_req *req)
{
	r->req = req;
	if (r->part == PART_HEADER)
		return reply_found_simple(r);
	switch (r->chunk_type) {
	case NBD_REPLY_TYPE_NONE:
		if (r->left || !(r->chunk_flags & NBD_REPLY_FLAG_DONE))
			nbd_reply_violation(r,
					    "empty chunk with a payload or without the done flag");
		else
			r->step = NBD_STEP_END;
		break;
	case NBD_REPLY_TYPE_OFFSET_DATA:
		return reply_found_data(r);
	case NBD_REPLY_TYPE_OFFSET_HOLE:
		return reply_found_hole(r);
	case NBD_REPLY_TYPE_BLOCK_STATUS:
		return reply_found_status(r);
	default:
		if (r->chunk_type & NBD_REPLY_TYPE_ERROR_BIT)
			return reply_found_error(r);
		nbd_reply_violation(r, "chunk of an unknown type");
	}
}

/**
 * nbd_reply_orphaned() - drop a chunk whose request has failed
 * @r: the parser, in NBD_STEP_FIND
 *
 * Some servers that reply to block status one context after the other continue after an error chunk
 * that has ended the reply.
 */
void nbd_reply_orphaned(struct nbd_reply *r)
{
	r->orphan = true;
	if (r->part == PART_HEADER)
		nbd_reply_violation(r, "second simple reply to one request");
	else if (r->left > sizeof(struct nbd_wire_status) +
		 NBD_MAX_DESCRIPTORS * sizeof(struct nbd_wire_descriptor))
		nbd_reply_violation(r, "stray chunk is too long");
	else
		r->step = NBD_STEP_SKIP;
}

/* A chunk or simple reply has been handled: end the reply, or read the next chunk */
static void reply_chunk_end(struct nbd_reply *r)
{
	if (!r->orphan && (r->chunk_flags & NBD_REPLY_FLAG_DONE))
		r->step = NBD_STEP_END;
	else
		reply_next_reply(r);
}

/**
 * nbd_reply_drained() - continue after the payload
 * @r: the parser, in NBD_STEP_DATA, NBD_STEP_STATUS or NBD_STEP_SKIP
 */
void nbd_reply_drained(struct nbd_reply *r)
{
	r->left = 0;
	reply_chunk_end(r);
}

/**
 * nbd_reply_done_step() - continue after a step without payload
 * @r: the parser, in NBD_STEP_HOLE, NBD_STEP_ERROR or NBD_STEP_END
 */
void nbd_reply_done_step(struct nbd_reply *r)
{
	if (r->step == NBD_STEP_END)
		reply_next_reply(r);
	else if (r->step == NBD_STEP_ERROR && r->left)
		r->step = NBD_STEP_SKIP;
	else
		reply_chunk_end(r);
}
