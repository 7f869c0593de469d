// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/waiting.h"
#include "keeper/keeper.h"
#include "keeper/renew.h"
#include "kernel/device.h"
#include "kernel/kernel.h"
#include "kernel/modload.h"
#include "negotiate/export.h"
#include "negotiate/handshake-proto.h"
#include "verbs/adopt.h"
#include "verbs/attach-args.h"
#include "verbs/bundle.h"

/* How often to print progress and to query the device, as an event may be lost, in milliseconds. */
#define ADOPT_LOOK_MS	1000
/* How soon to query it again after an event: the driver counts a connection just after it. */
#define ADOPT_SOON_MS	20

/**
 * struct adoption - an attached device, and a new connection for each of its slots
 * @events: opened before @device was queried
 * @device: as it was found
 * @moved: the driver has accepted the connections, or may have
 */
struct adoption {
	const struct attach_args *args;
	struct kernel *kernel;
	struct kernel_events *events;
	struct kernel_device device;
	struct target target;
	char uri[TARGET_URI_ROOM];
	bool moved;
	struct bundle bundle;
};

static int adopt_connect(struct adoption *adoption, struct error *err)
{
	struct negotiation_request *request = &adoption->bundle.request;

	request->connect.peer_timeout = adoption->args->peer_timeout;
	request->milliseconds = adoption->args->connect_timeout;
	renew_request(&adoption->device, &adoption->target, request);
	return bundle_first(&adoption->bundle, err);
}

/* Makes the connections after the first: one for each slot, all to the same export. */
static int adopt_connect_all(struct adoption *adoption, struct error *err)
{
	struct bundle *bundle = &adoption->bundle;
	unsigned int want = adoption->device.n_slots;

	if (want > 1 && !(bundle->exports[0].flags & NBD_FLAG_CAN_MULTI_CONN))
		return error_set(err, EXIT_EXPORT,
				 "the disk has %u connections, this export allows only one", want);
	while (bundle->n < want)
		if (bundle_add(bundle, want, adoption->args->connect_timeout, err) ||
		    bundle_compare(bundle, err))
			return -1;
	return 0;
}

/* Gives each slot its new connection; the disk grows if the export has. */
static int adopt_replace(struct adoption *adoption, struct error *err)
{
	const struct kernel_device *device = &adoption->device;
	uint32_t slots[KERNEL_MAX_CONNECTIONS];
	const struct kernel_replace replace = {
		.device = device,
		.n_connections = device->n_slots,
		.slots = slots,
		.exports = adoption->bundle.exports,
		.fds = adoption->bundle.fds,
		.display = adoption->uri,
		.dead_time = adoption->args->own_dead_time ? &adoption->args->dead_time : NULL,
		.force = adoption->args->force,
	};
	unsigned int i;
	uint64_t size;
	int rc;

	if (adopt_connect_all(adoption, err))
		return -1;
	for (i = 0; i < device->n_slots; i++)
		slots[i] = device->slots[i].index;
	rc = kernel_replace(adoption->kernel, &replace, err);
	/* The driver accepts all connections or none. If it may have them, send nothing on them. */
	adoption->moved = !rc || !kernel_answered(adoption->kernel);
	if (rc)
		return rc;
	size = adoption->bundle.exports[0].size;
	return size > device->size ? kernel_resize(adoption->kernel, device, size, err) : 0;
}

/*
 * Moves the device to the server that was named. All connections are negotiated before any is
 * handed over, so a server that does not match changes nothing.
 */
static int adopt_move(struct adoption *adoption, struct error *err)
{
	target_uri(&adoption->target, adoption->uri);
	if (adopt_connect(adoption, err))
		return -1;
	return adopt_replace(adoption, err);
}

/*
 * Servers report a new size on new connections only, and on the others reject requests beyond the
 * old size. So all connections are replaced.
 */
static int adopt_size(struct adoption *adoption, struct error *err)
{
	uint64_t was = adoption->device.size, is;

	if (renew_target(&adoption->device, &adoption->target, err))
		return -1;
	renew_pin(&adoption->device, &adoption->bundle.request.connect);
	if (adopt_connect(adoption, err))
		return -1;
	strcpy(adoption->uri, adoption->device.display);
	is = adoption->bundle.exports[0].size;
	if (is < was)
		return error_set(err, EXIT_EXPORT,
				 "the export has %" PRIu64 " bytes, less than the disk's %" PRIu64,
				 is, was);
	if (is > was)
		return adopt_replace(adoption, err);
	log_note("the export has %" PRIu64 " bytes, as the disk has", is);
	return 0;
}

static void adopt_close(struct adoption *adoption)
{
	bundle_close(&adoption->bundle, adoption->moved);
	kernel_device_free(&adoption->device);
	kernel_events_close(adoption->events);
	kernel_close(adoption->kernel);
	free(adoption);
}

