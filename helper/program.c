// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"

/* The environment may come from anybody; these programs need little of it. */
static char *const program_environment[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"LC_ALL=C",
	NULL
};

/* Looked for here and not along a PATH that may be short, as in cron. */
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

int program_run(const char *const argv[])
{
	posix_spawn_file_actions_t actions;
	const char *path;
	char room[64];
	int rc, status;
	pid_t pid;

	path = program_find(argv[0], room, sizeof(room));
	if (!path)
		return -ENOENT;
	rc = posix_spawn_file_actions_init(&actions);
	if (rc)
		return -rc;
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	rc = posix_spawn(&pid, path, &actions, NULL, (char *const *)argv, program_environment);
	posix_spawn_file_actions_destroy(&actions);
	if (rc)
		return -rc;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}
