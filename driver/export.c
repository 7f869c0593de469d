// SPDX-License-Identifier: GPL-2.0-only
/* Is what a server offers now still the export that was attached? */
#include <linux/compiler.h>

#include "export.h"

/* What requests are built by; a disk that was told of them goes on using them */
#define FLAGS_KEPT	(NBD_TF_SEND_FLUSH | NBD_TF_SEND_FUA | NBD_TF_SEND_TRIM | \
			 NBD_TF_WRITE_ZEROES | NBD_TF_SEND_DF)

/**
 * nbd_export_fits() - may a new connection serve a disk?
 * @disk: what the disk was made of
 * @conn: what the new connection has negotiated
 * @several: the disk has more than one slot
 * @why: set to a human-readable reason if not
 *
 * More than the disk was promised does no harm; less does.
 *
 * Return: 0; -EROFS if the export has become read-only; -ESTALE.
 */
int nbd_export_fits(const struct nbd_export *disk, const struct nbd_export *conn, bool several,
		    const char **why)
{
	u16 kept = disk->flags & (FLAGS_KEPT | (several ? NBD_TF_MULTI_CONN : 0));

	if (nbd_export_has(conn, NBD_TF_READ_ONLY) && !disk->read_only) {
		*why = "transmission-flags: the export has become read-only";
		return -EROFS;
	}
	if (conn->size < READ_ONCE(disk->size))
		*why = "size: the export is smaller than the disk";
	else if (conn->structured != disk->structured)
		*why = "header-mode is not that of the disk";
	else if (!nbd_export_has(conn, kept))
		*why = "transmission-flags lacks what the disk relies on";
	else if (conn->min_block > disk->min_block)
		*why = "min-block-size is larger than the disk's";
	else if (conn->max_payload < disk->max_payload)
		*why = "max-payload is smaller than the disk's";
	else
		return 0;
	return -ESTALE;
}
