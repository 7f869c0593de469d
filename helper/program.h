/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_PROGRAM_H
#define NBD_HELPER_PROGRAM_H

#include <stddef.h>

/*
 * Runs a program of the system, without a shell, and waits for it. Of its output, the first line
 * of standard error goes to @said, which has @room bytes, unless that is NULL. Returns its exit
 * status, or a negative errno; -ENOENT when it is not installed.
 */
int program_run(const char *const argv[], char *said, size_t room);

#endif
