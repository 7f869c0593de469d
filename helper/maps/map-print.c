// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "maps/map-print.h"
#include "maps/meaning.h"

/* Bytes of a line without its tail: two numbers and the text around them */
#define MAP_LINE_ROOM	(2 * TEXT_NUMBER_ROOM + 64)

static void map_print_tail(const struct map_printer *printer, uint64_t status, FILE *out)
{
	char room[MEANING_ROOM];
	const char *words = meaning_of(printer->context, status, room);

	if (!printer->json) {
		fprintf(out, "  %3" PRIu64 "%s%s\n", status, words ? "  " : "",
			words ? words : "");
		return;
	}
	fprintf(out, ", \"type\": %" PRIu64, status);
	if (words)
		fprintf(out, ", \"description\": \"%s\"", words);
	fputs(", \"context\": ", out);
	json_quote(out, printer->context);
	putc('}', out);
}

static const struct map_tail *map_tail(struct map_printer *printer, uint64_t status)
{
	struct map_tail *tail = &printer->tails[status % MAP_TAILS];
	FILE *out;

	if (tail->text && tail->status == status)
		return tail;
	free(tail->text);
	tail->text = NULL;
	tail->status = status;
	out = open_memstream(&tail->text, &tail->length);
	if (!out)
		return NULL;
	map_print_tail(printer, status, out);
	return fclose(out) ? NULL : tail;
}

/* printf() would take longer than the driver, the server and everything else together. */
static size_t map_line(const struct map_printer *printer, const struct run *run, char *line)
{
	char *at = line;

	if (printer->json) {
		at = stpcpy(at, printer->filled ? ",\n{ \"offset\": " : "{ \"offset\": ");
		at = text_put_number(at, run->offset, 1);
		at = stpcpy(at, ", \"length\": ");
		at = text_put_number(at, run->length, 1);
	} else {
		at = text_put_number(at, run->offset, 10);
		at = stpcpy(at, "  ");
		at = text_put_number(at, run->length, 10);
	}
	return at - line;
}

static int map_printer_add(struct run_sink *sink, const struct run *run, struct error *err)
{
	struct map_printer *printer = (struct map_printer *)sink;
	const struct map_tail *tail = map_tail(printer, run->status);
	char line[MAP_LINE_ROOM];

	if (!tail)
		return error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot allocate a line");
	fwrite_unlocked(line, 1, map_line(printer, run, line), printer->out);
	fwrite_unlocked(tail->text, 1, tail->length, printer->out);
	printer->filled = true;
	/* Stop early if the output fails: the map may have millions of lines. */
	if (ferror(printer->out))
		return error_set(err, EXIT_SYSTEM, "cannot write the output");
	return 0;
}

void map_printer_begin(struct map_printer *printer, FILE *out, const char *context, bool json)
{
	memset(printer, 0, sizeof(*printer));
	printer->sink.add = map_printer_add;
	printer->out = out;
	printer->context = context;
	printer->json = json;
	if (json)
		fputs("[\n", out);
}

void map_printer_end(struct map_printer *printer)
{
	if (printer->json)
		fputs(printer->filled ? "\n]\n" : "]\n", printer->out);
}

void map_printer_free(struct map_printer *printer)
{
	unsigned int i;

	for (i = 0; i < MAP_TAILS; i++)
		free(printer->tails[i].text);
}

static void map_print_total(const struct run_total *total, FILE *out, const char *context,
			    uint64_t size, bool json)
{
	double percent = size ? 100.0 * total->bytes / size : 0;
	char room[MEANING_ROOM];
	const char *words = meaning_of(context, total->status, room);

	if (!json) {
		fprintf(out, "%10" PRIu64 " %5.1f%% %3" PRIu64 "%s%s\n", total->bytes, percent,
			total->status, words ? " " : "", words ? words : "");
		return;
	}
	fprintf(out, "{ \"size\": %" PRIu64 ", \"percent\": %g, \"type\": %" PRIu64, total->bytes,
		percent, total->status);
	if (words)
		fprintf(out, ", \"description\": \"%s\"", words);
	fputs(", \"context\": ", out);
	json_quote(out, context);
	fputs(" }", out);
}

void map_print_totals(const struct run_totals *totals, FILE *out, const char *context,
		      uint64_t size, bool json)
{
	unsigned int i;

	if (json)
		fputs("[\n", out);
	for (i = 0; i < totals->n; i++) {
		map_print_total(&totals->entries[i], out, context, size, json);
		if (json)
			fputs(i + 1 < totals->n ? ",\n" : "\n", out);
	}
	if (json)
		fputs("]\n", out);
}
