/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_PROGRAM_H
#define NBD_HELPER_PROGRAM_H

#include <stddef.h>

/*
 * Runs a program of the system, without a shell, and waits for it. The first line of its standard
 * error goes to @said, which has @room bytes, unless that is NULL; other output is discarded.
 * Returns its exit status, or a negative errno; -ENOENT if it is not installed.
 */
int program_run(const char *const argv[], char *said, size_t room);

#endif
