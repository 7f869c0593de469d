// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "maps/graph.h"

#define GRAPH_LABEL	8	/* columns of a row's offset */
#define GRAPH_BAR	24	/* columns of a bar in the legend */
#define GRAPH_LEGEND	12	/* statuses listed in the legend */
#define GRAPH_SHADES	4

/* How a class is drawn: in UTF-8, in ASCII, and its colour as an SGR parameter. */
struct look {
	const char *utf8;
	char ascii;
	const char *colour;
};

static const struct look graph_looks[MEANING_CLASSES] = {
	[MEANING_NOTHING] = { "·", '.', "90" },
	[MEANING_MAIN] = { "█", '#', "32" },
	[MEANING_ZERO] = { "○", 'o', "33" },
	[MEANING_HOLE] = { "?", '?', "35" },
	[MEANING_OTHER] = { "▚", 'b', "36" },
};

/* The main class, by the share of the cell that is in use. */
static const struct look graph_shades[GRAPH_SHADES] = {
	{ "░", '-', "32" },
	{ "▒", '=', "32" },
	{ "▓", '%', "32" },
	{ "█", '#', "32" },
};

static int graph_add(struct run_sink *sink, const struct run *run, struct error *err)
{
	struct graph *graph = (struct graph *)sink;
	enum meaning_class class = meaning_class(graph->context, run->status);
	uint64_t at = run->offset - graph->start, end = at + run->length, border;

	for (; at < end; at = border) {
		uint64_t i = at / graph->cell;

		border = (i + 1) * graph->cell;
		border = border < end ? border : end;
		graph->cells[i][class] += border - at;
	}
	return graph->totals.sink.add(&graph->totals.sink, run, err);
}

void graph_init(struct graph *graph, const char *context, const struct graph_style *style,
		uint64_t start, uint64_t end)
{
	unsigned int room = style->width > GRAPH_LABEL + 1 ? style->width - GRAPH_LABEL - 1 : 0;
	uint64_t size = end - start;

	memset(graph, 0, sizeof(*graph));
	graph->sink.add = graph_add;
	graph->context = context;
	graph->style = *style;
	graph->start = start;
	graph->end = end;
	run_totals_init(&graph->totals);
	/* Powers of two, so that rows begin at round offsets. */
	graph->columns = GRAPH_COLUMNS_MIN;
	while (graph->columns * 2 <= room && graph->columns < GRAPH_COLUMNS_MAX)
		graph->columns *= 2;
	graph->cell = 512;
	while ((size - 1) / graph->cell >= (uint64_t)graph->columns * GRAPH_ROWS_MAX)
		graph->cell *= 2;
	graph->n_cells = (size - 1) / graph->cell + 1;
}

static void graph_colour(const struct graph *graph, FILE *out, const char *colour)
{
	if (graph->style.colour)
		fprintf(out, "\033[%sm", colour);
}

static const struct look *graph_look(const uint64_t *cell)
{
	unsigned int class, most = MEANING_MAIN;
	uint64_t used = 0, all;

	for (class = MEANING_MAIN; class < MEANING_CLASSES; class++) {
		used += cell[class];
		if (cell[class] > cell[most])
			most = class;
	}
	all = used + cell[MEANING_NOTHING];
	if (!used)
		return &graph_looks[MEANING_NOTHING];
	if (most != MEANING_MAIN)
		return &graph_looks[most];
	/* Up to a quarter, up to a half, less than all, all. */
	if (used == all)
		return &graph_shades[3];
	return &graph_shades[used <= all / 4 ? 0 : used <= all / 2 ? 1 : 2];
}

static void graph_put(const struct graph *graph, FILE *out, const struct look *look)
{
	if (graph->style.utf8)
		fputs(look->utf8, out);
	else
		putc(look->ascii, out);
}

