/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_PROCESS_H
#define NBD_HELPER_PROCESS_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * Waits up to @milliseconds for the child @pid to end. True if it has; @info says how. With WNOWAIT
 * in @options it remains a zombie, so that its PID is not reused.
 */
bool process_ended(pid_t pid, unsigned int milliseconds, int options, siginfo_t *info);

/*
 * Closes the open files from @first to @last, as close_range(2), which older C libraries lack and
 * some containers do not permit. Returns 0, or -1 with errno.
 */
int process_close_files(unsigned int first, unsigned int last);

/*
 * Blocks signals that ask this process to stop, and @other if that is not 0. Returns a file that is
 * readable when one is pending, or -1 with errno. SIGPIPE is ignored.
 */
int process_catch(int other);

/* True if a signal that asks this process to stop is blocked and pending. */
bool process_is_interrupted(void);

#endif
