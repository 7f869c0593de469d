/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_METRICS_H
#define NBD_HELPER_METRICS_H

/* Devices in the text format of Prometheus, for the textfile collector of its node exporter */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct kernel_device;

/* Most metrics that there may be */
#define METRICS_MAX	32

/**
 * struct metrics - metrics that are being collected
 * @samples: a stream in memory for the lines of each metric, which must stand together
 * @text: what is in the stream, once it is flushed
 * @length: its length
 * @n_devices: devices that were added
 */
struct metrics {
	FILE *samples[METRICS_MAX];
	char *text[METRICS_MAX];
	size_t length[METRICS_MAX];
	unsigned int n_devices;
};

/* Returns 0 or a negative errno; metrics_free() is to be called in any case. */
int metrics_init(struct metrics *metrics);
void metrics_add(struct metrics *metrics, const struct kernel_device *device);

/* Writes all to @out. Returns 0; or a negative errno without memory, and then it writes nothing. */
int metrics_print(struct metrics *metrics, FILE *out);
void metrics_free(struct metrics *metrics);

#endif
