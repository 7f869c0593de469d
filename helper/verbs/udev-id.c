// SPDX-License-Identifier: GPL-2.0-only
/* Properties of a disk, for udev rules. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "kernel/device.h"
#include "kernel/kernel.h"
#include "kernel/modload.h"
#include "verbs/verbs.h"

static const struct opt udev_id_opts[] = {
	{ 0 }
};

/*
 * What udev leaves in names of links. A slash would make a directory, and other bytes would have to
 * be escaped by those who use the name.
 */
static void udev_id_print(const char *key, const char *prefix, const char *value)
{
	if (!*value)
		return;
	printf("%s=%s", key, prefix);
	for (; *value; value++)
		putchar(isalnum((unsigned char)*value) || strchr("#+-.:=@", *value) ? *value : '_');
	putchar('\n');
}

/* "nbd://host:port/export" without the scheme and its slashes. */
static const char *udev_id_place(const char *uri)
{
	const char *slashes = strstr(uri, "://");

	return slashes ? slashes + 3 : uri;
}

static int udev_id_device(const char *name, struct error *err)
{
	struct kernel_device *device = NULL;
	struct kernel *kernel;
	uint32_t index;
	int rc = -1;

	if (device_resolve(name, &index, err))
		return -1;
	kernel = modload_open_loaded(err);
	if (!kernel)
		return -1;
	device = calloc(1, sizeof(*device));
	if (!device)
		error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot begin");
	else
		rc = kernel_device(kernel, index, device, err);
	if (!rc) {
		udev_id_print("NBD_IDENTIFIER", "", device->identifier);
		udev_id_print("NBD_PATH", "", udev_id_place(device->display));
		kernel_device_free(device);
	}
	free(device);
	kernel_close(kernel);
	return rc;
}

static int udev_id_run(const struct verb *verb, int argc, char **argv, struct error *err)
{
	int id = opts_next(verb, argc, argv, err);

	if (!id)
		return -1;
	if (argc - optind != 1)
		return error_set(err, EXIT_USAGE, "one device is expected");
	return udev_id_device(argv[optind], err);
}

const struct verb udev_id_verb = {
	.name = "nbd_id",
	.synopsis = { "DEVICE" },
	.summary = "Print properties of an attached disk, for udev rules.",
	.opts = udev_id_opts,
	.run = udev_id_run,
};
