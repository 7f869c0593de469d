/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_CHECK_H
#define NBD_HELPER_CHECK_H

struct attach_args;
struct error;

/*
 * --check-config: reports everything in the table of @args that nbd-attach would refuse. @args is
 * overwritten.
 */
int check_config(struct attach_args *args, struct error *err);

#endif
