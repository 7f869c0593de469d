/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_SANDBOX_H
#define NBD_HELPER_SANDBOX_H

struct error;

/* Most files in @fds */
#define SANDBOX_MAX_FILES	4

enum sandbox_flags {
	/* Killed when its parent ends. */
	SANDBOX_WITH_PARENT = 1,
	/* Keeps standard output and standard error. */
	SANDBOX_OUTPUT = 2,
};

/*
 * Gives up for good what a process that talks to a server does not need: its user, its
 * capabilities, its files except the @n in @fds, the file system, new processes and new sockets. It
 * can still compute, in bounded memory, and read and write its open files. It must have a single
 * thread. What this kernel does not support is left out. After an error the process may only report
 * it.
 */
int sandbox_enter(unsigned int flags, const int *fds, unsigned int n, struct error *err);

/*
 * Builds the system call filter, which takes longest and is always the same. A process that starts
 * one sandboxed child after the other does this first.
 */
int sandbox_prepare(struct error *err);

#endif
