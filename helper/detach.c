// SPDX-License-Identifier: GPL-2.0-only
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>

#include "device.h"
#include "error.h"
#include "holders.h"
#include "kernel.h"
#include "log.h"
#include "modload.h"
#include "transport.h"
#include "verbs.h"

/*
 * udev looks at a disk for a moment after each change; that is waited for. A mount counts only
 * after a second: it may be of an earlier disk of this number, which was taken away by force.
 */
#define DETACH_BUSY_MS	5000
#define DETACH_MOUNT_MS	1000
#define DETACH_POLL_MS	100

static const struct opt detach_opts[] = {
	{ 'f', "force", NULL, "detach even if the disk is in use; its users get errors" },
	{ 0 }
};

static void detach_name_holders(uint32_t index, struct error *err)
{
	char who[700];

	if (holders_find(index, who, sizeof(who)))
		error_set(err, EXIT_BUSY, "in use: %s", who);
	else
		error_set(err, EXIT_BUSY, "in use, perhaps in another mount namespace");
	error_hint(err, "end what uses it; --force detaches anyway, and its users get errors");
}

/* A user that stays is told from one that is about to leave. */
static bool detach_worth_waiting(uint32_t index)
{
	char who[700];

	if (!holders_find(index, who, sizeof(who)))
		return true;
	return !strstr(who, " is mounted ") && !strstr(who, " as swap") &&
	       !strstr(who, " is part of ");
}

static int detach_one(struct kernel *kernel, uint32_t index, bool force, struct error *err)
{
	struct deadline deadline = deadline_in(DETACH_BUSY_MS);
	struct deadline mount = deadline_in(DETACH_MOUNT_MS);

	for (;;) {
		if (!kernel_detach(kernel, index, force, err))
			return 0;
		if (err->code != EXIT_BUSY)
			return -1;
		if (force)
			return -1;
		if (!deadline_left(&deadline))
			break;
		if (!deadline_left(&mount) && !detach_worth_waiting(index))
			break;
		poll(NULL, 0, DETACH_POLL_MS);
	}
	detach_name_holders(index, err);
	return -1;
}

static int detach_all(char *const *names, int n, bool force, struct error *err)
{
	struct kernel *kernel = modload_open_loaded(err);
	char path[DEVICE_PATH_MAX];
	struct error mine;
	uint32_t index;
	int i, rc = 0;

	if (!kernel && err->code != EXIT_FALSE)
		return -1;
	for (i = 0; i < n; i++) {
		if (!device_resolve(names[i], &index, &mine)) {
			if (!kernel)
				error_set(&mine, EXIT_FALSE, "not attached");
			else if (!detach_one(kernel, index, force, &mine))
				continue;
			error_prefix(&mine, "%s", device_path(path, index));
		}
		/* The others get their turn; the last one is told by the caller. */
		if (rc)
			log_error(err);
		*err = mine;
		rc = -1;
	}
	kernel_close(kernel);
	return rc;
}

static int detach_run(const struct verb *verb, int argc, char **argv, struct error *err)
{
	bool force = false;
	int id;

	while ((id = opts_next(verb, argc, argv, err)) != -1) {
		if (!id)
			return -1;
		force = true;
	}
	if (optind == argc) {
		error_set(err, EXIT_USAGE, "no device is named");
		error_hint(err, "\"nbd-list\" shows what is attached");
		return -1;
	}
	return detach_all(argv + optind, argc - optind, force, err);
}

const struct verb detach_verb = {
	.name = "nbd-detach",
	.synopsis = { "DEVICE..." },
	.summary = "Write out and end NBD disks.",
	.opts = detach_opts,
	.run = detach_run,
};
