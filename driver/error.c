// SPDX-License-Identifier: GPL-2.0-only
/* NBD errors and names of requests, see "Error values" and "Request types" in the NBD protocol. */
#include <linux/errno.h>

#include "error.h"

/**
 * nbd_error_to_errno() - convert an NBD error to an errno
 * @error: NBD_E*, not 0; an unknown one is treated as NBD_EINVAL
 *
 * Context: Any.
 * Return: negative errno.
 */
int nbd_error_to_errno(u32 error)
{
	switch (error) {
	case NBD_EPERM:
		return -EPERM;
	case NBD_EIO:
		return -EIO;
	case NBD_ENOMEM:
		return -ENOMEM;
	case NBD_ENOSPC:
		return -ENOSPC;
	case NBD_EOVERFLOW:
		return -EOVERFLOW;
	case NBD_ENOTSUP:
		return -EOPNOTSUPP;
	case NBD_ESHUTDOWN:
		return -ESHUTDOWN;
	default:
		return -EINVAL;
	}
}

/**
 * nbd_error_to_status() - convert an NBD error to a block status
 * @error: NBD_E*, not 0
 *
 * NBD_ENOMEM does not become BLK_STS_RESOURCE, which is about resources of this host, and asks for
 * a retry.
 *
 * Context: Any.
 * Return: the status to end the request with.
 */
blk_status_t nbd_error_to_status(u32 error)
{
	switch (error) {
	case NBD_ENOSPC:
		return BLK_STS_NOSPC;
	case NBD_ENOTSUP:
		return BLK_STS_NOTSUPP;
	case NBD_EPERM:
		return BLK_STS_TARGET;
	case NBD_ESHUTDOWN:
		return BLK_STS_TRANSPORT;
	default:
		return BLK_STS_IOERR;
	}
}

/* Name of a request type, for messages */
const char *nbd_type_name(u16 type)
{
	static const char * const names[] = {
		[NBD_CMD_READ] = "READ",
		[NBD_CMD_WRITE] = "WRITE",
		[NBD_CMD_DISC] = "DISC",
		[NBD_CMD_FLUSH] = "FLUSH",
		[NBD_CMD_TRIM] = "TRIM",
		[NBD_CMD_CACHE] = "CACHE",
		[NBD_CMD_WRITE_ZEROES] = "WRITE_ZEROES",
		[NBD_CMD_BLOCK_STATUS] = "BLOCK_STATUS",
	};

	return type < ARRAY_SIZE(names) ? names[type] : "?";
}
