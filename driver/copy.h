/* SPDX-License-Identifier: GPL-2.0-only */
/* Copying of payload. */
#ifndef NBD_COPY_H
#define NBD_COPY_H

#include <linux/types.h>

void nbd_copy(void *to, const void *from, size_t bytes);

#endif /* NBD_COPY_H */
