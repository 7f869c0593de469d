/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_PROCESS_H
#define NBD_HELPER_PROCESS_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * Whether the process @pid, a child of ours, has ended, which it may take @milliseconds for; then
 * @info says how. With WNOWAIT in @options it stays a zombie, so that its id can't become that of
 * another.
 */
bool process_ended(pid_t pid, unsigned int milliseconds, int options, siginfo_t *info);

/*
 * Closes the open files from @first to @last, as close_range(2) does, which older C libraries lack
 * and some containers do not allow. Returns 0, or -1 with errno.
 */
int process_close_files(unsigned int first, unsigned int last);

/* True if a signal that asks this process to stop is blocked and pending. */
bool process_is_interrupted(void);

#endif
