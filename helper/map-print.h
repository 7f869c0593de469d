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

/* What is printed behind offset and length is the same for each run of a status. */
#define MAP_TAILS	8

struct map_tail {
	uint64_t status;
	char *text;
	size_t length;
};

/**
 * struct map_printer - prints each run as it comes; there may be millions
 * @tails: those met last, by status
 */
struct map_printer {
	struct run_sink sink;
	FILE *out;
	const char *context;
	bool json;
	bool filled;
	struct map_tail tails[MAP_TAILS];
};

void map_printer_begin(struct map_printer *printer, FILE *out, const char *context, bool json);
void map_printer_end(struct map_printer *printer);
void map_printer_free(struct map_printer *printer);

/* @size is what makes 100 %. */
void map_print_totals(const struct run_totals *totals, FILE *out, const char *context,
		      uint64_t size, bool json);

#endif
