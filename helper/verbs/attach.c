// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/process.h"
#include "base/text.h"
#include "keeper/keeper.h"
#include "kernel/device.h"
#include "kernel/holders.h"
#include "kernel/kernel.h"
#include "kernel/modload.h"
#include "kernel/ready.h"
#include "kernel/udev.h"
#include "negotiate/export.h"
#include "negotiate/facts.h"
#include "verbs/adopt.h"
#include "verbs/attach-args.h"
#include "verbs/attach.h"
#include "verbs/bundle.h"
#include "verbs/check.h"
#include "verbs/monitor.h"
#include "verbs/verbs.h"

/* --connections auto: time for each connection after the first, and most connections */
#define ATTACH_EXTRA_MS		5000
#define ATTACH_AUTO_MAX		4
/* How long to wait for the keeper of an earlier attach to end. */
#define ATTACH_PATIENCE_MS	5000

/* An attach in progress */
struct attach {
	const struct attach_args *args;
	const struct kernel_driver *driver;
	struct bundle bundle;
	uint64_t size;
	uint32_t payload;
	uint32_t index;
	uint64_t session;
	char uri[TARGET_URI_ROOM];
};

/* Requests from the server only what the driver supports; fails if the options demand more. */
static int attach_fit_driver(struct attach *attach, struct error *err)
{
	const struct attach_args *args = attach->args;
	const struct kernel_driver *driver = attach->driver;
	struct handshake_request *request = &attach->bundle.request.handshake;

	request->export = args->target.export;
	request->structured = driver->header_modes & 1U << NBDCTL_HEADER_MODE_STRUCTURED;
	request->contexts = args->contexts;
	request->n_contexts = args->n_contexts;
	if (!(driver->features & NBDCTL_FEATURE_BLOCK_STATUS) || !driver->max_contexts) {
		if (args->require_context)
			return error_set(err, EXIT_MODULE,
					 "the driver does not support block status");
		request->n_contexts = 0;
	}
	if (request->n_contexts > driver->max_contexts)
		return error_set(err, EXIT_MODULE, "the driver takes no more than %u contexts",
				 driver->max_contexts);
	if (args->connections > driver->max_slots)
		return error_set(err, EXIT_MODULE, "the driver takes no more than %u connections",
				 driver->max_slots);
	if (args->queue_depth > driver->max_queue_depth)
		return error_set(err, EXIT_USAGE,
				 "the driver's queue takes no more than %u requests",
				 driver->max_queue_depth);
	if (args->has_device && args->device > driver->max_index)
		return error_set(err, EXIT_USAGE, "the driver's last device is /dev/nbd%u",
				 driver->max_index);
	return 0;
}

static int attach_check_contexts(const struct attach *attach, struct error *err)
{
	const struct export *export = &attach->bundle.exports[0];
	const struct attach_args *args = attach->args;
	char name[256];
	size_t i;

	for (i = 0; i < args->n_contexts; i++) {
		const char *want = args->contexts[i];

		if (export_find_context(export, want))
			continue;
		text_escape(name, sizeof(name), want, strlen(want));
		if (args->require_context) {
			error_set(err, EXIT_EXPORT,
				  "the server has no context \"%s\" for this export", name);
			error_hint(err, "\"nbd-info\" lists the contexts of each export");
			return -1;
		}
		if (args->own_contexts)
			log_warning("the server has no context \"%s\" for this export", name);
		else
			log_note("the server has no context \"%s\" for this export", name);
	}
	if (export->n_contexts > attach->driver->max_contexts)
		return error_set(err, EXIT_MODULE,
				 "the server selected %u contexts, the driver takes %u",
				 export->n_contexts, attach->driver->max_contexts);
	return 0;
}

