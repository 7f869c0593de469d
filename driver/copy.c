// SPDX-License-Identifier: GPL-2.0-only
/* Copying of payload. Kbuild has flags for this file that make memcpy() fast on x86. */
#include <linux/string.h>

#include "copy.h"

/**
 * nbd_copy() - copy payload
 * @to: destination
 * @from: source; must not overlap with @to
 * @bytes: number of bytes
 *
 * Context: Any.
 */
void nbd_copy(void *to, const void *from, size_t bytes)
{
	memcpy(to, from, bytes);
}
