/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_CLIENT_OPTS_H
#define NBD_HELPER_CLIENT_OPTS_H

#include <stdbool.h>

struct attach_args;
struct error;

/**
 * struct client_opt - what an option of nbd-client means here
 * @letter: of nbd-client, or 0
 * @key: in nbdtab(5), or NULL
 * @value: the key has a value
 * @id: option of nbd-attach, as in attach_option(); 0 for none
 * @refusal: why it cannot be used, or NULL; an option without @id and @refusal is ignored
 * @hint: of the refusal
 */
struct client_opt {
	int letter;
	const char *key;
	bool value;
	int id;
	const char *refusal;
	const char *hint;
};

/* Return NULL if there is none. */
const struct client_opt *client_opt_of_letter(int letter);
const struct client_opt *client_opt_of_key(const char *key);

/* Applies the option to @args, which then refers to @value; or refuses it. */
int client_opt_apply(const struct client_opt *opt, struct attach_args *args, const char *value,
		     struct error *err);

#endif
