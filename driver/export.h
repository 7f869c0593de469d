/* SPDX-License-Identifier: GPL-2.0-only */
/* The facts of an export, as they were negotiated. Plain data. */
#ifndef NBD_EXPORT_H
#define NBD_EXPORT_H

#include "proto.h"

/* Most metadata contexts of a device; a request for block status answers them all */
#define NBD_MAX_CONTEXTS	64u

/**
 * struct nbd_export - what all connections of a session agree on
 * @size: in bytes; may change while the session lives
 * @flags: transmission flags (NBD_TF_*) as the server sent them
 * @read_only: the disk is read-only, by the server's word or the user's
 * @structured: structured replies were negotiated
 * @min_block: minimum block size in bytes, a power of two
 * @preferred_block: preferred block size in bytes, a power of two
 * @max_payload: most bytes in one READ or WRITE, a multiple of @min_block
 * @nr_contexts: metadata contexts that were negotiated
 * @contexts: their names; the position is the index
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

/* Does the server have all of these NBD_TF_*? */
static inline bool nbd_export_has(const struct nbd_export *e, u16 flags)
{
	return (e->flags & flags) == flags;
}

/* Smallest unit of the disk in bytes: the kernel wants 512 at least */
static inline u32 nbd_export_block(const struct nbd_export *e)
{
	return e->min_block > 512 ? e->min_block : 512;
}

/* The part of the export that a disk of whole blocks can show, in bytes */
static inline u64 nbd_export_usable(const struct nbd_export *e)
{
	return e->size & ~((u64)nbd_export_block(e) - 1);
}

int nbd_export_fits(const struct nbd_export *disk, const struct nbd_export *conn, bool several,
		    const char **why);

#endif /* NBD_EXPORT_H */
