/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_CLAIM_H
#define NBD_HELPER_CLAIM_H

/*
 * A device has one keeper. Which process that is stands in a file, which is locked and there as
 * long as the process is.
 */

#include <stdbool.h>
#include <stdint.h>

struct error;

/*
 * Makes this process the keeper of device @index. Waits up to @milliseconds for an earlier one to
 * end; EXIT_BUSY if it does not. *@fd is -1 if there is no place for such files, which is no error.
 */
int claim_take(uint32_t index, unsigned int milliseconds, int *fd, struct error *err);

void claim_drop(uint32_t index, int fd);

/* Whether a device has a keeper; waits up to @milliseconds for its end. */
bool claim_is_taken(uint32_t index, unsigned int milliseconds);

#endif
