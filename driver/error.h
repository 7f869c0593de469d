/* SPDX-License-Identifier: GPL-2.0-only */
/* Conversion of NBD errors to errno and block status, here only, and names for messages. */
#ifndef NBD_ERROR_H
#define NBD_ERROR_H

#include <linux/blk_types.h>

#include "proto.h"

blk_status_t nbd_error_to_status(u32 error);
int nbd_error_to_errno(u32 error);
const char *nbd_type_name(u16 type);

#endif /* NBD_ERROR_H */
