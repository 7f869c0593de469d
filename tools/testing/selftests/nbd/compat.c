// SPDX-License-Identifier: GPL-2.0-only
/* Scenes of the transcripts of an nbd driver: each in a process that may hang. */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compat.h"

#define SCENE_MS	60000
#define TIDY_MS		20000
#define NOBODY		65534

/* Devices that scenes use; those above 15 exist only while a scene uses them */
static const int used[] = { 0, 1, 2, 3, 4, 20, 21 };

static const char *scene_name;

void step(const char *format, ...)
{
	va_list args;

	printf("%s.", scene_name);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	fflush(stdout);
}

void field(const char *key, const char *format, ...)
{
	va_list args;

	printf(" %s=", key);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	fflush(stdout);
}

void end_step(void)
{
	putchar('\n');
	fflush(stdout);
}

void outcome(int error)
{
	const char *name = error ? strerrorname_np(error) : "0";

	if (name)
		field("rc", "%s", name);
	else
		field("rc", "%d", error);
	end_step();
}

bool reap(pid_t pid, int *status, int ms)
{
	long long end = now_ms() + ms;

	while (waitpid(pid, status, WNOHANG) != pid) {
		if (now_ms() > end)
			return false;
		usleep(5000);
	}
	return true;
}

static void drop_privileges(void)
{
	if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY))
		err(1, "setuid");
}

int in_child(int (*run)(void *arg), void *arg, bool nobody)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (nobody)
			drop_privileges();
		_exit(run(arg));
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		errx(1, "child ended with %#x", status);
	return WEXITSTATUS(status);
}

static int tidy_device(void *arg)
{
	int index = *(const int *)arg;
	static struct nl tidy;
	static struct msg m;
	int fd;

	if (nl_open_family(&tidy, NBD_GENL_FAMILY_NAME, NBD_GENL_MCAST_GROUP_NAME)) {
		msg_begin(&tidy, &m, NBD_CMD_DISCONNECT);
		put_u32(&m, NBD_ATTR_INDEX, index);
		nl_call(&tidy, &m);
	}
	fd = open_disk(index, O_RDONLY | O_NONBLOCK);
	if (fd >= 0)
		ioctl(fd, NBD_CLEAR_SOCK);
	return 0;
}

/* The next scene finds idle devices, whatever this one has left */
static void tidy(void)
{
	int status;
	size_t i;
	pid_t pid;

	for (i = 0; i < ARRAY_SIZE(used); i++) {
		if (read_number("/sys/block/nbd%d/size", used[i]) < 0)
			continue;
		pid = fork();
		if (!pid)
			_exit(tidy_device((void *)&used[i]));
		if (reap(pid, &status, TIDY_MS))
			continue;
		step("tidy-%d", used[i]);
		field("rc", "hang");
		end_step();
		kill(pid, SIGKILL);
	}
	usleep(200000);
}

static void run_scene(const struct scene *scene)
{
	pid_t pid = fork();
	int status;

	scene_name = scene->name;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		watch_events();
		scene->run();
		_exit(0);
	}
	if (!reap(pid, &status, SCENE_MS)) {
		field("rc", "hang");
		end_step();
		kill(pid, SIGKILL);
		reap(pid, &status, TIDY_MS);
	} else if (status) {
		field("rc", "died-%#x", status);
		end_step();
	}
	tidy();
}

int run_scenes(const struct scene *scenes, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		run_scene(&scenes[i]);
	return 0;
}
