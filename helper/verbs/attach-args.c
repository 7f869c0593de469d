// SPDX-License-Identifier: GPL-2.0-only
#include <getopt.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "kernel/device.h"
#include "kernel/kernel.h"
#include "negotiate/handshake-proto.h"
#include "verbs/attach-args.h"
#include "verbs/table.h"

#define ATTACH_DEFAULT_CONTEXT	"base:allocation"

const struct opt attach_opts[] = {
	{ 'u', "unix", "PATH", "connect to a Unix socket; @NAME is an abstract one" },
	{ OPT_PORT, "port", "PORT", "TCP port (default 10809)" },
	{ OPT_VSOCK, "vsock", "CID[:PORT]", "connect to a vsock" },
	{ 'N', "name", "EXPORT", "name of the export" },
	{ 'C', "connections", "N|auto", "number of connections (default auto)" },
	{ OPT_CONTEXT, "context", "NAME", "metadata context (default base:allocation)" },
	{ OPT_REQUIRE_CONTEXT, "require-context", NULL, "fail if the server lacks a context" },
	{ OPT_NO_CONTEXTS, "no-contexts", NULL, "negotiate no metadata contexts" },
	{ 'r', "read-only", NULL, "make the disk read-only" },
	{ 't', "timeout", "SEC", "request timeout, 0 for none (default 0)" },
	{ OPT_CONNECT_TIMEOUT, "connect-timeout", "SEC",
	  "time for connecting and the handshake (default 30)" },
	{ OPT_PEER_TIMEOUT, "peer-timeout", "SEC",
	  "time until an unresponsive host counts as dead, 0 for the system's (default 30)" },
	{ 'T', "dead-timeout", "SEC|off|forever",
	  "time that requests wait without a connection (default 120)" },
	{ OPT_NO_RECONNECT, "no-reconnect", NULL, "do not start a keeper, which would reconnect" },
	{ 'F', "foreground", NULL, "stay in the foreground, to reconnect" },
	{ OPT_ADOPT, "adopt", NULL, "start a keeper for an attached disk, or move it to SERVER" },
	{ OPT_FORCE, "force", NULL, "with --adopt SERVER: do not wait for the old server" },
	{ OPT_RESIZE, "resize", NULL, "set an attached disk to the size of its export" },
	{ OPT_MONITOR, "monitor", NULL, "print events of all disks, or of DEVICE" },
	{ 'Q', "queue-size", "N", "requests in flight on one queue (default 128)" },
	{ 'i', "identifier", "TEXT", "free text to identify what is attached" },
	{ OPT_TABLE, "table", "FILE", "where to look up DEVICE alone (default " TABLE_PATH ")" },
	{ OPT_CHECK_CONFIG, "check-config", NULL,
	  "validate " TABLE_PATH ", or the file of --table" },
	{ 'J', "json", NULL, "print what was negotiated, or events, as JSON" },
	{ 0 }
};

static int attach_add_context(struct attach_args *args, const char *name, struct error *err)
{
	const char *colon = strchr(name, ':');
	size_t len = strlen(name), i;

	/* The namespace ends at the first colon; the rest may contain more of them. */
	if (!colon || colon == name || !colon[1] || len > NBD_STRING_MAX ||
	    !text_is_utf8(name, len)) {
		error_set(err, EXIT_USAGE, "bad context \"%.100s\"", name);
		error_hint(err, "contexts are NAMESPACE:NAME, such as qemu:dirty-bitmap:B0");
		return -1;
	}
	for (i = 0; i < args->n_contexts; i++)
		if (!strcmp(args->contexts[i], name))
			return 0;
	if (args->n_contexts == EXPORT_MAX_CONTEXTS)
		return error_set(err, EXIT_USAGE, "more than %d contexts", EXPORT_MAX_CONTEXTS);
	args->contexts[args->n_contexts++] = name;
	args->own_contexts = true;
	return 0;
}