/* Checks that the export, as negotiated on the first connection, can be a disk. */
static int attach_check_export(struct attach *attach, struct error *err)
{
	const struct export *export = &attach->bundle.exports[0];

	if (export_disk_size(export, &attach->size, err) ||
	    export_disk_payload(export, &attach->payload, err))
		return -1;
	if (export->minimum > attach->driver->max_min_block_size)
		return error_set(err, EXIT_MODULE,
				 "the server's minimum block has %u bytes, this kernel takes %u",
				 export->minimum, attach->driver->max_min_block_size);
	if (attach->size != export->size)
		log_warning("the export has %" PRIu64 " bytes; the disk has the %" PRIu64
			    " that are whole blocks", export->size, attach->size);
	if (attach->args->block_size && attach->args->block_size != export_block(export))
		log_warning("the disk has blocks of %u bytes, not %u, as negotiated with the server",
			    export_block(export), attach->args->block_size);
	return attach_check_contexts(attach, err);
}

/* Sets *@n to the total number of connections to make. */
static int attach_count(const struct attach *attach, unsigned int *n, struct error *err)
{
	bool multi = attach->bundle.exports[0].flags & NBD_FLAG_CAN_MULTI_CONN;
	unsigned int want = attach->args->connections;
	cpu_set_t cpus;

	if (want > 1 && !multi && attach->args->connections_at_most) {
		log_warning("this export allows only one connection, not %u", want);
		want = 1;
	}
	if (want > 1 && !multi) {
		error_set(err, EXIT_EXPORT,
			  "%u connections were requested, but this export allows only one", want);
		error_hint(err, "it is up to the server; qemu-nbd allows it with --shared above 1");
		return -1;
	}
	if (!want && multi && !sched_getaffinity(0, sizeof(cpus), &cpus)) {
		want = CPU_COUNT(&cpus);
		want = want < ATTACH_AUTO_MAX ? want : ATTACH_AUTO_MAX;
		want = want < attach->driver->max_slots ? want : attach->driver->max_slots;
	}
	*n = want ? want : 1;
	return 0;
}

static int attach_further(struct attach *attach, struct error *err)
{
	unsigned int limit = attach->args->connect_timeout, want;
	bool fixed = attach->args->connections;

	if (attach_count(attach, &want, err))
		return -1;
	if (!fixed && limit > ATTACH_EXTRA_MS)
		limit = ATTACH_EXTRA_MS;
	while (attach->bundle.n < want) {
		if (bundle_add(&attach->bundle, want, limit, err)) {
			if (fixed)
				return -1;
			log_warning("%s; continuing with %u", err->cause, attach->bundle.n);
			return 0;
		}
		if (bundle_compare(&attach->bundle, err))
			return -1;
	}
	return 0;
}

/* The detach of the earlier disk with this number was forced, and the disk is still in use. */
static void attach_ending(uint32_t index, struct error *err)
{
	char who[700], path[DEVICE_PATH_MAX];
	bool stay;

	if (!holders_find(index, who, sizeof(who), &stay))
		strcpy(who, "perhaps in another mount namespace or below an overlay");
	error_set(err, EXIT_BUSY, "the earlier disk of %s is still in use: %s",
		  device_path(path, index), who);
	error_hint(err, "unmount or close it, or omit the device to use any free one");
}

/* If the device that the user named is busy, says what is attached to it. */
static void attach_busy(struct kernel *kernel, const struct attach *attach, struct error *err)
{
	const struct attach_args *args = attach->args;
	struct kernel_device device;
	char what[300], path[DEVICE_PATH_MAX];
	struct error ignored;
	const char *text;
	bool same;

	if (err->code != EXIT_BUSY || !args->has_device)
		return;
	if (kernel_device(kernel, args->device, &device, &ignored)) {
		if (device.state == NBDCTL_STATE_DEAD)
			attach_ending(args->device, err);
		return;
	}
	text = device.identifier[0] ? device.identifier : device.display;
	text_escape(what, sizeof(what), text, strlen(text));
	same = args->identifier ? !strcmp(args->identifier, device.identifier) :
				  !strcmp(attach->uri, device.display);
	error_set(err, same ? EXIT_BUSY : EXIT_OTHER, "%s is attached to %s already",
		  device_path(path, args->device), what[0] ? what : "something");
	error_hint(err, "detach it first, or omit the device to use any free one");
	kernel_device_free(&device);
}

