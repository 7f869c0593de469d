// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "base/transport.h"
#include "base/waiting.h"
#include "keeper/claim.h"
#include "kernel/device.h"
#include "kernel/holders.h"
#include "kernel/kernel.h"
#include "kernel/modload.h"
#include "verbs/detach.h"
#include "verbs/verbs.h"

/* udev opens a disk for a moment after each change: how long to retry, and how often. */
#define DETACH_BUSY_MS	5000
#define DETACH_POLL_MS	100
/* How often to query the device, as an event may be lost; also how long to wait for one. */
#define DETACH_LOOK_MS	1000
/* How long to wait for the keeper, which exits when it is notified of the detach. */
#define DETACH_KEEPER_MS	2000

static const struct opt detach_opts[] = {
	{ 'f', "force", NULL, "detach even if the disk is in use; its users get errors" },
	{ 't', "timeout", "SEC|forever",
	  "time for the server to flush (default while it replies)" },
	{ 0 }
};

/**
 * struct detach - what the detaches of all devices share
 * @timeout: milliseconds, NBDCTL_TIME_FOREVER, or 0 to wait as long as servers reply
 */
struct detach {
	struct kernel *kernel;
	struct kernel_events *events;
	bool force;
	uint32_t timeout;
};

static void detach_name_holders(uint32_t index, struct error *err)
{
	char who[700];
	bool stay;

	if (holders_find(index, who, sizeof(who), &stay))
		error_set(err, EXIT_BUSY, "in use: %s", who);
	else
		error_set(err, EXIT_BUSY,
			  "in use, perhaps in another mount namespace or below an overlay");
	error_hint(err, "unmount or close it, or use --force (its users get errors)");
}

/* False if the disk has a user that will not close it soon by itself, such as a mount. */
static bool detach_worth_waiting(uint32_t index)
{
	char who[700];
	bool stay;

	holders_find(index, who, sizeof(who), &stay);
	return !stay;
}

static void detach_say(const struct kernel_device *device, struct waiting *waiting)
{
	uint64_t owed = 0;
	unsigned int i;

	for (i = 0; i < device->n_slots; i++)
		owed += device->slots[i].requests - device->slots[i].replies;
	waiting_say(waiting, "nbd%u: waiting for %" PRIu64 " repl%s of the server", device->index,
		    owed, owed == 1 ? "y" : "ies");
}

static int detach_called_off(uint32_t reason, struct error *err)
{
	if (reason == ETIMEDOUT) {
		error_set(err, EXIT_TIMEOUT, "the server does not reply; the disk stays attached");
		error_hint(err, "use --timeout to wait longer, or --force (loses unwritten data)");
		return -1;
	}
	if (!reason)
		return error_set(err, EXIT_SYSTEM, "the detach was called off");
	return error_errno(err, EXIT_SYSTEM, reason,
			   "the server did not flush; the disk stays attached");
}

/* True while the driver is detaching @session. Otherwise *@rc is the result, with @err. */
static bool detach_goes_on(struct detach *detach, uint32_t index, uint64_t session,
			   struct waiting *waiting, int *rc, struct error *err)
{
	struct kernel_device device;
	uint32_t reason;
	bool ours;

	*rc = kernel_device(detach->kernel, index, &device, err);
	if (*rc) {
		if (err->code == EXIT_FALSE)
			*rc = 0;
		return false;
	}
	ours = device.session == session;
	if (ours && (device.state == NBDCTL_STATE_DRAINING || device.state == NBDCTL_STATE_DEAD)) {
		detach_say(&device, waiting);
		kernel_device_free(&device);
		return true;
	}
	kernel_device_free(&device);
	if (!ours)
		return false;
	/* The event with the reason may still be on its way. */
	reason = kernel_events_called_off(detach->events, index, session, DETACH_LOOK_MS);
	*rc = detach_called_off(reason, err);
	return false;
}

