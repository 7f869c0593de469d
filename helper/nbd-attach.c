// SPDX-License-Identifier: GPL-2.0-only
#include <locale.h>
#include <stdio.h>
#include <string.h>

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

int main(int argc, char **argv)
{
	const struct verb *verb = find_verb(argc ? argv[0] : "");
	struct error err = { .code = EXIT_SYSTEM };
	int code;

	setlocale(LC_CTYPE, "");
	log_start(verb->name);
	code = verb->run(verb, argc, argv, &err);
	/* Output that got lost, on a full disk say, is a failure. */
	if (!code && (fflush(stdout) || ferror(stdout))) {
		error_set(&err, EXIT_SYSTEM, "cannot write the output");
		code = -1;
	}
	if (code < 0) {
		log_error(&err);
		return err.code;
	}
	return code;
}
