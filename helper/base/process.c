// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"
#include "base/transport.h"

/* System calls that the headers of the C library may not know. */
#ifndef SYS_pidfd_open
#define SYS_pidfd_open	434
#endif
#ifndef SYS_close_range
#define SYS_close_range	436
#endif

/* How often to check where pidfd_open() does not work. */
#define PROCESS_LOOK_MS	2

static bool process_is_gone(pid_t pid, int options, siginfo_t *info)
{
	memset(info, 0, sizeof(*info));
	/* It was reaped before, for example because SIGCHLD is ignored. */
	if (waitid(P_PID, pid, info, WEXITED | WNOHANG | options) && errno != EINTR)
		return true;
	return info->si_pid;
}

bool process_ended(pid_t pid, unsigned int milliseconds, int options, siginfo_t *info)
{
	struct deadline deadline = deadline_in(milliseconds);
	bool gone = process_is_gone(pid, options, info);
	struct pollfd pfd = { .fd = -1, .events = POLLIN };

	if (!gone && milliseconds)
		pfd.fd = syscall(SYS_pidfd_open, pid, 0);
	while (!gone && deadline_left(&deadline)) {
		poll(&pfd, 1, pfd.fd < 0 ? PROCESS_LOOK_MS : deadline_left(&deadline));
		gone = process_is_gone(pid, options, info);
	}
	if (pfd.fd >= 0)
		close(pfd.fd);
	return gone;
}

/* Fallback without close_range(): closes the files that /proc lists. */
static int process_close_listed(unsigned int first, unsigned int last)
{
	struct dirent *entry;
	unsigned long fd;
	DIR *dir;

	dir = opendir("/proc/self/fd");
	if (!dir)
		return -1;
	while ((entry = readdir(dir))) {
		fd = strtoul(entry->d_name, NULL, 10);
		if (entry->d_name[0] != '.' && fd >= first && fd <= last &&
		    fd != (unsigned long)dirfd(dir))
			close(fd);
	}
	return closedir(dir);
}

int process_close_files(unsigned int first, unsigned int last)
{
	if (!syscall(SYS_close_range, first, last, 0))
		return 0;
	return process_close_listed(first, last);
}

int process_catch(int other)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (other)
		sigaddset(&set, other);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

bool process_is_interrupted(void)
{
	sigset_t pending;

	sigpending(&pending);
	return sigismember(&pending, SIGHUP) || sigismember(&pending, SIGINT) ||
	       sigismember(&pending, SIGTERM);
}