static void graph_row(const struct graph *graph, FILE *out, unsigned int first)
{
	unsigned int i, last = first + graph->columns;
	const struct look *look, *before = NULL;
	char size[TEXT_SIZE_ROOM];

	last = last < graph->n_cells ? last : graph->n_cells;
	fprintf(out, "%*s ", GRAPH_LABEL,
		text_format_size(size, graph->start + first * graph->cell));
	for (i = first; i < last; i++) {
		look = graph_look(graph->cells[i]);
		if (!before || strcmp(look->colour, before->colour))
			graph_colour(graph, out, look->colour);
		graph_put(graph, out, look);
		before = look;
	}
	graph_colour(graph, out, "0");
	putc('\n', out);
}

static void graph_bar(const struct graph *graph, FILE *out, double share)
{
	unsigned int n = share * GRAPH_BAR + 0.5;

	/* At least one character for a status that occurs. */
	for (n = n ? n : 1; n; n--)
		fputs(graph->style.utf8 ? "━" : "=", out);
}

static void graph_legend_line(const struct graph *graph, FILE *out, const struct run_total *total)
{
	const struct look *look = &graph_looks[meaning_class(graph->context, total->status)];
	double share = (double)total->bytes / (graph->end - graph->start);
	char size[TEXT_SIZE_ROOM], room[MEANING_ROOM];
	const char *words = meaning_of(graph->context, total->status, room);

	if (!words) {
		snprintf(room, sizeof(room), "status %" PRIu64, total->status);
		words = room;
	}
	fputs("  ", out);
	graph_colour(graph, out, look->colour);
	graph_put(graph, out, look);
	graph_colour(graph, out, "0");
	fprintf(out, " %-16s %8s %5.1f%%  ", words, text_format_size(size, total->bytes),
		100 * share);
	graph_colour(graph, out, look->colour);
	graph_bar(graph, out, share);
	graph_colour(graph, out, "0");
	putc('\n', out);
}

static void graph_legend(const struct graph *graph, FILE *out)
{
	const struct run_totals *totals = &graph->totals;
	char size[TEXT_SIZE_ROOM];
	uint64_t rest = 0;
	unsigned int i;

	putc('\n', out);
	for (i = 0; i < totals->n; i++) {
		if (i < GRAPH_LEGEND)
			graph_legend_line(graph, out, &totals->entries[i]);
		else
			rest += totals->entries[i].bytes;
	}
	if (rest)
		fprintf(out, "    %-16s %8s %5.1f%%\n", "others", text_format_size(size, rest),
			100.0 * rest / (graph->end - graph->start));
	fputs("  a cell partly in use: up to 1/4 ", out);
	graph_put(graph, out, &graph_shades[0]);
	fputs(", up to 1/2 ", out);
	graph_put(graph, out, &graph_shades[1]);
	fputs(", more ", out);
	graph_put(graph, out, &graph_shades[2]);
	putc('\n', out);
}

void graph_print(const struct graph *graph, FILE *out, const char *title)
{
	char size[TEXT_SIZE_ROOM], cell[TEXT_SIZE_ROOM];
	unsigned int i;

	fprintf(out, "%s: %s, %s, %s a cell\n\n", title, graph->context,
		text_format_size(size, graph->end - graph->start),
		text_format_size(cell, graph->cell));
	for (i = 0; i < graph->n_cells; i += graph->columns)
		graph_row(graph, out, i);
	graph_legend(graph, out);
}

void graph_style_of_stdout(struct graph_style *style)
{
	const char *no_colour = getenv("NO_COLOR"), *columns = getenv("COLUMNS");
	struct winsize size;
	uint64_t n;

	style->width = 80;
	setlocale(LC_CTYPE, "");
	style->utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	style->colour = isatty(STDOUT_FILENO) && !(no_colour && *no_colour);
	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col)
		style->width = size.ws_col;
	else if (columns && !text_parse_number(columns, 10000, &n) && n)
		style->width = n;
}
