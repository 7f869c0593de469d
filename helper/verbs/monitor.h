/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_MONITOR_H
#define NBD_HELPER_MONITOR_H

struct attach_args;
struct error;

/*
 * nbd-attach --monitor: prints events of the driver until a signal asks this process to stop, or
 * nobody reads the output any longer.
 */
int monitor_run(const struct attach_args *args, struct error *err);

#endif
