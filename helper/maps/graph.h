/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_GRAPH_H
#define NBD_HELPER_GRAPH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "maps/meaning.h"
#include "maps/runs.h"

#define GRAPH_COLUMNS_MIN	16
#define GRAPH_COLUMNS_MAX	512
#define GRAPH_ROWS_MAX		16
#define GRAPH_CELLS_MAX		(GRAPH_COLUMNS_MAX * GRAPH_ROWS_MAX)

/**
 * struct graph_style - what the terminal can do
 * @width: columns of the terminal
 * @utf8: it shows block characters
 * @colour: it shows colours
 */
struct graph_style {
	unsigned int width;
	bool utf8;
	bool colour;
};

/**
 * struct graph - a graph of a range, in rows of cells of equal size
 * @start, @end: the range, in bytes
 * @cell: bytes of a cell, a power of two
 * @columns: cells in a row, a power of two
 * @n_cells: cells in all
 * @cells: bytes of each class in each cell
 * @totals: bytes of each status, for the legend
 */
struct graph {
	struct run_sink sink;
	const char *context;
	struct graph_style style;
	uint64_t start;
	uint64_t end;
	uint64_t cell;
	unsigned int columns;
	unsigned int n_cells;
	uint64_t cells[GRAPH_CELLS_MAX][MEANING_CLASSES];
	struct run_totals totals;
};

void graph_init(struct graph *graph, const char *context, const struct graph_style *style,
		uint64_t start, uint64_t end);
void graph_print(const struct graph *graph, FILE *out, const char *title);

/* Sets LC_CTYPE, and fills in @style from stdout, the locale, NO_COLOR and COLUMNS. */
void graph_style_of_stdout(struct graph_style *style);

#endif
