/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_HOLDERS_H
#define NBD_HELPER_HOLDERS_H

#include <stddef.h>
#include <stdint.h>

/* Most holders that are named. */
#define HOLDERS_MAX	8

/*
 * Writes who uses the disk or its partitions, "mounted on /x, swap on
 * /dev/nbd0p2", into @to. Returns how many were found, 0 if none was.
 */
unsigned int holders_find(uint32_t index, char *to, size_t room);

#endif
