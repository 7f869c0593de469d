/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Extents parser: turns the descriptors of a block status chunk, a stream of any length, into a
 * bounded list of extents of one metadata context. Kernel-independent. The functions may be called
 * in any context, by one caller at a time.
 */
#ifndef NBD_EXTENTS_H
#define NBD_EXTENTS_H

#include "proto.h"

/**
 * struct nbd_extent - a run of bytes with the same status
 * @length: length in bytes
 * @status: status that the server sent, without bits that the context does not define
 */
struct nbd_extent {
	u64 length;
	u64 status;
};

/**
 * struct nbd_extents - extents of one metadata context
 * @length: length of the request in bytes, where extents are cut off
 * @total: sum of the lengths of the descriptors, without those that are ignored; may exceed @length
 * @covered: bytes from the offset of the request that @list covers
 * @mask: status bits that the context defines
 * @one: the request has NBD_CMD_FLAG_REQ_ONE
 * @seen: the chunk of the context has begun
 * @nr: number of extents in @list
 * @cap: number of entries allocated at @list; extents that do not fit are dropped
 * @have: number of bytes in @partial
 * @partial: descriptor that has come in part
 * @list: the extents; allocated by the caller
 */
struct nbd_extents {
	u64 length;
	u64 total;
	u64 covered;
	u64 mask;
	bool one;
	bool seen;
	u32 nr;
	u32 cap;
	u32 have;
	u8 partial[sizeof(struct nbd_wire_descriptor)];
	struct nbd_extent *list;
};

void nbd_extents_reset(struct nbd_extents *e, u64 length);
void nbd_extents_feed(struct nbd_extents *e, const void *buf, u32 len);
u64 nbd_context_mask(const char *name);

#endif /* NBD_EXTENTS_H */
