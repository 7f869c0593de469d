// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/process.h"
#include "keeper/daemon.h"

/* linux/prctl.h cannot be included together with musl's sys/prctl.h. */
#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER	57
#endif

#define DAEMON_NAME_MAX		32
/* The longest line for the kernel log, in bytes, with a margin. */
#define DAEMON_LINE_MAX		900
/* Bytes of stack that are mapped from the start. */
#define DAEMON_STACK		(128 * 1024)

static int daemon_log_fd = -1;
static char daemon_name[DAEMON_NAME_MAX];

/* Waits until the child reports or exits. */
static int daemon_wait(int report, pid_t pid, struct error *err)
{
	struct error told;
	ssize_t n;

	do {
		n = read(report, &told, sizeof(told));
	} while (n < 0 && errno == EINTR);
	close(report);
	if (n == sizeof(told) && told.code == EXIT_DONE)
		return 0;
	waitpid(pid, NULL, 0);
	if (n != sizeof(told))
		return error_set(err, EXIT_SYSTEM, "the process in the background died");
	*err = told;
	return -1;
}

int daemon_fork(int *report, struct error *err)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return error_errno(err, EXIT_SYSTEM, errno, "cannot create a pipe");
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		error_errno(err, EXIT_SYSTEM, errno, "cannot fork");
		close(ends[0]);
		close(ends[1]);
		return -1;
	}
	if (pid) {
		close(ends[1]);
		return daemon_wait(ends[0], pid, err);
	}
	close(ends[0]);
	setsid();
	*report = ends[1];
	return 1;
}

void daemon_report(int report, const struct error *err)
{
	static const struct error well = { .code = EXIT_DONE };
	ssize_t n;

	/* Shorter than PIPE_BUF, so written as a whole. A parent that is gone needs no report. */
	n = write(report, err ? err : &well, sizeof(*err));
	(void)n;
	close(report);
}

/* The kernel log takes a line with one write, never blocks, and is not on a file system. */
static void daemon_log(enum log_level level, const char *text)
{
	/* Facility "daemon", and a severity of syslog(3). */
	static const int priorities[] = {
		[LOG_LEVEL_NOTE] = 3 << 3 | 6,
		[LOG_LEVEL_WARNING] = 3 << 3 | 4,
		[LOG_LEVEL_ERROR] = 3 << 3 | 3,
	};
	char line[DAEMON_LINE_MAX];
	ssize_t n;
	int len;

	len = snprintf(line, sizeof(line), "<%d>nbd-attach: %s: %s\n", priorities[level],
		       daemon_name, text);
	if (len >= (int)sizeof(line))
		len = sizeof(line) - 1;
	n = write(daemon_log_fd, line, len);
	(void)n;
}

static int daemon_null(struct error *err)
{
	int fd, i;

	fd = open("/dev/null", O_RDWR);
	if (fd < 0)
		return error_errno(err, EXIT_SYSTEM, errno, "cannot open /dev/null");
	for (i = 0; i <= STDERR_FILENO; i++)
		if (fd != i && dup2(fd, i) < 0)
			return error_errno(err, EXIT_SYSTEM, errno, "cannot leave the terminal");
	if (fd > STDERR_FILENO)
		close(fd);
	return 0;
}

int daemon_leave(int *report, struct error *err)
{
	const int kept = STDERR_FILENO + 1;

	if (chdir("/"))
		return error_errno(err, EXIT_SYSTEM, errno, "cannot change to /");
	if (*report >= 0 && *report != kept) {
		if (dup3(*report, kept, O_CLOEXEC) < 0)
			return error_errno(err, EXIT_SYSTEM, errno, "cannot keep a pipe");
		*report = kept;
	}
	if (process_close_files(*report < 0 ? kept : kept + 1, ~0U))
		return error_errno(err, EXIT_SYSTEM, errno, "cannot close files");
	umask(022);
	return 0;
}

int daemon_silence(const char *name, struct error *err)
{
	if (daemon_null(err))
		return -1;
	snprintf(daemon_name, sizeof(daemon_name), "%s", name);
	daemon_log_fd = open("/dev/kmsg", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	log_divert(daemon_log);
	return 0;
}

static void daemon_touch_stack(void)
{
	char room[DAEMON_STACK];

	explicit_bzero(room, sizeof(room));
}

static void daemon_spare(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "-1000", 5) != 5)
		log_warning("cannot set oom_score_adj: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}

/*
 * systemd spares processes whose arguments begin with "@" when an initramfs ends, and when it kills
 * what is left before the root file system is made read-only.
 */
static void daemon_mark(void)
{
	if (*program_invocation_name)
		*program_invocation_name = '@';
}

void daemon_protect(void)
{
	/* Never return memory to the kernel. C libraries other than glibc have no such options. */
#ifdef M_TRIM_THRESHOLD
	mallopt(M_MMAP_MAX, 0);
	mallopt(M_TRIM_THRESHOLD, -1);
#endif
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		log_warning("cannot lock memory: %s", strerror(errno));
	daemon_touch_stack();
	if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0))
		log_warning("cannot set PR_SET_IO_FLUSHER: %s", strerror(errno));
	daemon_spare();
	daemon_mark();
}
