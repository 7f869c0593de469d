/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_HANDSHAKE_PROTO_H
#define NBD_HELPER_HANDSHAKE_PROTO_H

/*
 * Wire format of the handshake phase, from the NBD protocol document, and what else of the protocol
 * the tools need. All integers are big-endian.
 */

#include <assert.h>
#include <stdint.h>

#define NBD_MAGIC			0x4e42444d41474943ULL	/* "NBDMAGIC" */
#define NBD_OPTION_MAGIC		0x49484156454f5054ULL	/* "IHAVEOPT" */
#define NBD_OLDSTYLE_MAGIC		0x0000420281861253ULL
#define NBD_OPTION_REPLY_MAGIC		0x0003e889045565a9ULL

/* Handshake flags; the client flags have the same two bits. */
#define NBD_FLAG_FIXED_NEWSTYLE		(1U << 0)
#define NBD_FLAG_NO_ZEROES		(1U << 1)

enum nbd_option_type {
	NBD_OPT_EXPORT_NAME = 1,
	NBD_OPT_ABORT = 2,
	NBD_OPT_LIST = 3,
	NBD_OPT_STARTTLS = 5,
	NBD_OPT_INFO = 6,
	NBD_OPT_GO = 7,
	NBD_OPT_STRUCTURED_REPLY = 8,
	NBD_OPT_LIST_META_CONTEXT = 9,
	NBD_OPT_SET_META_CONTEXT = 10,
};

#define NBD_REP_ACK			1U
#define NBD_REP_SERVER			2U
#define NBD_REP_INFO			3U
#define NBD_REP_META_CONTEXT		4U
#define NBD_REP_ERROR			(1U << 31)
#define NBD_REP_ERR_UNSUP		(NBD_REP_ERROR | 1)
#define NBD_REP_ERR_POLICY		(NBD_REP_ERROR | 2)
#define NBD_REP_ERR_INVALID		(NBD_REP_ERROR | 3)
#define NBD_REP_ERR_PLATFORM		(NBD_REP_ERROR | 4)
#define NBD_REP_ERR_TLS_REQD		(NBD_REP_ERROR | 5)
#define NBD_REP_ERR_UNKNOWN		(NBD_REP_ERROR | 6)
#define NBD_REP_ERR_SHUTDOWN		(NBD_REP_ERROR | 7)
#define NBD_REP_ERR_BLOCK_SIZE_REQD	(NBD_REP_ERROR | 8)
#define NBD_REP_ERR_TOO_BIG		(NBD_REP_ERROR | 9)
#define NBD_REP_ERR_EXT_HEADER_REQD	(NBD_REP_ERROR | 10)

#define NBD_INFO_EXPORT			0
#define NBD_INFO_NAME			1
#define NBD_INFO_DESCRIPTION		2
#define NBD_INFO_BLOCK_SIZE		3

/* Transmission flags */
#define NBD_FLAG_HAS_FLAGS		(1U << 0)
#define NBD_FLAG_READ_ONLY		(1U << 1)
#define NBD_FLAG_SEND_FLUSH		(1U << 2)
#define NBD_FLAG_SEND_FUA		(1U << 3)
#define NBD_FLAG_ROTATIONAL		(1U << 4)
#define NBD_FLAG_SEND_TRIM		(1U << 5)
#define NBD_FLAG_SEND_WRITE_ZEROES	(1U << 6)
#define NBD_FLAG_SEND_DF		(1U << 7)
#define NBD_FLAG_CAN_MULTI_CONN		(1U << 8)
#define NBD_FLAG_SEND_CACHE		(1U << 10)
#define NBD_FLAG_SEND_FAST_ZERO	(1U << 11)

#define NBD_REQUEST_MAGIC		0x25609513U
#define NBD_CMD_DISC			2

/* Longest string of the protocol, in bytes ("Values"). */
#define NBD_STRING_MAX			4096
/* Longest payload of a reply to an option: the name of an export and its description. */
#define NBD_OPTION_REPLY_MAX		(4 + 2 * NBD_STRING_MAX)

/* Limits of INFO_BLOCK_SIZE ("Block size constraints"). */
#define NBD_MIN_BLOCK_SIZE_MAX		65536
#define NBD_PREFERRED_BLOCK_SIZE_MIN	512
/*
 * Used if the server sends no block sizes; it should accept single bytes then. Only block status is
 * queried at any byte: other requests are whole blocks of the disk, at least 512 bytes.
 */
#define NBD_MIN_BLOCK_SIZE_DEFAULT	1
#define NBD_PREFERRED_BLOCK_SIZE_DEFAULT 4096
#define NBD_MAX_PAYLOAD_DEFAULT		(32U << 20)

struct nbd_greeting {
	uint64_t magic;
	uint64_t style;
} __attribute__((packed));
static_assert(sizeof(struct nbd_greeting) == 16, "wire size");

struct nbd_option_header {
	uint64_t magic;
	uint32_t option;
	uint32_t length;
} __attribute__((packed));
static_assert(sizeof(struct nbd_option_header) == 16, "wire size");

struct nbd_option_reply {
	uint64_t magic;
	uint32_t option;
	uint32_t type;
	uint32_t length;
} __attribute__((packed));
static_assert(sizeof(struct nbd_option_reply) == 20, "wire size");

/* Reply to NBD_OPT_EXPORT_NAME, without the zeroes that may follow. */
struct nbd_export_name_reply {
	uint64_t size;
	uint16_t flags;
} __attribute__((packed));
static_assert(sizeof(struct nbd_export_name_reply) == 10, "wire size");
#define NBD_EXPORT_NAME_ZEROES		124

/* Payloads of NBD_REP_INFO, after the 16 bits of its information type */
struct nbd_info_export {
	uint64_t size;
	uint16_t flags;
} __attribute__((packed));
static_assert(sizeof(struct nbd_info_export) == 10, "wire size");

struct nbd_info_block_size {
	uint32_t minimum;
	uint32_t preferred;
	uint32_t maximum;
} __attribute__((packed));
static_assert(sizeof(struct nbd_info_block_size) == 12, "wire size");

struct nbd_request {
	uint32_t magic;
	uint16_t flags;
	uint16_t command;
	uint64_t cookie;
	uint64_t offset;
	uint32_t length;
} __attribute__((packed));
static_assert(sizeof(struct nbd_request) == 28, "wire size");

#endif
