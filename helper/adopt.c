// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "adopt.h"
#include "attach-args.h"
#include "bundle.h"
#include "device.h"
#include "error.h"
#include "export.h"
#include "handshake-proto.h"
#include "keeper.h"
#include "kernel.h"
#include "log.h"
#include "modload.h"
#include "renew.h"

/**
 * struct adoption - a device that is attached, and new connections for it, one for each slot
 * @moved: the driver has them, or may have
 */
struct adoption {
	const struct attach_args *args;
	struct kernel *kernel;
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

/* One connection for each slot, all to the same export; the first is there. */
static int adopt_connect_all(struct adoption *adoption, struct error *err)
{
	struct bundle *bundle = &adoption->bundle;
	unsigned int want = adoption->device.n_slots;

	if (want > 1 && !(bundle->exports[0].flags & NBD_TFLAG_CAN_MULTI_CONN))
		return error_set(err, EXIT_EXPORT,
				 "the disk has %u connections, this export allows only one", want);
	while (bundle->n < want)
		if (bundle_add(bundle, want, adoption->args->connect_timeout, err) ||
		    bundle_compare(bundle, err))
			return -1;
	return 0;
}

/* Gives all slots a new connection; the disk grows if the export has. */
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
	/* It takes all or none. If it has them, nobody else may write to them. */
	adoption->moved = !rc || !kernel_answered(adoption->kernel);
	if (rc)
		return rc;
	size = adoption->bundle.exports[0].size;
	return size > device->size ? kernel_resize(adoption->kernel, device, size, err) : 0;
}

/* All connections are there before the first is handed over: an unfit server changes nothing. */
static int adopt_move(struct adoption *adoption, struct error *err)
{
	target_uri(&adoption->target, adoption->uri);
	if (adopt_connect(adoption, err))
		return -1;
	return adopt_replace(adoption, err);
}

/*
 * Servers tell a new size to new connections, and go on refusing what lies
 * beyond the old one on the others. So all are made anew.
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

typedef int (*adopt_fn)(struct adoption *adoption, struct error *err);

/* Calls @fn, if any, for the device that is named; *@session becomes its session. */
static int adopt_with(const struct attach_args *args, adopt_fn fn, uint64_t *session,
		      struct error *err)
{
	struct adoption *adoption = calloc(1, sizeof(*adoption));
	int rc = -1;

	if (!adoption)
		return error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot begin");
	adoption->args = args;
	adoption->target = args->target;
	adoption->kernel = modload_open_loaded(err);
	if (!adoption->kernel)
		goto free;
	rc = kernel_device(adoption->kernel, args->device, &adoption->device, err);
	if (rc)
		goto close;
	*session = adoption->device.session;
	if (fn)
		rc = fn(adoption, err);
	bundle_close(&adoption->bundle, adoption->moved);
	kernel_device_free(&adoption->device);
close:
	kernel_close(adoption->kernel);
free:
	free(adoption);
	return rc;
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

static int adopt_compare(struct adoption *adoption, struct error *err)
{
	if (!strcmp(target_uri(&adoption->target, adoption->uri), adoption->device.display))
		return 0;
	return error_set(err, EXIT_OTHER, "attached to something else");
}

bool adopt_is_attached(const struct attach_args *args)
{
	struct error ignored;
	uint64_t session;

	return args->has_device && !adopt_with(args, adopt_compare, &session, &ignored);
}

static int adopt_failed(const struct attach_args *args, const char *doing, struct error *err)
{
	char path[DEVICE_PATH_MAX];

	error_prefix(err, "%s: %s", device_path(path, args->device), doing);
	return -1;
}

int adopt_run(const struct attach_args *args, struct error *err)
{
	uint64_t session;

	if (adopt_with(args, args->has_target ? adopt_move : NULL, &session, err))
		return adopt_failed(args, args->has_target ? "cannot move" : "cannot adopt", err);
	if (adopt_keep(args, session, err))
		return adopt_failed(args, "cannot adopt", err);
	return 0;
}

int adopt_resize(const struct attach_args *args, struct error *err)
{
	uint64_t session;

	if (adopt_with(args, adopt_size, &session, err))
		return adopt_failed(args, "cannot resize", err);
	return 0;
}