/* Queries the device of @args. NULL with @err filled in on failure, also if it is not attached. */
static struct adoption *adopt_open(const struct attach_args *args, struct error *err)
{
	struct adoption *adoption = calloc(1, sizeof(*adoption));

	if (!adoption) {
		error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot begin");
		return NULL;
	}
	adoption->args = args;
	adoption->target = args->target;
	adoption->kernel = modload_open_loaded(err);
	if (adoption->kernel)
		adoption->events = kernel_events_open(err);
	if (adoption->events &&
	    !kernel_device(adoption->kernel, args->device, &adoption->device, err))
		return adoption;
	adopt_close(adoption);
	return NULL;
}

/*
 * Sets *@left to the number of old connections that the driver is still draining. If the device
 * cannot be queried, that is as it was.
 */
static void adopt_count_left(const struct adoption *adoption, unsigned int *left)
{
	struct kernel_device device;
	struct error err;

	if (kernel_device(adoption->kernel, adoption->args->device, &device, &err)) {
		if (err.code == EXIT_FALSE)
			*left = 0;
		return;
	}
	*left = device.session == adoption->device.session ? device.retiring : 0;
	kernel_device_free(&device);
}

/* Only reports progress and may be interrupted: the driver drains the old connections by itself. */
static void adopt_wait(const struct adoption *adoption)
{
	struct pollfd pfd = { .fd = kernel_events_fd(adoption->events), .events = POLLIN };
	unsigned int left = adoption->moved ? adoption->device.n_slots : 0;
	struct waiting waiting = waiting_begin();
	bool heard;

	while (left) {
		heard = kernel_events_take(adoption->events, adoption->args->device);
		adopt_count_left(adoption, &left);
		if (!left)
			break;
		waiting_say(&waiting,
			    "nbd%u: waiting for replies and a flush of the old server, on %u connection%s",
			    adoption->args->device, left, left == 1 ? "" : "s");
		poll(&pfd, 1, heard ? ADOPT_SOON_MS : ADOPT_LOOK_MS);
	}
	waiting_end(&waiting);
}

static int adopt_keep(const struct attach_args *args, uint64_t session, struct error *err)
{
	const struct keeper_request keeper = {
		.index = args->device,
		.session = session,
		.connect_timeout = args->connect_timeout,
		.peer_timeout = args->peer_timeout,
	};

	switch (args->keep) {
	case ATTACH_KEEP_BACKGROUND:
		if (!keeper_start(&keeper, err))
			return 0;
		return args->has_target && err->code == EXIT_BUSY ? 0 : -1;
	case ATTACH_KEEP_FOREGROUND:
		return keeper_run(&keeper, err);
	default:
		return 0;
	}
}

bool adopt_is_attached(const struct attach_args *args)
{
	struct adoption *adoption;
	struct error ignored;
	bool same;

	adoption = args->has_device ? adopt_open(args, &ignored) : NULL;
	if (!adoption)
		return false;
	same = !strcmp(target_uri(&adoption->target, adoption->uri), adoption->device.display);
	adopt_close(adoption);
	return same;
}

static int adopt_failed(const struct attach_args *args, const char *doing, struct error *err)
{
	char path[DEVICE_PATH_MAX];

	error_prefix(err, "%s: %s", device_path(path, args->device), doing);
	return -1;
}

static int adopt_move_if_named(struct adoption *adoption, struct error *err)
{
	int rc = adoption->args->has_target ? adopt_move(adoption, err) : 0;

	bundle_close(&adoption->bundle, adoption->moved);
	return rc;
}

int adopt_run(const struct attach_args *args, struct error *err)
{
	struct adoption *adoption = adopt_open(args, err);
	uint64_t session;
	int rc;

	if (!adoption)
		return adopt_failed(args, args->has_target ? "cannot move" : "cannot adopt", err);
	if (adopt_move_if_named(adoption, err)) {
		adopt_close(adoption);
		return adopt_failed(args, "cannot move", err);
	}
	session = adoption->device.session;
	/* keeper_run() closes all files except the standard ones. */
	if (args->keep == ATTACH_KEEP_FOREGROUND) {
		adopt_close(adoption);
		adoption = NULL;
	}
	rc = adopt_keep(args, session, err);
	if (adoption) {
		if (!rc)
			adopt_wait(adoption);
		adopt_close(adoption);
	}
	return rc ? adopt_failed(args, "cannot adopt", err) : 0;
}

int adopt_resize(const struct attach_args *args, struct error *err)
{
	struct adoption *adoption = adopt_open(args, err);
	int rc = adoption ? adopt_size(adoption, err) : -1;

	if (adoption) {
		bundle_close(&adoption->bundle, adoption->moved);
		if (!rc)
			adopt_wait(adoption);
		adopt_close(adoption);
	}
	return rc ? adopt_failed(args, "cannot resize", err) : 0;
}
