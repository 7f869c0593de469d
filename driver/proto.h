/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The transmission phase of the NBD protocol on the wire: numbers and layouts. Section titles in
 * comments are those of the protocol document, https://github.com/NetworkBlockDevice/nbd
 * doc/proto.md.
 */
#ifndef NBD_PROTO_H
#define NBD_PROTO_H

#include "pure.h"

/* "Values": magic numbers */
#define NBD_REQUEST_MAGIC	0x25609513u
#define NBD_SIMPLE_REPLY_MAGIC	0x67446698u
#define NBD_STRUCTURED_REPLY_MAGIC	0x668e33efu

/* "Transmission flags" */
#define NBD_FLAG_HAS_FLAGS	(1u << 0)
#define NBD_FLAG_READ_ONLY	(1u << 1)
#define NBD_FLAG_SEND_FLUSH	(1u << 2)
#define NBD_FLAG_SEND_FUA		(1u << 3)
#define NBD_FLAG_ROTATIONAL	(1u << 4)
#define NBD_FLAG_SEND_TRIM	(1u << 5)
#define NBD_FLAG_SEND_WRITE_ZEROES	(1u << 6)
#define NBD_FLAG_SEND_DF		(1u << 7)
#define NBD_FLAG_CAN_MULTI_CONN	(1u << 8)

/* "Request types" */
enum nbd_type {
	NBD_CMD_READ		= 0,
	NBD_CMD_WRITE		= 1,
	NBD_CMD_DISC		= 2,
	NBD_CMD_FLUSH		= 3,
	NBD_CMD_TRIM		= 4,
	NBD_CMD_CACHE		= 5,
	NBD_CMD_WRITE_ZEROES		= 6,
	NBD_CMD_BLOCK_STATUS	= 7,
};

/* "Command flags" */
#define NBD_CMD_FLAG_FUA		(1u << 0)
#define NBD_CMD_FLAG_NO_HOLE		(1u << 1)
#define NBD_CMD_FLAG_DF		(1u << 2)
#define NBD_CMD_FLAG_REQ_ONE		(1u << 3)

/* "Structured reply types" and flags */
#define NBD_REPLY_FLAG_DONE		(1u << 0)
#define NBD_REPLY_TYPE_NONE		0u
#define NBD_REPLY_TYPE_OFFSET_DATA		1u
#define NBD_REPLY_TYPE_OFFSET_HOLE		2u
#define NBD_REPLY_TYPE_BLOCK_STATUS	5u
#define NBD_REPLY_TYPE_ERROR_BIT	(1u << 15)
#define NBD_REPLY_TYPE_ERROR		0x8001u
#define NBD_REPLY_TYPE_ERROR_OFFSET	0x8002u

/* "Error values": defined by the protocol, and independent of the errno of this host */
#define NBD_EPERM		1u
#define NBD_EIO			5u
#define NBD_ENOMEM		12u
#define NBD_EINVAL		22u
#define NBD_ENOSPC		28u
#define NBD_EOVERFLOW		75u
#define NBD_ENOTSUP		95u
#define NBD_ESHUTDOWN		108u

/* "Size constraints" and "Metadata querying": defaults and limits */
#define NBD_MIN_BLOCK_DEFAULT	1u
#define NBD_PREF_BLOCK_DEFAULT	4096u
#define NBD_MAX_PAYLOAD		(32u << 20)
#define NBD_STRING_MAX		4096u
#define NBD_MAX_DESCRIPTORS	(8u << 20)	/* in one chunk; a server should stay under 2^20 */

/* "Request message" */
struct nbd_wire_request {
	__be32 magic;
	__be16 flags;		/* NBD_CMD_FLAG_* */
	__be16 type;		/* enum nbd_type */
	__be64 cookie;
	__be64 offset;
	__be32 length;
} __packed;

/* "Simple reply message"; chunks begin with the same layout */
struct nbd_wire_simple {
	__be32 magic;
	__be32 error;		/* NBD_E*; in a chunk: flags and type */
	__be64 cookie;
} __packed;

/* "Structured reply chunk message" */
struct nbd_wire_chunk {
	__be32 magic;
	__be16 flags;		/* NBD_REPLY_FLAG_DONE */
	__be16 type;		/* NBD_REPLY_TYPE_* */
	__be64 cookie;
	__be32 length;		/* of the payload */
} __packed;

struct nbd_wire_data {
	__be64 offset;
} __packed;

struct nbd_wire_hole {
	__be64 offset;
	__be32 length;
} __packed;

struct nbd_wire_error {
	__be32 error;		/* NBD_E* */
	__be16 message_length;
} __packed;

struct nbd_wire_status {
	__be32 context_id;
} __packed;

struct nbd_wire_descriptor {
	__be32 length;
	__be32 status;
} __packed;

static_assert(sizeof(struct nbd_wire_request) == 28, "request header");
static_assert(sizeof(struct nbd_wire_simple) == 16, "simple reply");
static_assert(sizeof(struct nbd_wire_chunk) == 20, "structured reply chunk");
static_assert(offsetof(struct nbd_wire_chunk, cookie) == offsetof(struct nbd_wire_simple, cookie),
	      "both replies carry the cookie in the same place");
static_assert(sizeof(struct nbd_wire_data) == 8, "offset of a data chunk");
static_assert(sizeof(struct nbd_wire_hole) == 12, "hole chunk");
static_assert(sizeof(struct nbd_wire_error) == 6, "error chunk");
static_assert(sizeof(struct nbd_wire_status) == 4, "block status chunk");
static_assert(sizeof(struct nbd_wire_descriptor) == 8, "block status descriptor");

/**
 * struct nbd_req - a request of the transmission phase, in host byte order
 * @offset: offset of the range in the export, in bytes
 * @length: length of the range in bytes; for WRITE also that of the payload
 * @type: enum nbd_type
 * @flags: NBD_CMD_FLAG_*
 */
struct nbd_req {
	u64 offset;
	u32 length;
	u16 type;
	u16 flags;
};

/**
 * nbd_put_request() - encode a request header
 * @wire: header to fill
 * @req: the request
 * @cookie: cookie for the reply
 *
 * Context: Any.
 */
static inline void nbd_put_request(struct nbd_wire_request *wire, const struct nbd_req *req,
				   u64 cookie)
{
	wire->magic = cpu_to_be32(NBD_REQUEST_MAGIC);
	wire->flags = cpu_to_be16(req->flags);
	wire->type = cpu_to_be16(req->type);
	wire->cookie = cpu_to_be64(cookie);
	wire->offset = cpu_to_be64(req->offset);
	wire->length = cpu_to_be32(req->length);
}

#endif /* NBD_PROTO_H */
