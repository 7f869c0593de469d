/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_SANDBOX_H
#define NBD_HELPER_SANDBOX_H

struct error;

/* Most files that are kept. */
#define SANDBOX_MAX_FILES	4

enum sandbox_flags {
	/* Ends with the process that started it. */
	SANDBOX_WITH_PARENT = 1,
	/* Keeps standard output and error. */
	SANDBOX_OUTPUT = 2,
};

/*
 * Gives up, for ever, all that a process that talks to a server does not need: its user, its
 * capabilities, its files but the @n in @fds, the file system, new processes and new sockets. What
 * is left is to compute, in bounded memory, and to read and write what is open. It is called by a
 * process with one thread. What this kernel lacks is left out; anything else that goes wrong is an
 * error, after which the process may do nothing but say so.
 */
int sandbox_enter(unsigned int flags, const int *fds, unsigned int n, struct error *err);

/*
 * Makes ready what takes longest and is always the same. Who starts one process after the other
 * that enters the sandbox does it first.
 */
int sandbox_prepare(struct error *err);

#endif
