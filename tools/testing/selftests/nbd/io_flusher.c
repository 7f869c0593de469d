// SPDX-License-Identifier: GPL-2.0-only
/*
 * io_flusher PROGRAM ARGS...: run it such that the kernel, when it has no
 * memory for it, does not write to a disk to get some, for the program may be
 * what that disk waits for. See PR_SET_IO_FLUSHER in prctl(2).
 */
#include <err.h>
#include <unistd.h>
#include <sys/prctl.h>

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER	57
#endif

int main(int argc, char **argv)
{
	if (argc < 2)
		errx(2, "usage: io_flusher PROGRAM ARGS...");
	if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0))
		err(2, "PR_SET_IO_FLUSHER");
	execvp(argv[1], argv + 1);
	err(127, "%s", argv[1]);
}
