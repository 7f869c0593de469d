/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_WATCH_H
#define NBD_HELPER_WATCH_H

#include <stdint.h>
#include <stdio.h>

struct error;

/* Default of --watch: milliseconds */
#define WATCH_DEFAULT_MS	2000

/**
 * struct watch - something to show again and again
 * @interval: milliseconds until it is shown again if the driver reports no event
 * @print: prints it
 * @context: for @print
 */
struct watch {
	uint32_t interval;
	int (*print)(void *context, FILE *out, struct error *err);
	void *context;
};

/*
 * Shows it until a signal asks this process to stop, nobody reads the output any longer, or @print
 * fails. On a terminal each picture replaces the one before; elsewhere they follow each other, with
 * an empty line in between.
 */
int watch_run(const struct watch *watch, struct error *err);

#endif