static int attach_hand_over(struct kernel *kernel, struct attach *attach, struct error *err)
{
	const struct attach_args *args = attach->args;
	const struct kernel_attach request = {
		.index = args->has_device ? args->device : KERNEL_ANY_DEVICE,
		.max_payload = attach->payload,
		.n_connections = attach->bundle.n,
		.exports = attach->bundle.exports,
		.fds = attach->bundle.fds,
		.request_timeout = args->request_timeout,
		.dead_time = args->dead_time,
		.queue_depth = args->queue_depth,
		.read_only = args->read_only,
		.identifier = args->identifier,
		/* NULL only if no keeper needs it, see attach_check_keep(). */
		.display = strlen(attach->uri) <= NBDCTL_NAME_MAX ? attach->uri : NULL,
	};

	if (!kernel_attach(kernel, &request, &attach->index, &attach->session, err))
		return 0;
	attach_busy(kernel, attach, err);
	return -1;
}

static void attach_print_json(const struct attach *attach, const char *path)
{
	const struct export *export = &attach->bundle.exports[0];
	struct json json;

	json_start(&json, stdout);
	json_object(&json, NULL);
	json_string(&json, "device", path);
	json_string(&json, "uri", attach->uri);
	if (attach->args->identifier)
		json_string(&json, "identifier", attach->args->identifier);
	json_number(&json, "size", attach->size);
	json_bool(&json, "read_only",
		  attach->args->read_only || (export->flags & NBD_FLAG_READ_ONLY));
	facts_json_flags(&json, export->flags);
	json_bool(&json, "structured", export->structured);
	facts_json_blocks(&json, export->minimum, export->preferred, attach->payload);
	facts_json_contexts(&json, export);
	json_number(&json, "connections_total", attach->bundle.n);
	json_end(&json);
}

static int attach_report(const struct attach *attach, struct error *err)
{
	unsigned int n = attach->bundle.n, n_contexts = attach->bundle.exports[0].n_contexts;
	char path[DEVICE_PATH_MAX];

	device_path(path, attach->index);
	if (attach->args->json)
		attach_print_json(attach, path);
	else if (attach->args->announce)
		printf("%s%s\n", attach->args->announce, path);
	else if (!attach->args->has_device)
		puts(path);
	if (error_output(stdout, err))
		return -1;
	log_note("%s is %s, %" PRIu64 " bytes, %u connection%s, %u context%s", path, attach->uri,
		 attach->size, n, n == 1 ? "" : "s", n_contexts, n_contexts == 1 ? "" : "s");
	return 0;
}

static struct keeper_request attach_keeper(const struct attach *attach)
{
	return (struct keeper_request){
		.index = attach->index,
		.session = attach->session,
		.connect_timeout = attach->args->connect_timeout,
		.peer_timeout = attach->args->peer_timeout,
		/* The keeper of an earlier attach may be about to end. */
		.patience = ATTACH_PATIENCE_MS,
	};
}

/* Waits until the disk is usable and has its keeper, before anything reports it. */
static int attach_complete(struct kernel *kernel, struct udev_watch *udev,
			   const struct attach *attach, struct error *err)
{
	const struct keeper_request keeper = attach_keeper(attach);

	if (ready_wait(kernel, udev, attach->index, attach->size, attach->args->connect_timeout,
		       err))
		return -1;
	if (attach->args->keep == ATTACH_KEEP_BACKGROUND && keeper_start(&keeper, err))
		return -1;
	if (process_is_interrupted())
		return error_set(err, EXIT_SYSTEM, "interrupted");
	return attach_report(attach, err);
}

/* By session: another export may be attached to the device by now. */
static void attach_undo(struct kernel *kernel, const struct attach *attach)
{
	const struct kernel_detach detach = {
		.index = attach->index,
		.session = attach->session,
		.force = true,
	};
	struct error ignored;

	kernel_detach(kernel, &detach, &ignored);
}

/*
 * From here on there may be a disk. Signals that ask this process to stop are blocked;
 * attach_complete() looks for them while it waits. A disk that has not been reported is then
 * detached again.
 */
