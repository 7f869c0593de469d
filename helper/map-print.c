// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>

#include "error.h"
#include "json.h"
#include "map-print.h"
#include "meaning.h"

static int map_printer_add(struct run_sink *sink, const struct run *run, struct error *err)
{
	struct map_printer *printer = (struct map_printer *)sink;
	FILE *out = printer->out;
	char room[MEANING_ROOM];
	const char *words = meaning_of(printer->context, run->status, room);

	if (printer->json) {
		fprintf(out, "%s{ \"offset\": %" PRIu64 ", \"length\": %" PRIu64
			", \"type\": %" PRIu64, printer->filled ? ",\n" : "", run->offset,
			run->length, run->status);
		if (words)
			fprintf(out, ", \"description\": \"%s\"", words);
		fputs(", \"context\": ", out);
		json_quote(out, printer->context);
		putc('}', out);
	} else {
		fprintf(out, "%10" PRIu64 "  %10" PRIu64 "  %3" PRIu64 "%s%s\n", run->offset,
			run->length, run->status, words ? "  " : "", words ? words : "");
	}
	printer->filled = true;
	/* A full disk ends a map of millions of lines early. */
	return ferror(out) ? error_set(err, EXIT_SYSTEM, "cannot write the output") : 0;
}

void map_printer_begin(struct map_printer *printer, FILE *out, const char *context, bool json)
{
	printer->sink.add = map_printer_add;
	printer->out = out;
	printer->context = context;
	printer->json = json;
	printer->filled = false;
	if (json)
		fputs("[\n", out);
}

void map_printer_end(struct map_printer *printer)
{
	if (printer->json)
		fputs(printer->filled ? "\n]\n" : "]\n", printer->out);
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
