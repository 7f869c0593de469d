// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "verbs/verbs.h"

/* The name that the program is called by selects the verb; the default is the first. */
static const struct verb *const verbs[] = {
	&attach_verb,
	&detach_verb,
	&map_verb,
	&list_verb,
	&info_verb,
	&client_verb,
	&generator_verb,
};

static const struct verb *find_verb(const char *called)
{
	const char *name = strrchr(called, '/');
	size_t i;

	name = name ? name + 1 : called;
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(name, verbs[i]->name))
			return verbs[i];
	return verbs[0];
}

/*
 * The caller may have closed standard files: no other file may get their numbers. Using them
 * remains an error, as /dev/null is opened for the wrong direction.
 */
static void open_standard_files(void)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
			return;
}

int main(int argc, char **argv)
{
	const struct verb *verb = find_verb(argc ? argv[0] : "");
	struct error err = { .code = EXIT_SYSTEM };
	int code;

	open_standard_files();
	/* The caller may ignore SIGCHLD, but children have to be waited for. */
	signal(SIGCHLD, SIG_DFL);
	log_start(verb->name);
	code = verb->run(verb, argc, argv, &err);
	/* Lost output, for example on a full disk, is a failure. */
	if (!code)
		code = error_output(stdout, &err);
	if (code < 0) {
		log_error(&err);
		return err.code;
	}
	return code;
}
