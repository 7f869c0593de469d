/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_NBDMAP_H
#define _UAPI_LINUX_NBDMAP_H

#include <linux/ioctl.h>
#include <linux/types.h>

/*
 * Maps of an NBD disk: what the server says of ranges of the export, for each
 * metadata context that was negotiated ("Metadata querying" in the NBD
 * protocol). The ioctls work on the whole disk and on its partitions, on any
 * descriptor open for reading; offsets are bytes from the start of the node
 * that was opened. Device mapper and others hand ioctls down to the disk below,
 * whose offsets are not those of what was opened; so the caller says which node
 * that is (major() and minor() of st_rdev), and the driver of another one
 * refuses. All structures are the same for 32-bit and 64-bit callers.
 */

#define NBDMAP_NAME_MAX		4096		/* bytes in a context name, no NUL counted */
#define NBDMAP_ALL		0xffffffffU	/* every context of the device */
#define NBDMAP_BY_NAME		0xfffffffeU	/* the context whose name is given */

/* Bits of the status in contexts of the namespace "base:" */
#define NBDMAP_BASE_HOLE	(1U << 0)	/* not allocated; says nothing about content */
#define NBDMAP_BASE_ZERO	(1U << 1)	/* reads as zeroes */

/* Bits of the status in contexts "qemu:dirty-bitmap:NAME" */
#define NBDMAP_DIRTY		(1U << 0)	/* changed since the bitmap began */

/**
 * struct nbdmap_context - one metadata context of the device
 * @index: in: position in the list, from 0, or NBDMAP_BY_NAME to look up the
 *	name in @name; out: the position
 * @count: out: how many contexts there are
 * @name_size: in: bytes at @name (room for the answer, or the length of the
 *	name to look up, without a NUL); out: length of the name, without NUL
 * @major: in: number of the node that was opened
 * @minor: in: likewise
 * @reserved: must be 0
 * @name: address of the name; it is written without a NUL
 */
struct nbdmap_context {
	__u32 index;
	__u32 count;
	__u32 name_size;
	__u32 major;
	__u32 minor;
	__u32 reserved;
	__u64 name;
};

/**
 * struct nbdmap_extent - a run of bytes of equal status in one context
 * @offset: where it starts, in bytes
 * @length: its length in bytes, never 0
 * @status: status flags or number, as the server sent it; for contexts of
 *	"base:" only the two bits that are defined
 * @context: index of the context
 * @reserved: 0
 */
struct nbdmap_extent {
	__u64 offset;
	__u64 length;
	__u64 status;
	__u32 context;
	__u32 reserved;
};

/* One extent for each context, from @offset on, as far as the server looks at once */
#define NBDMAP_REQ_ONE		(1U << 0)

/**
 * struct nbdmap_status - block status of a range
 * @offset: in: start of the range in bytes, a multiple of the server's minimum
 *	block size (a multiple of the logical block size always is)
 * @length: in: its length in bytes, a nonzero multiple of that size; it may end
 *	at the end of the node even if that is not
 * @context: in: index of a context, or NBDMAP_ALL
 * @flags: in: NBDMAP_REQ_ONE or 0
 * @capacity: in: room at @extents, at least one for each context asked for, and
 *	for all extents that a server reports within one minimum block, else the
 *	call fails with EOVERFLOW
 * @count: out: how many extents were written
 * @extents: in: address of an array of struct nbdmap_extent
 * @covered: out: bytes from @offset for which every context asked for is
 *	answered, a multiple of the minimum block size (but with NBDMAP_REQ_ONE).
 *	The next call starts at @offset + @covered
 * @major: in: number of the node that was opened
 * @minor: in: likewise
 * @reserved: must be 0
 *
 * The extents of one context are in ascending order, without gaps or overlap,
 * and lie in the range; neighbours of equal status are joined. Those of
 * several contexts come in turns. The answer is a snapshot: it is out of date
 * as soon as anybody writes.
 */
struct nbdmap_status {
	__u64 offset;
	__u64 length;
	__u32 context;
	__u32 flags;
	__u32 capacity;
	__u32 count;
	__u64 extents;
	__u64 covered;
	__u32 major;
	__u32 minor;
	__u64 reserved;
};

#define NBDMAP_IOC_CONTEXT	_IOWR(0xab, 0x40, struct nbdmap_context)
#define NBDMAP_IOC_STATUS	_IOWR(0xab, 0x41, struct nbdmap_status)

#endif /* _UAPI_LINUX_NBDMAP_H */
