// SPDX-License-Identifier: GPL-2.0-only
/* Queue limits from the facts of an export, see "Size constraints" in the NBD protocol. */
#include <linux/backing-dev.h>
#include <linux/blkdev.h>
#include <linux/pagemap.h>

#include "device.h"
#include "export.h"

/* Requests are made this large by default, if the server takes them */
#define DEFAULT_IO	(4u << 20)

/* Effect lengths have 32 bits on the wire; a request must be of whole blocks */
static u32 max_effect(const struct nbd_export *export)
{
	u32 unit = max(nbd_export_block(export), export->preferred_block);

	return round_down(U32_MAX, unit) >> SECTOR_SHIFT;
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
 * nbd_reset_limits() - let the queue be as if nothing had ever been attached
 * @disk: the disk, of size 0 and not open
 *
 * Without a write cache not even an empty flush gets as far as the driver.
 */
void nbd_reset_limits(struct gendisk *disk)
{
	static const struct nbd_limits idle = {
		.block = SECTOR_SIZE,
		.io_min = SECTOR_SIZE,
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
 * All limits are set anew, so that none is left of an earlier export. TRIM says
 * nothing of content, so discards never count as zeroes.
 *
 * Return: 0 or negative errno.
 */
int nbd_set_limits(struct gendisk *disk, const struct nbd_export *export)
{
	struct nbd_limits l = {
		.block = nbd_export_block(export),
		.io_min = max(nbd_export_block(export), export->preferred_block),
		.max_hw_sectors = export->max_payload >> SECTOR_SHIFT,
		.max_sectors = min(export->max_payload, DEFAULT_IO) >> SECTOR_SHIFT,
		.rotational = nbd_export_has(export, NBD_TF_ROTATIONAL),
		.write_cache = nbd_export_has(export, NBD_TF_SEND_FLUSH),
		.fua = nbd_export_has(export, NBD_TF_SEND_FLUSH | NBD_TF_SEND_FUA),
	};

	if (nbd_export_has(export, NBD_TF_SEND_TRIM) && !export->read_only)
		l.max_discard = max_effect(export);
	if (nbd_export_has(export, NBD_TF_WRITE_ZEROES) && !export->read_only)
		l.max_zeroes = max_effect(export);
	return commit(disk, &l);
}
