// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queue limits from the negotiated parameters of an export, see "Size constraints" in the NBD
 * protocol.
 */
#include <linux/backing-dev.h>
#include <linux/blkdev.h>
#include <linux/pagemap.h>

#include "compat.h"
#include "export.h"
#include "limits.h"

/*
 * Default of max_sectors, in bytes, for servers that accept as much. The block layer would also
 * derive it from io_opt, but file systems take io_opt for a stripe width.
 */
#define DEFAULT_IO	(4u << 20)

/* Most sectors of a TRIM or WRITE_ZEROES: lengths have 32 bits on the wire, and are whole blocks */
static u32 limits_max_effect(const struct nbd_export *export)
{
	u32 unit = max(nbd_export_block(export), export->preferred_block);

	return round_down(U32_MAX, unit) >> SECTOR_SHIFT;
}

/*
 * File systems and partition tables align to the physical block size, and do not rely on smaller
 * writes being atomic. A preferred size above a page is left to io_opt.
 */
static u32 limits_physical_block(const struct nbd_export *export)
{
	return max(nbd_export_block(export), min_t(u32, export->preferred_block, PAGE_SIZE));
}

/*
 * The block layer raises the read-ahead for a large io_opt, newer kernels for rotational disks,
 * too, and for good. Keep what is set: seeks are the server's, and so is the read-ahead that avoids
 * them.
 */
static int limits_commit(struct gendisk *disk, const struct nbd_limits *l)
{
	unsigned long ra_pages = READ_ONCE(disk->bdi->ra_pages);
	int err;

	err = nbd_commit_limits(disk, l);
	WRITE_ONCE(disk->bdi->ra_pages, ra_pages);
	return err;
}

/**
 * nbd_limits_reset() - set the limits of a disk without an export
 * @disk: disk that was not added yet
 *
 * Without a write cache, the block layer completes empty flushes itself.
 *
 * Context: Process context, may sleep.
 */
void nbd_limits_reset(struct gendisk *disk)
{
	static const struct nbd_limits idle = {
		.block = SECTOR_SIZE,
		.physical = SECTOR_SIZE,
		.max_hw_sectors = DEFAULT_IO >> SECTOR_SHIFT,
		.max_sectors = DEFAULT_IO >> SECTOR_SHIFT,
	};

	WRITE_ONCE(disk->bdi->ra_pages, VM_READAHEAD_PAGES);
	limits_commit(disk, &idle);
}

/**
 * nbd_limits_set() - set the limits of a disk for an export
 * @disk: disk of capacity 0 and without a write cache
 * @export: the negotiated parameters
 *
 * No I/O gets to such a disk, so its queue is not frozen, which would take longer than the rest of
 * an attach. After TRIM the data is undefined, so discards never count as zeroing.
 *
 * Context: Process context, may sleep. The caller holds the disk's open_mutex.
 * Return: 0 or negative errno.
 */
int nbd_limits_set(struct gendisk *disk, const struct nbd_export *export)
{
	struct nbd_limits l = {
		.block = nbd_export_block(export),
		.physical = limits_physical_block(export),
		.max_hw_sectors = export->max_payload >> SECTOR_SHIFT,
		.max_sectors = min(export->max_payload, DEFAULT_IO) >> SECTOR_SHIFT,
		.rotational = nbd_export_has(export, NBD_FLAG_ROTATIONAL),
		.write_cache = nbd_export_has(export, NBD_FLAG_SEND_FLUSH),
		.fua = nbd_export_has(export, NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA),
	};

	if (export->preferred_block > l.physical)
		l.io_opt = export->preferred_block;
	if (nbd_export_has(export, NBD_FLAG_SEND_TRIM) && !export->read_only)
		l.max_discard = limits_max_effect(export);
	if (nbd_export_has(export, NBD_FLAG_SEND_WRITE_ZEROES) && !export->read_only)
		l.max_zeroes = limits_max_effect(export);
	return limits_commit(disk, &l);
}
