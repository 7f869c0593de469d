// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>

#include "process.h"
#include "transport.h"

bool process_ended(pid_t pid, unsigned int milliseconds, int options, siginfo_t *info)
{
	struct deadline deadline = deadline_in(milliseconds);

	for (;;) {
		memset(info, 0, sizeof(*info));
		/* Somebody else has reaped it, as when SIGCHLD is ignored. */
		if (waitid(P_PID, pid, info, WEXITED | WNOHANG | options) && errno != EINTR)
			return true;
		if (info->si_pid)
			return true;
		if (!deadline_left(&deadline))
			return false;
		poll(NULL, 0, 2);
	}
}
