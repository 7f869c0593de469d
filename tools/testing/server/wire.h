/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The NBD wire format, as the test server speaks it: numbers, names and layouts of the public NBD
 * protocol document. Everything is big-endian. Written apart from the client's own headers on
 * purpose, so that one mistake cannot hide in both.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stdint.h>

#define NBD_MAGIC		0x4e42444d41474943ULL	/* "NBDMAGIC" */
#define NBD_OPTS_MAGIC		0x49484156454f5054ULL	/* "IHAVEOPT" */
#define NBD_OLDSTYLE_MAGIC	0x0000420281861253ULL
#define NBD_REP_MAGIC		0x0003e889045565a9ULL
#define NBD_REQUEST_MAGIC	0x25609513U
#define NBD_SIMPLE_MAGIC	0x67446698U
#define NBD_CHUNK_MAGIC		0x668e33efU
#define NBD_EXT_REPLY_MAGIC	0x6e8a278cU

#define NBD_MAX_STRING		4096U
#define NBD_NAME_PADDING	124

/* Handshake flags; the client flags use the same bits. */
#define NBD_FLAG_FIXED_NEWSTYLE	0x0001
#define NBD_FLAG_NO_ZEROES	0x0002

enum nbd_option {
	NBD_OPT_EXPORT_NAME = 1,
	NBD_OPT_ABORT = 2,
	NBD_OPT_LIST = 3,
	NBD_OPT_PEEK_EXPORT = 4,
	NBD_OPT_STARTTLS = 5,
	NBD_OPT_INFO = 6,
	NBD_OPT_GO = 7,
	NBD_OPT_STRUCTURED_REPLY = 8,
	NBD_OPT_LIST_META_CONTEXT = 9,
	NBD_OPT_SET_META_CONTEXT = 10,
	NBD_OPT_EXTENDED_HEADERS = 11,
};

enum nbd_rep {
	NBD_REP_ACK = 1,
	NBD_REP_SERVER = 2,
	NBD_REP_INFO = 3,
	NBD_REP_META_CONTEXT = 4,
};

#define NBD_REP_ERR_UNSUP		0x80000001U
#define NBD_REP_ERR_POLICY		0x80000002U
#define NBD_REP_ERR_INVALID		0x80000003U
#define NBD_REP_ERR_PLATFORM		0x80000004U
#define NBD_REP_ERR_TLS_REQD		0x80000005U
#define NBD_REP_ERR_UNKNOWN		0x80000006U
#define NBD_REP_ERR_SHUTDOWN		0x80000007U
#define NBD_REP_ERR_BLOCK_SIZE_REQD	0x80000008U
#define NBD_REP_ERR_TOO_BIG		0x80000009U

enum nbd_info {
	NBD_INFO_EXPORT = 0,
	NBD_INFO_NAME = 1,
	NBD_INFO_DESCRIPTION = 2,
	NBD_INFO_BLOCK_SIZE = 3,
};

/* Transmission flags */
#define NBD_FLAG_HAS_FLAGS		0x0001
#define NBD_FLAG_READ_ONLY		0x0002
#define NBD_FLAG_SEND_FLUSH		0x0004
#define NBD_FLAG_SEND_FUA		0x0008
#define NBD_FLAG_ROTATIONAL		0x0010
#define NBD_FLAG_SEND_TRIM		0x0020
#define NBD_FLAG_SEND_WRITE_ZEROES	0x0040
#define NBD_FLAG_SEND_DF		0x0080
#define NBD_FLAG_CAN_MULTI_CONN		0x0100
#define NBD_FLAG_SEND_RESIZE		0x0200
#define NBD_FLAG_SEND_CACHE		0x0400
#define NBD_FLAG_SEND_FAST_ZERO		0x0800
#define NBD_FLAG_UNASSIGNED		0xe000

enum nbd_cmd {
	NBD_CMD_READ = 0,
	NBD_CMD_WRITE = 1,
	NBD_CMD_DISC = 2,
	NBD_CMD_FLUSH = 3,
	NBD_CMD_TRIM = 4,
	NBD_CMD_CACHE = 5,
	NBD_CMD_WRITE_ZEROES = 6,
	NBD_CMD_BLOCK_STATUS = 7,
};

/* Command flags */
#define NBD_CMD_FLAG_FUA		0x0001
#define NBD_CMD_FLAG_NO_HOLE		0x0002
#define NBD_CMD_FLAG_DF			0x0004
#define NBD_CMD_FLAG_REQ_ONE		0x0008
#define NBD_CMD_FLAG_FAST_ZERO		0x0010

/* Structured reply chunks */
#define NBD_REPLY_FLAG_DONE		0x0001

#define NBD_REPLY_NONE			0
#define NBD_REPLY_OFFSET_DATA		1
#define NBD_REPLY_OFFSET_HOLE		2
#define NBD_REPLY_BLOCK_STATUS		5
#define NBD_REPLY_BLOCK_STATUS_EXT	6
#define NBD_REPLY_ERROR			0x8001
#define NBD_REPLY_ERROR_OFFSET		0x8002

/* Errors on the wire: numbers of the protocol, whatever the host calls them. */
#define NBD_EPERM	1
#define NBD_EIO		5
#define NBD_ENOMEM	12
#define NBD_EINVAL	22
#define NBD_ENOSPC	28
#define NBD_EOVERFLOW	75
#define NBD_ENOTSUP	95
#define NBD_ESHUTDOWN	108

/* Bits of a base:allocation status */
#define NBD_STATE_HOLE	1
#define NBD_STATE_ZERO	2

struct wire_option {
	uint64_t magic;
	uint32_t option;
	uint32_t length;
} __attribute__((packed));

struct wire_option_reply {
	uint64_t magic;
	uint32_t option;
	uint32_t type;
	uint32_t length;
} __attribute__((packed));

struct wire_request {
	uint32_t magic;
	uint16_t flags;
	uint16_t command;
	uint64_t cookie;
	uint64_t offset;
	uint32_t length;
} __attribute__((packed));

struct wire_simple {
	uint32_t magic;
	uint32_t error;
	uint64_t cookie;
} __attribute__((packed));

struct wire_chunk {
	uint32_t magic;
	uint16_t flags;
	uint16_t type;
	uint64_t cookie;
	uint32_t length;
} __attribute__((packed));

struct wire_descriptor {
	uint32_t length;
	uint32_t status;
} __attribute__((packed));

_Static_assert(sizeof(struct wire_option) == 16, "option header");
_Static_assert(sizeof(struct wire_option_reply) == 20, "option reply header");
_Static_assert(sizeof(struct wire_request) == 28, "request");
_Static_assert(sizeof(struct wire_simple) == 16, "simple reply");
_Static_assert(sizeof(struct wire_chunk) == 20, "structured reply chunk");
_Static_assert(sizeof(struct wire_descriptor) == 8, "block status descriptor");

#endif