static int attach_set_connections(struct attach_args *args, const char *s, bool at_most,
				  struct error *err)
{
	uint64_t n = 0;

	if (strcmp(s, "auto") && (text_parse_number(s, KERNEL_MAX_CONNECTIONS, &n) || !n))
		return error_set(err, EXIT_USAGE,
				 "bad number of connections \"%s\": auto or 1 to %d expected", s,
				 KERNEL_MAX_CONNECTIONS);
	args->connections = n;
	args->connections_at_most = at_most;
	return 0;
}

static int attach_set_block_size(struct attach_args *args, const char *s, struct error *err)
{
	uint64_t n;

	if (text_parse_number(s, UINT32_MAX, &n) || !n || n % 512)
		return error_set(err, EXIT_USAGE,
				 "bad block size \"%s\": a multiple of 512 expected", s);
	args->block_size = n;
	return 0;
}

static int attach_set_seconds(uint32_t *to, const char *s, const char *option, bool zero,
			      struct error *err)
{
	if (text_parse_seconds(s, to) || (!*to && !zero))
		return error_set(err, EXIT_USAGE, "bad time \"%s\" for --%s: seconds expected", s,
				 option);
	return 0;
}

static int attach_set_dead_time(struct attach_args *args, const char *s, struct error *err)
{
	args->own_dead_time = true;
	if (!strcmp(s, "off"))
		args->dead_time = 0;
	else if (!strcmp(s, "forever"))
		args->dead_time = NBDCTL_TIME_FOREVER;
	else
		return attach_set_seconds(&args->dead_time, s, "dead-timeout", true, err);
	return 0;
}

static int attach_set_keep(struct attach_args *args, enum attach_keep keep, struct error *err)
{
	if (args->keep != ATTACH_KEEP_BACKGROUND && args->keep != keep)
		return error_set(err, EXIT_USAGE,
				 "--no-reconnect and --foreground are mutually exclusive");
	args->keep = keep;
	return 0;
}

static int attach_set_task(struct attach_args *args, enum attach_task task, struct error *err)
{
	if (args->task != ATTACH_TASK_ATTACH && args->task != task)
		return error_set(err, EXIT_USAGE,
				 "--adopt, --check-config, --monitor and --resize are mutually exclusive");
	args->task = task;
	return 0;
}

static int attach_set_queue(struct attach_args *args, const char *s, struct error *err)
{
	uint64_t n;

	if (text_parse_number(s, UINT16_MAX, &n) || !n)
		return error_set(err, EXIT_USAGE, "bad queue size \"%s\"", s);
	args->queue_depth = n;
	return 0;
}

static int attach_set_identifier(struct attach_args *args, const char *s, struct error *err)
{
	if (!*s || strlen(s) > NBDCTL_IDENTIFIER_MAX || !text_is_utf8(s, strlen(s)))
		return error_set(err, EXIT_USAGE, "an identifier is text of 1 to %d bytes",
				 NBDCTL_IDENTIFIER_MAX);
	args->identifier = s;
	return 0;
}

