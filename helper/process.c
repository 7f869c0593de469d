// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"
#include "transport.h"

/* How often to look where the kernel can't be made to tell. */
#define PROCESS_LOOK_MS	2

static bool process_is_gone(pid_t pid, int options, siginfo_t *info)
{
	memset(info, 0, sizeof(*info));
	/* Somebody else has reaped it, as when SIGCHLD is ignored. */
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
		pfd.fd = pidfd_open(pid, 0);
	while (!gone && deadline_left(&deadline)) {
		poll(&pfd, 1, pfd.fd < 0 ? PROCESS_LOOK_MS : deadline_left(&deadline));
		gone = process_is_gone(pid, options, info);
	}
	if (pfd.fd >= 0)
		close(pfd.fd);
	return gone;
}