/* Waits for the end of a detach that the driver has begun. */
static int detach_wait(struct detach *detach, uint32_t index, uint64_t session, struct error *err)
{
	struct pollfd pfd = { .fd = kernel_events_fd(detach->events), .events = POLLIN };
	struct waiting waiting = waiting_begin();
	int rc = 0;

	do {
		poll(&pfd, 1, DETACH_LOOK_MS);
		kernel_events_take(detach->events, index);
	} while (!kernel_events_ended(detach->events, session) &&
		 detach_goes_on(detach, index, session, &waiting, &rc, err));
	/* The session is gone, but only the event says that the device has its new, empty disk. */
	if (!rc && !kernel_events_ended(detach->events, session))
		poll(&pfd, 1, DETACH_LOOK_MS);
	waiting_end(&waiting);
	return rc;
}

static int detach_try(struct detach *detach, uint32_t index, struct error *err)
{
	struct kernel_device device;
	struct kernel_detach request = {
		.index = index,
		.force = detach->force,
		.timeout = detach->timeout,
	};

	if (kernel_device(detach->kernel, index, &device, err))
		return -1;
	request.session = device.session;
	kernel_device_free(&device);
	if (kernel_detach(detach->kernel, &request, err))
		return -1;
	return detach->force ? 0 : detach_wait(detach, index, request.session, err);
}

static int detach_one(struct detach *detach, uint32_t index, struct error *err)
{
	struct deadline deadline = deadline_in(DETACH_BUSY_MS);

	for (;;) {
		if (!detach_try(detach, index, err)) {
			/* No keeper should be running any more when this program exits. */
			claim_is_taken(index, DETACH_KEEPER_MS);
			return 0;
		}
		if (err->code != EXIT_BUSY || detach->force)
			return -1;
		if (!deadline_left(&deadline) || !detach_worth_waiting(index))
			break;
		poll(NULL, 0, DETACH_POLL_MS);
	}
	detach_name_holders(index, err);
	return -1;
}

static int detach_open(struct detach *detach, struct error *err)
{
	detach->kernel = modload_open_loaded(err);
	if (!detach->kernel)
		return err->code == EXIT_FALSE ? 0 : -1;
	detach->events = kernel_events_open(err);
	return detach->events ? 0 : -1;
}

static int detach_each(struct detach *detach, char *const *names, int n, struct error *err)
{
	char path[DEVICE_PATH_MAX];
	struct error mine;
	uint32_t index;
	int i, rc = 0;

	for (i = 0; i < n; i++) {
		if (!device_resolve(names[i], &index, &mine)) {
			if (!detach->kernel)
				error_set(&mine, EXIT_FALSE, "not attached");
			else if (!detach_one(detach, index, &mine))
				continue;
			error_prefix(&mine, "%s", device_path(path, index));
		}
		/* Continue with the other devices. The caller reports the last error. */
		if (rc)
			log_error(err);
		*err = mine;
		rc = -1;
	}
	return rc;
}

static int detach_all(struct detach *detach, char *const *names, int n, struct error *err)
{
	int rc = detach_open(detach, err);

	if (!rc)
		rc = detach_each(detach, names, n, err);
	kernel_events_close(detach->events);
	kernel_close(detach->kernel);
	return rc;
}

int detach_device(char *name, struct error *err)
{
	struct detach detach = { 0 };

	return detach_all(&detach, &name, 1, err);
}

static int detach_set_timeout(struct detach *detach, const char *s, struct error *err)
{
	if (!strcmp(s, "forever"))
		detach->timeout = NBDCTL_TIME_FOREVER;
	else if (text_parse_seconds(s, &detach->timeout) || !detach->timeout)
		return error_set(err, EXIT_USAGE, "bad timeout \"%s\"", s);
	return 0;
}

static int detach_run(const struct verb *verb, int argc, char **argv, struct error *err)
{
	struct detach detach = { 0 };
	int id;

	while ((id = opts_next(verb, argc, argv, err)) != -1) {
		if (!id || (id == 't' && detach_set_timeout(&detach, optarg, err)))
			return -1;
		detach.force |= id == 'f';
	}
	if (optind == argc) {
		error_set(err, EXIT_USAGE, "missing device");
		error_hint(err, "\"nbd-list\" shows what is attached");
		return -1;
	}
	return detach_all(&detach, argv + optind, argc - optind, err);
}

const struct verb detach_verb = {
	.name = "nbd-detach",
	.synopsis = { "DEVICE..." },
	.summary = "Flush and detach NBD devices.",
	.opts = detach_opts,
	.run = detach_run,
};
