/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_CLAIM_H
#define NBD_HELPER_CLAIM_H

/*
 * A device has at most one keeper: the process that has the lock of /run/nbd-attach/nbdN.pid, and
 * that removes this file when it ends in an orderly way.
 */

#include <stdbool.h>
#include <stdint.h>

struct error;

/*
 * Makes this process the keeper of device @index. Waits up to @milliseconds for an earlier one to
 * end; EXIT_BUSY if it does not. *@fd is for claim_drop(); it is -1 if the file cannot be created
 * or locked, which is not an error.
 */
int claim_take(uint32_t index, unsigned int milliseconds, int *fd, struct error *err);

void claim_drop(uint32_t index, int fd);

/* True if a device has a keeper that does not end within @milliseconds. */
bool claim_is_taken(uint32_t index, unsigned int milliseconds);

#endif
