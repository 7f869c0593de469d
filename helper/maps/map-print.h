/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_MAP_PRINT_H
#define NBD_HELPER_MAP_PRINT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "maps/runs.h"

/*
 * Maps and totals as text and as JSON, laid out as in nbdinfo, with the context as an additional
 * key in JSON.
 */

/* Statuses whose tail is cached: what is printed after offset and length depends only on them. */
#define MAP_TAILS	8

struct map_tail {
	uint64_t status;
	char *text;
	size_t length;
};

/**
 * struct map_printer - prints each run as it comes; there may be millions
 * @tails: of the last statuses; the index is the status modulo MAP_TAILS
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

/* @size: bytes that are 100 %. */
void map_print_totals(const struct run_totals *totals, FILE *out, const char *context,
		      uint64_t size, bool json);

#endif
