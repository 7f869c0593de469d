// SPDX-License-Identifier: GPL-2.0-only
/* Checks that what a server offers is still the export that was attached. */
#include <linux/compiler.h>

#include "export.h"

/* Flags that decide which commands and command flags are sent, for the whole session */
#define FLAGS_KEPT	(NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA | NBD_FLAG_SEND_TRIM | \
			 NBD_FLAG_SEND_WRITE_ZEROES | NBD_FLAG_SEND_DF)

/**
 * nbd_export_fits() - check whether a new connection can serve a disk
 * @disk: negotiated parameters of the disk's session
 * @conn: negotiated parameters of the new connection
 * @several: the disk has more than one slot
 * @errmsg: set to a human-readable reason on failure
 *
 * The connection may offer more than the disk relies on, but not less.
 *
 * Context: Any context.
 * Return: 0; -EROFS if the export has become read-only; -ESTALE if it differs otherwise.
 */
int nbd_export_fits(const struct nbd_export *disk, const struct nbd_export *conn, bool several,
		    const char **errmsg)
{
	u16 kept = disk->flags & (FLAGS_KEPT | (several ? NBD_FLAG_CAN_MULTI_CONN : 0));

	if (nbd_export_has(conn, NBD_FLAG_READ_ONLY) && !disk->read_only) {
		*errmsg = "transmission-flags: the export has become read-only";
		return -EROFS;
	}
	if (conn->size < READ_ONCE(disk->size))
		*errmsg = "size: the export is smaller than the disk";
	else if (conn->structured != disk->structured)
		*errmsg = "header-mode: not that of the disk";
	else if (!nbd_export_has(conn, kept))
		*errmsg = "transmission-flags: a flag that the disk relies on is missing";
	else if (conn->min_block > disk->min_block)
		*errmsg = "min-block-size: larger than that of the disk";
	else if (conn->max_payload < disk->max_payload)
		*errmsg = "max-payload: smaller than that of the disk";
	else
		return 0;
	return -ESTALE;
}