int attach_option(struct attach_args *args, int id, const char *value, struct error *err)
{
	if (operands_option(&args->operands, id, value))
		return 0;
	switch (id) {
	case 'C':
		return attach_set_connections(args, value, false, err);
	case OPT_CONNECTIONS_AT_MOST:
		return attach_set_connections(args, value, true, err);
	case OPT_BLOCK_SIZE:
		return attach_set_block_size(args, value, err);
	case OPT_CONTEXT:
		return attach_add_context(args, value, err);
	case OPT_REQUIRE_CONTEXT:
		args->require_context = true;
		return 0;
	case OPT_NO_CONTEXTS:
		args->no_contexts = true;
		return 0;
	case 'r':
		args->read_only = true;
		return 0;
	case 't':
		return attach_set_seconds(&args->request_timeout, value, "timeout", true, err);
	case OPT_CONNECT_TIMEOUT:
		return attach_set_seconds(&args->connect_timeout, value, "connect-timeout", false,
					  err);
	case OPT_PEER_TIMEOUT:
		return attach_set_seconds(&args->peer_timeout, value, "peer-timeout", true, err);
	case 'T':
		return attach_set_dead_time(args, value, err);
	case OPT_ADOPT:
		return attach_set_task(args, ATTACH_TASK_ADOPT, err);
	case OPT_FORCE:
		args->force = true;
		return 0;
	case OPT_RESIZE:
		return attach_set_task(args, ATTACH_TASK_RESIZE, err);
	case OPT_CHECK_CONFIG:
		return attach_set_task(args, ATTACH_TASK_CHECK, err);
	case OPT_MONITOR:
		return attach_set_task(args, ATTACH_TASK_MONITOR, err);
	case OPT_NO_RECONNECT:
		return attach_set_keep(args, ATTACH_KEEP_NOT, err);
	case 'F':
		return attach_set_keep(args, ATTACH_KEEP_FOREGROUND, err);
	case 'Q':
		return attach_set_queue(args, value, err);
	case 'i':
		return attach_set_identifier(args, value, err);
	case OPT_TABLE:
		args->table = value;
		return 0;
	case 'J':
		args->json = true;
		return 0;
	default:
		return -1;
	}
}

/*
 * The keeper gets the URI of the server from the driver, so it must fit there. It runs in /, so the
 * path of a Unix socket must be absolute.
 */
static int attach_check_keep(struct attach_args *args, struct error *err)
{
	bool absolute = target_make_absolute(&args->target);
	const char *what = "the URI is too long for the driver to store";
	char uri[TARGET_URI_ROOM];

	if (args->keep == ATTACH_KEEP_NOT ||
	    (absolute && strlen(target_uri(&args->target, uri)) <= NBDCTL_NAME_MAX))
		return 0;
	if (!absolute)
		what = "the path of the Unix socket is too long with the directory before it";
	if (args->keep == ATTACH_KEEP_FOREGROUND || args->task == ATTACH_TASK_ADOPT)
		return error_set(err, EXIT_USAGE, "%s", what);
	log_warning("%s: lost connections will not be replaced", what);
	args->keep = ATTACH_KEEP_NOT;
	return 0;
}

static int attach_check_force(const struct attach_args *args, struct error *err)
{
	if (args->force && (args->task != ATTACH_TASK_ADOPT || !args->has_target))
		return error_set(err, EXIT_USAGE, "--force requires --adopt with a server");
	return 0;
}

/* True if there is an option that applies only to an attach. */
static bool attach_is_new(const struct attach_args *args)
{
	return args->own_contexts || args->require_context || args->no_contexts ||
	       args->connections || args->read_only || args->request_timeout ||
	       args->queue_depth || args->identifier || args->table;
}

/* Rejects options that apply only to an attach, and combinations without effect. */
static int attach_check_task(const struct attach_args *args, struct error *err)
{
	if (attach_is_new(args) || args->json)
		return error_set(err, EXIT_USAGE, "an option is only for a new disk");
	if (args->own_dead_time && (args->task != ATTACH_TASK_ADOPT || !args->has_target))
		return error_set(err, EXIT_USAGE,
				 "--dead-timeout is for a new disk, or for --adopt with a server");
	if (args->task == ATTACH_TASK_RESIZE &&
	    (args->has_target || args->keep != ATTACH_KEEP_BACKGROUND))
		return error_set(err, EXIT_USAGE, "--resize takes a device and nothing else");
	if (!args->has_target && args->keep == ATTACH_KEEP_NOT)
		return error_set(err, EXIT_USAGE, "--adopt --no-reconnect requires a server");
	return attach_check_force(args, err);
}

