/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_ATTACH_ARGS_H
#define NBD_HELPER_ATTACH_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "operands.h"
#include "opts.h"
#include "target.h"

/* Time for a connection and its handshake. */
#define ATTACH_CONNECT_MS	30000

struct error;

/**
 * struct attach_args - the command line of nbd-attach
 * @connections: 0 for auto
 * @own_contexts: the contexts were named by the user
 * @request_timeout, @connect_timeout, @dead_time: milliseconds
 * @queue_depth: 0 for the driver's default
 */
struct attach_args {
	struct operands operands;
	struct target target;
	bool has_device;
	uint32_t device;
	unsigned int connections;
	const char *contexts[EXPORT_MAX_CONTEXTS];
	size_t n_contexts;
	bool own_contexts;
	bool require_context;
	bool no_contexts;
	bool read_only;
	bool json;
	uint32_t request_timeout;
	uint32_t connect_timeout;
	uint32_t dead_time;
	uint32_t queue_depth;
	const char *identifier;
};

extern const struct opt attach_opts[];

int attach_parse(const struct verb *verb, int argc, char **argv, struct attach_args *args,
		 struct error *err);

#endif
