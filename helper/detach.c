// SPDX-License-Identifier: GPL-2.0-only
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>

#include "claim.h"
#include "device.h"
#include "error.h"
#include "holders.h"
#include "kernel.h"
#include "log.h"
#include "modload.h"
#include "transport.h"
#include "verbs.h"

/* udev looks at a disk for a moment after each change; that is waited for. */
#define DETACH_BUSY_MS	5000
#define DETACH_POLL_MS	100
/* The keeper ends by itself as soon as it hears of the detach. */
#define DETACH_KEEPER_MS	2000

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

/* How often the driver says the disk is open; as good as for ever if it can't be asked. */
static uint32_t detach_openers(struct kernel *kernel, uint32_t index)
{
	struct kernel_device device;
	struct error ignored;
	uint32_t openers;

	if (kernel_device(kernel, index, &device, &ignored))
		return UINT32_MAX;
	openers = device.openers;
	kernel_device_free(&device);
	return openers;
}

/*
 * A user that stays is told from one that is about to leave. A mount does not count where
 * processes make up all the openers: then it is of an earlier disk of this number, taken away by
 * force.
 */
static bool detach_worth_waiting(struct kernel *kernel, uint32_t index)
{
	static const char process[] = " is open in process ";
	uint32_t processes = 0;
	char who[700], *at;

	if (!holders_find(index, who, sizeof(who)))
		return true;
	if (!strstr(who, " is mounted ") && !strstr(who, " as swap") &&
	    !strstr(who, " is part of "))
		return true;
	for (at = strstr(who, process); at; at = strstr(at + 1, process))
		processes++;
	return processes >= detach_openers(kernel, index);
}

static int detach_one(struct kernel *kernel, uint32_t index, bool force, struct error *err)
{
	struct deadline deadline = deadline_in(DETACH_BUSY_MS);

	for (;;) {
		if (!kernel_detach(kernel, index, force, err)) {
			/* Who looks for processes afterwards should find none. */
			claim_is_taken(index, DETACH_KEEPER_MS);
			return 0;
		}
		if (err->code != EXIT_BUSY)
			return -1;
		if (force)
			return -1;
		if (!deadline_left(&deadline) || !detach_worth_waiting(kernel, index))
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
