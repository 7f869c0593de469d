// SPDX-License-Identifier: GPL-2.0-only
/* Joining, totals, text, JSON and picture of a map. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "base/error.h"
#include "maps/graph.h"
#include "maps/map-print.h"
#include "maps/meaning.h"
#include "maps/runs.h"

#define BASE	"base:allocation"
#define IN_BASE	"\"context\": \"base:allocation\"}"
#define RUN(offset, length, type, words) \
	"{ \"offset\": " offset ", \"length\": " length ", \"type\": " type \
	", \"description\": \"" words "\", " IN_BASE

static char *text;
static size_t length;
static FILE *out;
static struct error err;

static int setup(void **state)
{
	(void)state;
	out = open_memstream(&text, &length);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(text);
	return 0;
}

static void add(struct run_joiner *joiner, uint64_t offset, uint64_t bytes, uint64_t status)
{
	const struct run run = { offset, bytes, status };

	assert_int_equal(run_joiner_add(joiner, &run, &err), 0);
}

static void print_map(uint64_t start, uint64_t end, bool json)
{
	struct map_printer printer;
	struct run_joiner joiner;

	map_printer_begin(&printer, out, BASE, json);
	run_joiner_init(&joiner, &printer.sink, start, end);
	add(&joiner, 0, 4096, 0);
	add(&joiner, 4096, 4096, 0);
	add(&joiner, 8192, 512, 3);
	add(&joiner, 8704, 1ULL << 40, 3);
	add(&joiner, 8704 + (1ULL << 40), 512, 2);
	add(&joiner, 9216 + (1ULL << 40), 512, 1);
	assert_int_equal(run_joiner_finish(&joiner, &err), 0);
	map_printer_end(&printer);
	map_printer_free(&printer);
	fclose(out);
}

static void test_text(void **state)
{
	static const char want[] =
		"         0        8192    0  data\n"
		"      8192  1099511628288    3  hole,zero\n"
		"1099511636480         512    2  zero\n"
		"1099511636992         512    1  hole\n";

	(void)state;
	print_map(0, UINT64_MAX, false);
	assert_string_equal(text, want);
}

/* Cut to bytes, in the middle of runs on both sides. */
static void test_range(void **state)
{
	static const char want[] =
		"      5000        3192    0  data\n"
		"      8192           1    3  hole,zero\n";

	(void)state;
	print_map(5000, 8193, false);
	assert_string_equal(text, want);
}

static void test_json(void **state)
{
	static const char want[] =
		"[\n"
		RUN("0", "8192", "0", "data") ",\n"
		RUN("8192", "512", "3", "hole,zero") "\n"
		"]\n";

	(void)state;
	print_map(0, 8704, true);
	assert_string_equal(text, want);
}

static void test_json_empty(void **state)
{
	struct map_printer printer;

	(void)state;
	map_printer_begin(&printer, out, BASE, true);
	map_printer_end(&printer);
	map_printer_free(&printer);
	fclose(out);
	assert_string_equal(text, "[\n]\n");
}

/* A gap keeps neighbours apart, and a length that wraps ends at the range's end. */
static void test_join_edges(void **state)
{
	static const char want[] =
		"         0         512    0  data\n"
		"      1024         512    0  data\n"
		"      9000        1000    2  zero\n";
	struct map_printer printer;
	struct run_joiner joiner;

	(void)state;
	map_printer_begin(&printer, out, BASE, false);
	run_joiner_init(&joiner, &printer.sink, 0, 10000);
	add(&joiner, 0, 512, 0);
	add(&joiner, 1024, 512, 0);
	add(&joiner, 2048, 0, 3);
	add(&joiner, 9000, UINT64_MAX, 2);
	add(&joiner, 20000, 512, 2);
	assert_int_equal(run_joiner_finish(&joiner, &err), 0);
	assert_int_equal(run_joiner_finish(&joiner, &err), 0);
	map_printer_free(&printer);
	fclose(out);
	assert_string_equal(text, want);
}

