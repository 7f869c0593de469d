/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_ATTACH_H
#define NBD_HELPER_ATTACH_H

struct attach_args;
struct error;

/* Does what @args describes: attaches a disk, adopts one, or resizes one. */
int attach_perform(struct attach_args *args, struct error *err);

#endif
