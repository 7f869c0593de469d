// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/program.h"

/* The environment is not trusted; these programs need little of it. */
static char *const program_environment[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"LC_ALL=C",
	NULL
};

/* Searches these directories and not PATH, which may lack some, as in cron. */
static const char *program_find(const char *program, char *room, size_t size)
{
	static const char *const folders[] = { "/usr/sbin", "/sbin", "/usr/bin", "/bin" };
	size_t i;

	for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(room, size, "%s/%s", folders[i], program);
		if (!access(room, X_OK))
			return room;
	}
	return NULL;
}

/* @fd is its standard error, or -1 to discard that. Returns 0 or a negative errno. */
static int program_spawn(const char *path, const char *const argv[], int fd, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	int rc;

	rc = posix_spawn_file_actions_init(&actions);
	if (rc)
		return -rc;
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	if (fd < 0)
		posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	else
		posix_spawn_file_actions_adddup2(&actions, fd, STDERR_FILENO);
	rc = posix_spawn(pid, path, &actions, NULL, (char *const *)argv, program_environment);
	posix_spawn_file_actions_destroy(&actions);
	return -rc;
}

/* Keeps the first line, cut to @room bytes; reads the rest, so that writing it never fails. */
static void program_listen(int fd, char *said, size_t room)
{
	char rest[256];
	size_t length = 0;
	ssize_t n;

	do {
		n = length + 1 < room ? read(fd, said + length, room - length - 1) :
					read(fd, rest, sizeof(rest));
		if (n > 0 && length + 1 < room)
			length += n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	said[length] = '\0';
	said[strcspn(said, "\n")] = '\0';
}

int program_run(const char *const argv[], char *said, size_t room)
{
	int rc, status, ends[2] = { -1, -1 };
	const char *path;
	char name[64];
	pid_t pid;

	path = program_find(argv[0], name, sizeof(name));
	if (!path)
		return -ENOENT;
	if (said && pipe2(ends, O_CLOEXEC))
		return -errno;
	rc = program_spawn(path, argv, ends[1], &pid);
	if (said) {
		close(ends[1]);
		if (!rc)
			program_listen(ends[0], said, room);
		close(ends[0]);
	}
	if (rc)
		return rc;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}
