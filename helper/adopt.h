/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_ADOPT_H
#define NBD_HELPER_ADOPT_H

#include <stdbool.h>

struct attach_args;
struct error;

/*
 * nbd-attach --adopt: gives a device that is attached a keeper. If @args names a server, the device
 * is moved there first; then it may have a keeper already, who goes on.
 */
int adopt_run(const struct attach_args *args, struct error *err);

/* Whether what @args asks for is attached already, to the same server. */
bool adopt_is_attached(const struct attach_args *args);

/* nbd-attach --resize: gives a disk the size that the export has now, if that is larger. */
int adopt_resize(const struct attach_args *args, struct error *err);

#endif
