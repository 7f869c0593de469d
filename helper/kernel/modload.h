/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_MODLOAD_H
#define NBD_HELPER_MODLOAD_H

struct error;
struct kernel;

/* kernel_open(), after loading the driver if it is missing. */
struct kernel *modload_open(struct error *err);

/*
 * kernel_open() without loading anything: NULL with @err->code EXIT_FALSE if no driver is loaded,
 * so that nothing can be attached.
 */
struct kernel *modload_open_loaded(struct error *err);

#endif
