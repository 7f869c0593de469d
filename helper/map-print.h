/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_MAP_PRINT_H
#define NBD_HELPER_MAP_PRINT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "runs.h"

/*
 * Maps and totals on paper, laid out as nbdinfo does, with the context as one
 * more key in JSON.
 */

/**
 * struct map_printer - prints each run as it comes
 */
struct map_printer {
	struct run_sink sink;
	FILE *out;
	const char *context;
	bool json;
	bool filled;
};

void map_printer_begin(struct map_printer *printer, FILE *out, const char *context, bool json);
void map_printer_end(struct map_printer *printer);

/* @size is what makes 100 %. */
void map_print_totals(const struct run_totals *totals, FILE *out, const char *context,
		      uint64_t size, bool json);

#endif
