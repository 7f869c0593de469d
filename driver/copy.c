// SPDX-License-Identifier: GPL-2.0-only
/* Copies inside the kernel. Kbuild has the flags that make them fast on x86. */
#include <linux/string.h>

#include "cmd.h"

/**
 * nbd_copy() - copy payload
 * @to: where to
 * @from: where from; may not overlap with @to
 * @bytes: how much
 *
 * Context: any.
 */
void nbd_copy(void *to, const void *from, size_t bytes)
{
	memcpy(to, from, bytes);
}
