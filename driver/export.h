/* SPDX-License-Identifier: GPL-2.0-only */
/* The negotiated parameters of an export. Plain data. */
#ifndef NBD_EXPORT_H
#define NBD_EXPORT_H

#include "proto.h"

/* Most metadata contexts of a device; the reply to one BLOCK_STATUS covers them all */
#define NBD_MAX_CONTEXTS	64u

/**
 * struct nbd_export - negotiated parameters of an export
 * @size: in bytes; the only one that changes during a session
 * @flags: transmission flags (NBD_FLAG_*) as the server sent them
 * @read_only: the disk is read-only, because of @flags or because the user said so
 * @structured: structured replies were negotiated
 * @min_block: minimum block size in bytes, a power of two
 * @preferred_block: preferred block size in bytes, a power of two
 * @max_payload: most bytes in one READ or WRITE, a multiple of @min_block and of 512
 * @nr_contexts: number of negotiated metadata contexts
 * @contexts: names of the contexts; the position is the index
 */
struct nbd_export {
	u64 size;
	u16 flags;
	bool read_only;
	bool structured;
	u32 min_block;
	u32 preferred_block;
	u32 max_payload;
	u32 nr_contexts;
	char **contexts;
};

/* True if all of these transmission flags (NBD_FLAG_*) are set */
static inline bool nbd_export_has(const struct nbd_export *e, u16 flags)
{
	return (e->flags & flags) == flags;
}

/* Logical block size of the disk, in bytes: the kernel requires 512 at least */
static inline u32 nbd_export_block(const struct nbd_export *e)
{
	return e->min_block > 512 ? e->min_block : 512;
}

/* Size of the disk, in bytes: the whole blocks of the export */
static inline u64 nbd_export_usable(const struct nbd_export *e)
{
	return e->size & ~((u64)nbd_export_block(e) - 1);
}

int nbd_export_fits(const struct nbd_export *disk, const struct nbd_export *conn, bool several,
		    const char **errmsg);

#endif /* NBD_EXPORT_H */
