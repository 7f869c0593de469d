/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_ADOPT_H
#define NBD_HELPER_ADOPT_H

#include <stdbool.h>

struct attach_args;
struct error;

/*
 * nbd-attach --adopt: starts a keeper for an attached device, as @args->keep says. If @args names a
 * server, the device is moved there first, and a keeper that it has already continues. Unless it
 * becomes the keeper itself, waits until the driver is done with the old connections.
 */
int adopt_run(const struct attach_args *args, struct error *err);

/* True if the device of @args is attached already, to the same server and export. */
bool adopt_is_attached(const struct attach_args *args);

/* nbd-attach --resize: grows a disk to the current size of its export; fails if that is smaller. */
int adopt_resize(const struct attach_args *args, struct error *err);

#endif
