/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_HOLDERS_H
#define NBD_HELPER_HOLDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Most holders that are named. */
#define HOLDERS_MAX	8

/*
 * Writes who uses the disk or its partitions, "nbd0 is mounted on /x, nbd0p2 is used as swap",
 * into @to. *@stay becomes true if one of them is not a mere process that has it open, which may be
 * about to close it. Returns how many were found, 0 if none was.
 */
unsigned int holders_find(uint32_t index, char *to, size_t room, bool *stay);

#endif
