/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_OPERANDS_H
#define NBD_HELPER_OPERANDS_H

#include <stdbool.h>
#include <stdint.h>

#include "negotiate/target.h"

/**
 * struct operands - how a command line names a server
 * @unix_path, @port, @vsock, @name: options, or NULL
 * @words: arguments that are not options
 * @n_words: how many
 */
struct operands {
	const char *unix_path;
	const char *port;
	const char *vsock;
	const char *name;
	char *const *words;
	int n_words;
};

/* Takes an option that names the server; false if @id is another one. */
bool operands_option(struct operands *operands, int id, const char *value);

/*
 * HOST [EXPORT] [DEVICE], URI [DEVICE], or [EXPORT] [DEVICE] with --unix or --vsock. *@has_device
 * is true if the last word is a device, which is *@device then; with @has_device NULL it is not
 * taken for one. A target that needs TLS is an error.
 */
int operands_target(const struct operands *operands, struct target *target, bool *has_device,
		    uint32_t *device, struct error *err);

/* Refuses TLS. Returns -1. */
int operands_no_tls(struct error *err);

#endif
