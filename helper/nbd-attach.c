// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "log.h"
#include "verbs.h"

/* The program does what it is called; the first is the default. */
static const struct verb *const verbs[] = {
	&attach_verb,
	&detach_verb,
	&map_verb,
	&list_verb,
	&info_verb,
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
 * Whoever starts this may have closed the standard files: what is opened next must not be taken for
 * one. To use them goes on being an error.
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
	/* Children are waited for. */
	signal(SIGCHLD, SIG_DFL);
	log_start(verb->name);
	code = verb->run(verb, argc, argv, &err);
	/* Output that got lost, on a full disk say, is a failure. */
	if (!code)
		code = error_output(stdout, &err);
	if (code < 0) {
		log_error(&err);
		return err.code;
	}
	return code;
}
