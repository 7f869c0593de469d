// SPDX-License-Identifier: GPL-2.0-only
/* Queue limits from the facts of an export, see "Size constraints" in the NBD protocol. */
#include <linux/backing-dev.h>
#include <linux/blkdev.h>
#include <linux/pagemap.h>

#include "device.h"
#include "export.h"

/*
 * Requests are made this large by default, if the server takes them. The block layer would also
 * take that from io_opt, but file systems take io_opt for a stripe.
 */
#define DEFAULT_IO	(4u << 20)

/* Effect lengths have 32 bits on the wire; a request must be of whole blocks */
static u32 max_effect(const struct nbd_export *export)
{
	u32 unit = max(nbd_export_block(export), export->preferred_block);

	return round_down(U32_MAX, unit) >> SECTOR_SHIFT;
}

/*
 * File systems and partition tables align to it, and take smaller writes for atomic no longer. More
 * than a page it need not be: what the server prefers beyond that is the optimal size.
 */
static u32 physical_block(const struct nbd_export *export)
{
	return max(nbd_export_block(export), min_t(u32, export->preferred_block, PAGE_SIZE));
}

/*
 * A rotational disk gets more read-ahead from newer kernels, and keeps it. Seeks are the server's,
 * and so is the read-ahead that saves them.
 */
static int commit(struct gendisk *disk, const struct nbd_limits *l)
{
	unsigned long ra_pages = READ_ONCE(disk->bdi->ra_pages);
	int err;

	err = nbd_commit_limits(disk, l);
	WRITE_ONCE(disk->bdi->ra_pages, ra_pages);
	return err;
}

/**
 * nbd_reset_limits() - give a queue to which nothing is attached its limits
 * @disk: the disk, of size 0 and not open
 *
 * Without a write cache not even an empty flush gets as far as the driver.
 */
void nbd_reset_limits(struct gendisk *disk)
{
	static const struct nbd_limits idle = {
		.block = SECTOR_SIZE,
		.physical = SECTOR_SIZE,
		.max_hw_sectors = DEFAULT_IO >> SECTOR_SHIFT,
		.max_sectors = DEFAULT_IO >> SECTOR_SHIFT,
	};

	WRITE_ONCE(disk->bdi->ra_pages, VM_READAHEAD_PAGES);
	commit(disk, &idle);
}

/**
 * nbd_set_limits() - make the queue suit an export
 * @disk: the disk, idle: of size 0 and without a write cache, so that no I/O gets as far as
 *	the limits, and the queue need not be frozen, which would take longer than all the
 *	rest of an attach
 * @export: the facts
 *
 * TRIM says nothing of content, so discards never count as zeroes.
 *
 * Return: 0 or negative errno.
 */
int nbd_set_limits(struct gendisk *disk, const struct nbd_export *export)
{
	struct nbd_limits l = {
		.block = nbd_export_block(export),
		.physical = physical_block(export),
		.max_hw_sectors = export->max_payload >> SECTOR_SHIFT,
		.max_sectors = min(export->max_payload, DEFAULT_IO) >> SECTOR_SHIFT,
		.rotational = nbd_export_has(export, NBD_TF_ROTATIONAL),
		.write_cache = nbd_export_has(export, NBD_TF_SEND_FLUSH),
		.fua = nbd_export_has(export, NBD_TF_SEND_FLUSH | NBD_TF_SEND_FUA),
	};

	if (export->preferred_block > l.physical)
		l.io_opt = export->preferred_block;
	if (nbd_export_has(export, NBD_TF_SEND_TRIM) && !export->read_only)
		l.max_discard = max_effect(export);
	if (nbd_export_has(export, NBD_TF_WRITE_ZEROES) && !export->read_only)
		l.max_zeroes = max_effect(export);
	return commit(disk, &l);
}