/* Tails that are kept at the same place, and numbers as wide as they get. */
static void test_many_statuses(void **state)
{
	static const struct run runs[] = {
		{ 0, 1, 1 }, { 1, 1, 1 + MAP_TAILS }, { 2, 1, 1 }, { 3, 1, 1 + 2 * MAP_TAILS },
		{ UINT64_MAX, UINT64_MAX, UINT64_MAX },
	};
	static const char want[] =
		"         0           1    1  hole\n"
		"         1           1    9\n"
		"         2           1    1  hole\n"
		"         3           1   17\n"
		"18446744073709551615  18446744073709551615  18446744073709551615\n";
	struct map_printer printer;
	size_t i;

	(void)state;
	map_printer_begin(&printer, out, BASE, false);
	for (i = 0; i < N_ELEMENTS(runs); i++)
		assert_int_equal(printer.sink.add(&printer.sink, &runs[i], &err), 0);
	map_printer_free(&printer);
	fclose(out);
	assert_string_equal(text, want);
}

static void fill_totals(struct run_totals *totals)
{
	static const struct run runs[] = {
		{ 0, 100, 3 }, { 100, 50, 0 }, { 150, 25, 7 }, { 175, 25, 3 },
	};
	size_t i;

	run_totals_init(totals);
	for (i = 0; i < N_ELEMENTS(runs); i++)
		assert_int_equal(totals->sink.add(&totals->sink, &runs[i], &err), 0);
}

static void test_totals(void **state)
{
	static const char want[] =
		"        50  25.0%   0 data\n"
		"       125  62.5%   3 hole,zero\n"
		"        25  12.5%   7\n";
	struct run_totals totals;

	(void)state;
	fill_totals(&totals);
	map_print_totals(&totals, out, BASE, 200, false);
	fclose(out);
	assert_string_equal(text, want);
}

static void test_totals_json(void **state)
{
	static const char want[] =
		"[\n"
		"{ \"size\": 50, \"percent\": 25, \"type\": 0, \"context\": \"x-a:\\\"b\" },\n"
		"{ \"size\": 125, \"percent\": 62.5, \"type\": 3, \"context\": \"x-a:\\\"b\" },\n"
		"{ \"size\": 25, \"percent\": 12.5, \"type\": 7, \"context\": \"x-a:\\\"b\" }\n"
		"]\n";
	struct run_totals totals;

	(void)state;
	fill_totals(&totals);
	map_print_totals(&totals, out, "x-a:\"b", 200, true);
	fclose(out);
	assert_string_equal(text, want);
}

static void test_totals_bounded(void **state)
{
	struct run_totals totals;
	struct run run = { 0, 1, 0 };
	unsigned int i;

	(void)state;
	fclose(out);
	run_totals_init(&totals);
	/* Downwards, so that each goes to the front */
	for (i = RUN_TOTALS_MAX; i > 0; i--) {
		run.status = i;
		assert_int_equal(totals.sink.add(&totals.sink, &run, &err), 0);
	}
	assert_int_equal(totals.entries[0].status, 1);
	assert_int_equal(totals.entries[RUN_TOTALS_MAX - 1].status, RUN_TOTALS_MAX);
	run.status = 5;
	assert_int_equal(totals.sink.add(&totals.sink, &run, &err), 0);
	run.status = 0;
	assert_int_equal(totals.sink.add(&totals.sink, &run, &err), -1);
}

static void test_meanings(void **state)
{
	static const struct { const char *context; uint64_t status; const char *words; } table[] = {
		{ BASE, 0, "data" },
		{ BASE, 1, "hole" },
		{ BASE, 2, "zero" },
		{ BASE, 3, "hole,zero" },
		{ BASE, 4, NULL },
		{ "base:allocation2", 0, NULL },
		{ "qemu:dirty-bitmap:x", 0, "clean" },
		{ "qemu:dirty-bitmap:x", 1, "dirty" },
		{ "qemu:dirty-bitmap:x", 2, NULL },
		{ "qemu:allocation-depth", 0, "absent" },
		{ "qemu:allocation-depth", 1, "local" },
		{ "qemu:allocation-depth", 2, "backing depth 2" },
		{ "qemu:allocation-depth", UINT64_MAX, "backing depth 18446744073709551615" },
		{ "x-a:b", 0, NULL },
	};
	char room[MEANING_ROOM];
	const char *words;
	size_t i;

	(void)state;
	fclose(out);
	for (i = 0; i < N_ELEMENTS(table); i++) {
		words = meaning_of(table[i].context, table[i].status, room);
		if (table[i].words)
			assert_string_equal(words, table[i].words);
		else
			assert_null(words);
	}
}

