/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_ATTACH_ARGS_H
#define NBD_HELPER_ATTACH_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "negotiate/export.h"
#include "negotiate/target.h"
#include "verbs/nbdtab.h"
#include "verbs/operands.h"
#include "verbs/opts.h"

/* Default of --connect-timeout: time to connect and negotiate. */
#define ATTACH_CONNECT_MS	30000

struct error;

/* Default of --dead-timeout if there is a keeper; without one it is 0, off. */
#define ATTACH_DEAD_MS		120000

/* Default of --peer-timeout: a TCP connection is dropped when its peer is silent for this long. */
#define ATTACH_PEER_MS		30000

enum attach_task {
	ATTACH_TASK_ATTACH,
	ATTACH_TASK_ADOPT,
	ATTACH_TASK_RESIZE,
	ATTACH_TASK_CHECK,
	ATTACH_TASK_MONITOR,
};

enum attach_keep {
	ATTACH_KEEP_BACKGROUND,
	ATTACH_KEEP_FOREGROUND,
	ATTACH_KEEP_NOT,
};

/**
 * struct attach_args - the command line of nbd-attach
 * @words: operands, if they are not those of the command line
 * @entry: what was found in nbdtab(5), if @from_table
 * @table: path of nbdtab(5), or NULL for the default
 * @connections: 0 for auto
 * @connections_at_most: one connection is enough if the server does not allow @connections
 * @block_size: expected size of the disk's blocks, or 0
 * @announce: printed before the path of the disk, even if the user has chosen the disk; or NULL
 * @own_contexts, @own_dead_time: given by the user
 * @request_timeout, @connect_timeout, @peer_timeout, @dead_time: milliseconds
 * @queue_depth: 0 for the driver's default
 * @keep: where the keeper runs once the disk is usable, if at all
 */
struct attach_args {
	enum attach_task task;
	struct operands operands;
	char *words[2];
	struct nbdtab_entry entry;
	bool from_table;
	const char *table;
	bool has_target;
	struct target target;
	bool has_device;
	uint32_t device;
	unsigned int connections;
	bool connections_at_most;
	uint32_t block_size;
	const char *contexts[EXPORT_MAX_CONTEXTS];
	size_t n_contexts;
	bool own_contexts;
	bool require_context;
	bool no_contexts;
	bool read_only;
	bool force;
	bool json;
	uint32_t request_timeout;
	uint32_t connect_timeout;
	uint32_t peer_timeout;
	uint32_t dead_time;
	bool own_dead_time;
	uint32_t queue_depth;
	const char *identifier;
	enum attach_keep keep;
	const char *announce;
};

extern const struct opt attach_opts[];

void attach_init(struct attach_args *args);

/* Applies an option of nbd-attach or of nbdtab(5) to @args, which then refers to @value. */
int attach_option(struct attach_args *args, int id, const char *value, struct error *err);

/* Parses the operands of an attach, and sets what no option has set, once all options are known. */
int attach_settle(struct attach_args *args, struct error *err);

/* Parses the command line into @args, which refers to strings of @argv. */
int attach_parse(const struct verb *verb, int argc, char **argv, struct attach_args *args,
		 struct error *err);

#endif
