/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_DAEMON_H
#define NBD_HELPER_DAEMON_H

/* A background process, which must keep working while the disk that it serves does not. */

struct error;

/*
 * Forks. The child returns 1, in a session of its own, and has to call daemon_report() with
 * *@report. The parent waits for the report and returns 0, or -1 with @err filled in.
 */
int daemon_fork(int *report, struct error *err);

/* Reports @err to the parent, or success if it is NULL, and closes @report. */
void daemon_report(int report, const struct error *err);

/*
 * Changes to / and closes all files except the standard ones and *@report, which may be -1, and may
 * get another number.
 */
int daemon_leave(int *report, struct error *err);

/* Redirects the standard files to /dev/null, and messages to the kernel log, prefixed by @name. */
int daemon_silence(const char *name, struct error *err);

/*
 * Locks all memory, present and future, keeps allocations from waiting for I/O to the disk, and
 * exempts the process from the OOM killer and from what systemd kills last. Logs a warning for what
 * is not permitted.
 */
void daemon_protect(void);

#endif