static int attach_disk(struct kernel *kernel, struct attach *attach, struct error *err)
{
	struct udev_watch *udev;
	sigset_t stop, old;
	int rc;

	sigemptyset(&stop);
	sigaddset(&stop, SIGHUP);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	sigprocmask(SIG_BLOCK, &stop, &old);
	signal(SIGPIPE, SIG_IGN);
	udev = udev_watch_open();
	rc = attach_hand_over(kernel, attach, err);
	if (!rc) {
		rc = attach_complete(kernel, udev, attach, err);
		if (rc)
			attach_undo(kernel, attach);
	}
	udev_watch_close(udev);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return rc;
}

static int attach_with(struct kernel *kernel, struct attach *attach, struct error *err)
{
	const struct attach_args *args = attach->args;
	char path[DEVICE_PATH_MAX];
	int rc;

	rc = attach_fit_driver(attach, err);
	if (rc)
		return rc;
	rc = bundle_first(&attach->bundle, err);
	if (!rc)
		rc = attach_check_export(attach, err);
	if (!rc)
		rc = attach_further(attach, err);
	bundle_settle(&attach->bundle);
	if (!rc)
		rc = attach_disk(kernel, attach, err);
	if (rc && args->has_device)
		error_prefix(err, "%s: cannot attach %.300s", device_path(path, args->device),
			     attach->uri);
	else if (rc)
		error_prefix(err, "cannot attach %.300s", attach->uri);
	bundle_close(&attach->bundle, !rc || !kernel_answered(kernel));
	return rc;
}

static int attach_new(const struct attach_args *args, struct keeper_request *keeper,
		      struct error *err)
{
	struct attach *attach = calloc(1, sizeof(*attach));
	struct kernel_driver driver;
	struct kernel *kernel;
	int rc = -1;

	if (!attach)
		return error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot begin");
	attach->args = args;
	attach->driver = &driver;
	attach->bundle.request.connect = (struct connect_request){
		.target = &args->target,
		.peer_timeout = args->peer_timeout,
	};
	attach->bundle.request.milliseconds = args->connect_timeout;
	target_uri(&args->target, attach->uri);
	kernel = modload_open(err);
	if (kernel && !kernel_driver(kernel, &driver, err))
		rc = attach_with(kernel, attach, err);
	kernel_close(kernel);
	*keeper = attach_keeper(attach);
	free(attach);
	return rc;
}

int attach_perform(struct attach_args *args, struct error *err)
{
	struct keeper_request keeper;
	int rc = -1;

	/* A service that is restarted finds its disk attached, and only becomes its keeper. */
	if (args->keep == ATTACH_KEEP_FOREGROUND && args->task == ATTACH_TASK_ATTACH &&
	    adopt_is_attached(args)) {
		args->task = ATTACH_TASK_ADOPT;
		args->has_target = false;
	}
	switch (args->task) {
	case ATTACH_TASK_ATTACH:
		rc = attach_new(args, &keeper, err);
		if (!rc && args->keep == ATTACH_KEEP_FOREGROUND)
			rc = keeper_run(&keeper, err);
		break;
	case ATTACH_TASK_ADOPT:
		rc = adopt_run(args, err);
		break;
	case ATTACH_TASK_RESIZE:
		rc = adopt_resize(args, err);
		break;
	case ATTACH_TASK_CHECK:
		rc = check_config(args, err);
		break;
	case ATTACH_TASK_MONITOR:
		rc = monitor_run(args, err);
		break;
	}
	return rc;
}

static int attach_run(const struct verb *verb, int argc, char **argv, struct error *err)
{
	struct attach_args *args = malloc(sizeof(*args));
	int rc;

	if (!args)
		return error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot begin");
	rc = attach_parse(verb, argc, argv, args, err);
	if (!rc)
		rc = attach_perform(args, err);
	free(args);
	return rc;
}

const struct verb attach_verb = {
	.name = "nbd-attach",
	.synopsis = {
		"HOST [EXPORT] [DEVICE]",
		"URI [DEVICE]",
		"--unix PATH|--vsock CID[:PORT] [EXPORT] [DEVICE]",
		"DEVICE",
		"--adopt [SERVER...] DEVICE",
		"--resize DEVICE",
		"--check-config [--table FILE]",
		"--monitor [DEVICE]",
	},
	.summary = "Attach an export of an NBD server, and print the device if none is given.",
	.opts = attach_opts,
	.run = attach_run,
};
