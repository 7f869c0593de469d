/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_DAEMON_H
#define NBD_HELPER_DAEMON_H

/*
 * A process that stays behind and must work while the disk it looks after does not.
 */

struct error;

/*
 * Forks. In the child returns 1, and daemon_report() has to be called with *@report. In the parent
 * waits for that and returns 0, or -1 with @err filled in.
 */
int daemon_fork(int *report, struct error *err);

/* Tells the parent how it went; NULL means well. */
void daemon_report(int report, const struct error *err);

/*
 * Lets go of the directory and of all files but the standard ones. *@report is kept open, under
 * another number; it may be -1.
 */
int daemon_leave(int *report, struct error *err);

/* Lets go of the terminal too. Messages go to the kernel's log, where @name stands before them. */
int daemon_silence(const char *name, struct error *err);

/*
 * Memory is had before it is needed, and nothing waits for the disk to give some. What is not
 * granted is warned of.
 */
void daemon_protect(void);

#endif
