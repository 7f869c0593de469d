/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_NBDMAP_H
#define _UAPI_LINUX_NBDMAP_H

#include <linux/ioctl.h>
#include <linux/types.h>

/*
 * Block status of an NBD disk: what the server reports for ranges of the
 * export, for each metadata context that was negotiated ("Metadata querying" in
 * the NBD protocol). The ioctls work on the whole disk and on its partitions,
 * on any descriptor that is open for reading. Offsets are in bytes from the
 * start of the block device that was opened. Device mapper and others pass
 * ioctls down to the disk below, where these offsets are wrong. So the caller
 * says which block device it has opened (major() and minor() of st_rdev), and
 * the ioctl fails with ENODEV on any other. All structures are the same for
 * 32-bit and 64-bit callers.
 */

#define NBDMAP_NAME_MAX		4096		/* bytes in a context name, without NUL */
#define NBDMAP_ALL		0xffffffffU	/* every context of the device */
#define NBDMAP_BY_NAME		0xfffffffeU	/* the context whose name is given */

/* Bits of the status in contexts of the namespace "base:" */
#define NBDMAP_BASE_HOLE	(1U << 0)	/* not allocated; says nothing about the data */
#define NBDMAP_BASE_ZERO	(1U << 1)	/* reads as zeroes */

/* Bits of the status in contexts "qemu:dirty-bitmap:NAME" */
#define NBDMAP_DIRTY		(1U << 0)	/* changed since the bitmap was started */

/**
 * struct nbdmap_context - a metadata context of the device
 * @index: in: position in the list, from 0, or NBDMAP_BY_NAME to look up @name;
 *	out: the position
 * @count: out: number of contexts
 * @name_size: in: size of the buffer at @name, or length of the name to look
 *	up, in bytes; out: length of the name. A NUL is not counted
 * @major: in: major number of the block device that was opened
 * @minor: in: minor number of the block device that was opened
 * @reserved: must be 0
 * @name: address of the name to look up, or of a buffer for the name, where it
 *	has no NUL and is cut off if @name_size is too small
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
 * @offset: its start, in bytes from the start of the block device
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

/* A single extent for each context, from @offset on; the server may cut it short */
#define NBDMAP_REQ_ONE		(1U << 0)

/**
 * struct nbdmap_status - block status of a range
 * @offset: in: start of the range in bytes, a multiple of the server's minimum
 *	block size (a multiple of the logical block size always is)
 * @length: in: length of the range in bytes, a nonzero multiple of that size;
 *	or up to the end of the block device
 * @context: in: index of a context, or NBDMAP_ALL
 * @flags: in: NBDMAP_REQ_ONE or 0
 * @capacity: in: number of entries at @extents, at least one for each queried
 *	context. If the extents that the server reports for one minimum block do
 *	not fit, the call fails with EOVERFLOW
 * @count: out: number of extents that were written
 * @extents: in: address of an array of struct nbdmap_extent
 * @covered: out: bytes from @offset that the extents of each queried context
 *	cover: all of @length, or a multiple of the minimum block size, but any
 *	number with NBDMAP_REQ_ONE. The next call starts at @offset + @covered
 * @major: in: major number of the block device that was opened
 * @minor: in: minor number of the block device that was opened
 * @reserved: must be 0
 *
 * The extents of one context are in ascending order, without gaps or overlap,
 * and inside the range; neighbours of equal status are joined. Those of several
 * contexts are interleaved. The result is a snapshot, which any later write
 * makes out of date.
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
