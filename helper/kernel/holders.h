/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_HOLDERS_H
#define NBD_HELPER_HOLDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Most users that are named */
#define HOLDERS_MAX	8

/*
 * Writes the users of a disk and its partitions to @to, as in "nbd0 is mounted on /x, nbd0p2 is
 * used as swap". *@stay is set if one of them is more than a process that has the device open and
 * may close it soon. Returns how many were found, even if not all are named.
 */
unsigned int holders_find(uint32_t index, char *to, size_t room, bool *stay);

#endif
