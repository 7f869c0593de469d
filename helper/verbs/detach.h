/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_DETACH_H
#define NBD_HELPER_DETACH_H

struct error;

/* Flushes and detaches the disk @name, as nbd-detach without options. EXIT_FALSE: not attached. */
int detach_device(char *name, struct error *err);

#endif