/* The operands of --monitor: [DEVICE] */
static int attach_parse_monitor(struct attach_args *args, struct error *err)
{
	const struct operands *operands = &args->operands;

	if (operands->n_words > 1 || operands->unix_path || operands->vsock || operands->port ||
	    operands->name || attach_is_new(args) || args->own_dead_time || args->force ||
	    args->keep != ATTACH_KEEP_BACKGROUND)
		return error_set(err, EXIT_USAGE,
				 "--monitor takes a device and --json, and nothing else");
	if (!operands->n_words)
		return 0;
	args->has_device = true;
	return device_resolve(operands->words[0], &args->device, err);
}

/* The operands of --adopt and --resize: [TARGET] DEVICE */
static int attach_parse_task(struct attach_args *args, struct error *err)
{
	struct operands *operands = &args->operands;

	args->has_target = operands->n_words > 1 || operands->unix_path || operands->vsock;
	if (!args->has_target && operands->n_words) {
		if (device_resolve(operands->words[0], &args->device, err))
			return -1;
		args->has_device = true;
	} else if (args->has_target) {
		if (operands_target(operands, &args->target, &args->has_device, &args->device,
				    err) || attach_check_keep(args, err))
			return -1;
	}
	if (!args->has_device) {
		error_set(err, EXIT_USAGE, "missing device");
		error_hint(err, "\"nbd-list\" shows what is attached");
		return -1;
	}
	return attach_check_task(args, err);
}

static int attach_parse_check(const struct attach_args *args, struct error *err)
{
	if (!args->operands.n_words)
		return 0;
	error_set(err, EXIT_USAGE, "--check-config takes no server and no device");
	error_hint(err, "\"nbd-list\" shows what is attached");
	return -1;
}

void attach_init(struct attach_args *args)
{
	memset(args, 0, sizeof(*args));
	args->connect_timeout = ATTACH_CONNECT_MS;
	args->peer_timeout = ATTACH_PEER_MS;
}

int attach_settle(struct attach_args *args, struct error *err)
{
	if (args->from_table)
		table_operands(args);
	else if (args->table)
		return error_set(err, EXIT_USAGE, "--table requires a device and no server");
	args->has_target = true;
	if (operands_target(&args->operands, &args->target, &args->has_device, &args->device, err))
		return -1;
	if (args->no_contexts && (args->own_contexts || args->require_context))
		return error_set(err, EXIT_USAGE,
				 "--no-contexts cannot be combined with --context or --require-context");
	if (attach_check_keep(args, err))
		return -1;
	if (!args->own_dead_time && args->keep != ATTACH_KEEP_NOT)
		args->dead_time = ATTACH_DEAD_MS;
	if (!args->no_contexts && !args->own_contexts)
		args->contexts[args->n_contexts++] = ATTACH_DEFAULT_CONTEXT;
	return 0;
}

static int attach_parse_options(const struct verb *verb, int argc, char **argv,
				struct attach_args *args, struct error *err)
{
	int id;

	while ((id = opts_next(verb, argc, argv, err)) != -1)
		if (!id || attach_option(args, id, optarg, err))
			return -1;
	args->operands.words = argv + optind;
	args->operands.n_words = argc - optind;
	return 0;
}

int attach_parse(const struct verb *verb, int argc, char **argv, struct attach_args *args,
		 struct error *err)
{
	uint32_t index;

	attach_init(args);
	if (attach_parse_options(verb, argc, argv, args, err))
		return -1;
	if (args->task == ATTACH_TASK_CHECK)
		return attach_parse_check(args, err);
	if (args->task == ATTACH_TASK_MONITOR)
		return attach_parse_monitor(args, err);
	if (args->task != ATTACH_TASK_ATTACH)
		return attach_parse_task(args, err);
	if (attach_check_force(args, err))
		return -1;
	if (table_is_meant(&args->operands, &index)) {
		if (table_read(args->table, index, args, err))
			return -1;
		/* The command line again, as it has precedence over the table. */
		optind = 0;
		if (attach_parse_options(verb, argc, argv, args, err))
			return -1;
	}
	return attach_settle(args, err);
}
