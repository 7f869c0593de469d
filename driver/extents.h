/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Extents parser: turns the descriptors of a block status chunk, a stream of
 * any size, into extents of one context, bounded by what the asker has room for.
 */
#ifndef NBD_EXTENTS_H
#define NBD_EXTENTS_H

#include "proto.h"

/**
 * struct nbd_extent - a run of bytes of one status
 * @length: in bytes
 * @status: as the server sent it, less the bits its context does not define
 */
struct nbd_extent {
	u64 length;
	u64 status;
};

/**
 * struct nbd_extents - what one context's chunk said
 * @length: length of the request in bytes; extents are cut off there
 * @total: sum of the descriptors seen so far
 * @covered: bytes from the request's offset that @list covers
 * @mask: status bits that the context defines
 * @one: a single extent was asked for
 * @seen: the context's chunk has come
 * @nr: extents in @list
 * @cap: room in @list; what does not fit is read over and not covered
 * @have: bytes in @partial
 * @partial: a descriptor that has come in part
 * @list: the extents; memory is the caller's
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