static struct graph *draw(const struct graph_style *style, uint64_t start, uint64_t end,
			  const struct run *runs, size_t n)
{
	struct graph *graph = malloc(sizeof(*graph));
	size_t i;

	graph_init(graph, BASE, style, start, end);
	for (i = 0; i < n; i++)
		assert_int_equal(graph->sink.add(&graph->sink, &runs[i], &err), 0);
	graph_print(graph, out, "nbd0");
	fclose(out);
	return graph;
}

static void test_graph(void **state)
{
	static const char want[] =
		"nbd0: base:allocation, 17K, 512B a cell\n\n"
		"      0B #.-=%o?.........................\n"
		"     16K .#\n\n"
		"  # data                 1.8K  10.8%  ===\n"
		"  ? hole                 512B   2.9%  =\n"
		"  o zero                 512B   2.9%  =\n"
		"  . hole,zero           14.2K  83.3%  ====================\n"
		"  a cell partly in use: up to 1/4 -, up to 1/2 =, more %\n";
	static const struct graph_style style = { .width = 41 };
	static const struct run runs[] = {
		{ 0, 512, 0 }, { 512, 512, 3 }, { 1024, 100, 0 }, { 1124, 412, 3 },
		{ 1536, 256, 0 }, { 1792, 256, 3 }, { 2048, 500, 0 }, { 2548, 12, 3 },
		{ 2560, 512, 2 }, { 3072, 512, 1 }, { 3584, 13312, 3 }, { 16896, 512, 0 },
	};
	struct graph *graph;

	(void)state;
	graph = draw(&style, 0, 17408, runs, N_ELEMENTS(runs));
	assert_int_equal(graph->cell, 512);
	assert_string_equal(text, want);
	free(graph);
}

static void test_graph_utf8_colour(void **state)
{
	static const struct graph_style style = { .width = 25, .utf8 = true, .colour = true };
	static const struct run runs[] = { { 1024, 512, 0 }, { 1536, 512, 3 } };
	struct graph *graph;

	(void)state;
	/* A picture of a range begins at its start. */
	graph = draw(&style, 1024, 2048, runs, N_ELEMENTS(runs));
	assert_non_null(strstr(text, "      1K \033[32m█\033[90m·\033[0m\n"));
	assert_non_null(strstr(text, "\033[32m█\033[0m data"));
	assert_non_null(strstr(text, "━"));
	free(graph);
}

/* Whatever the size and the width, the cells hold the disk and nothing overflows. */
static void test_graph_sizes(void **state)
{
	static const uint64_t sizes[] = {
		1, 512, 513, 1 << 20, (1ULL << 40) + 1, INT64_MAX, 1ULL << 62,
	};
	static const unsigned int widths[] = { 0, 1, 9, 25, 80, 200, 100000 };
	struct graph *graph = malloc(sizeof(*graph));
	size_t i, j;

	(void)state;
	fclose(out);
	for (i = 0; i < N_ELEMENTS(sizes); i++)
		for (j = 0; j < N_ELEMENTS(widths); j++) {
			struct graph_style style = { .width = widths[j] };
			struct run run = { 0, sizes[i], 0 };

			graph_init(graph, BASE, &style, 0, sizes[i]);
			assert_true(graph->n_cells <= graph->columns * GRAPH_ROWS_MAX);
			assert_true(graph->n_cells <= GRAPH_CELLS_MAX);
			assert_true(graph->cell * graph->n_cells >= sizes[i]);
			assert_int_equal(graph->sink.add(&graph->sink, &run, &err), 0);
			assert_int_equal(graph->totals.entries[0].bytes, sizes[i]);
		}
	free(graph);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(text),
		TEST(range),
		TEST(json),
		TEST(json_empty),
		TEST(many_statuses),
		TEST(join_edges),
		TEST(totals),
		TEST(totals_json),
		TEST(totals_bounded),
		TEST(meanings),
		TEST(graph),
		TEST(graph_utf8_colour),
		TEST(graph_sizes),
	};

	return cmocka_run_group_tests_name("helper_map", tests, NULL, NULL);
}
