/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_PROGRAM_H
#define NBD_HELPER_PROGRAM_H

/*
 * Runs a program of the system, without a shell, with its output thrown away,
 * and waits for it. Returns its exit status, or a negative errno; -ENOENT when
 * it is not installed.
 */
int program_run(const char *const argv[]);

#endif
