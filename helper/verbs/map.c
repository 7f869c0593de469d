// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "kernel/device.h"
#include "kernel/kernel.h"
#include "maps/graph.h"
#include "maps/map-print.h"
#include "verbs/verbs.h"

/* Most extents that one call to the driver returns: 2 MiB. */
#define MAP_EXTENTS	65536

/* Bytes of the output buffer, unless stdout is a terminal. */
#define MAP_OUTPUT	65536

static const struct opt map_opts[] = {
	{ OPT_CONTEXT, "context", "NAME",
	  "metadata context (default base:allocation, or the only one)" },
	{ OPT_OFFSET, "offset", "BYTES", "where to begin; suffixes K M G T P E are known" },
	{ OPT_LENGTH, "length", "BYTES", "how much to look at" },
	{ OPT_TOTALS, "totals", NULL, "print the sum of each kind only" },
	{ OPT_GRAPH, "graph", NULL, "draw a picture of the disk" },
	{ 'l', "list", NULL, "print the names of the contexts only" },
	{ 'J', "json", NULL, "print JSON" },
	{ 0 }
};

struct map_args {
	const char *device;
	const char *context;
	uint64_t offset;
	uint64_t length;
	bool totals;
	bool graph;
	bool list;
	bool json;
};

/* A map, the range of it that is shown, and its context */
struct map_job {
	const struct map_args *args;
	struct kernel_map map;
	uint64_t start;
	uint64_t end;
	uint32_t context;
	char name[NBDMAP_NAME_MAX + 1];
};

static const char map_sizes[] = "a whole number expected, and K, M, G, T, P or E for units";

static int map_option(struct map_args *args, int id, struct error *err)
{
	switch (id) {
	case OPT_CONTEXT:
		args->context = optarg;
		return 0;
	case OPT_OFFSET:
		if (text_parse_size(optarg, &args->offset))
			return error_set(err, EXIT_USAGE, "bad offset \"%s\": %s", optarg,
					 map_sizes);
		return 0;
	case OPT_LENGTH:
		if (text_parse_size(optarg, &args->length) || !args->length)
			return error_set(err, EXIT_USAGE, "bad length \"%s\": %s", optarg,
					 map_sizes);
		return 0;
	case OPT_TOTALS:
		args->totals = true;
		return 0;
	case OPT_GRAPH:
		args->graph = true;
		return 0;
	case 'l':
		args->list = true;
		return 0;
	case 'J':
		args->json = true;
		return 0;
	default:
		return -1;
	}
}

static int map_parse(const struct verb *verb, int argc, char **argv, struct map_args *args,
		     struct error *err)
{
	int id;

	memset(args, 0, sizeof(*args));
	args->length = UINT64_MAX;
	while ((id = opts_next(verb, argc, argv, err)) != -1)
		if (!id || map_option(args, id, err))
			return -1;
	if (argc - optind != 1)
		return error_set(err, EXIT_USAGE, "one device expected");
	if (args->totals + args->graph + args->list > 1 || (args->graph && args->json))
		return error_set(err, EXIT_USAGE,
				 "--totals, --graph and --list are mutually exclusive, and so are --graph and --json");
	args->device = argv[optind];
	return 0;
}

static int map_list(const struct kernel_map *map, bool as_json, struct error *err)
{
	char name[NBDMAP_NAME_MAX + 1], shown[TEXT_ESCAPED_MAX(NBDMAP_NAME_MAX)];
	struct json json;
	int i, n = 1;

	if (kernel_map_context(map, 0, name, err) < 0)
		return -1;
	json_start(&json, stdout);
	if (as_json)
		json_array(&json, NULL);
	for (i = 0; i < n; i++) {
		n = kernel_map_context(map, i, name, err);
		if (n < 0)
			return -1;
		if (as_json)
			json_string(&json, NULL, name);
		else
			puts(text_escape(shown, sizeof(shown), name, strlen(name)));
	}
	if (as_json)
		json_end(&json);
	return 0;
}

/* Finds the context that the user named, or the default: base:allocation, or the only one. */
static int map_choose(struct map_job *job, struct error *err)
{
	const char *want = job->args->context;
	int i, n = 1;

	for (i = 0; i < n; i++) {
		n = kernel_map_context(&job->map, i, job->name, err);
		if (n < 0)
			return -1;
		job->context = i;
		if (!strcmp(job->name, want ? want : "base:allocation"))
			return 0;
	}
	if (!want && n == 1)
		return 0;
	if (want)
		error_set(err, EXIT_FALSE, "no context \"%.200s\"", want);
	else
		error_set(err, EXIT_USAGE, "%d contexts: name one with --context", n);
	error_hint(err, "\"nbd-map --list\" shows the contexts of a device");
	return -1;
}

static int map_range(struct map_job *job, struct error *err)
{
	const struct map_args *args = job->args;

	if (args->offset >= job->map.size)
		return error_set(err, EXIT_USAGE, "the offset is behind the end, at byte %llu",
				 (unsigned long long)job->map.size);
	job->start = args->offset;
	job->end = job->map.size;
	if (args->length < job->end - job->start)
		job->end = job->start + args->length;
	return 0;
}

static int map_join(struct run_joiner *joiner, const struct nbdmap_extent *extents, int n,
		    struct error *err)
{
	struct run run;
	int i;

	for (i = 0; i < n; i++) {
		run.offset = extents[i].offset;
		run.length = extents[i].length;
		run.status = extents[i].status;
		if (run_joiner_add(joiner, &run, err))
			return -1;
	}
	return n;
}

/* Reads the map from @at to @end. After a failure @joiner has what was read before it. */
static int map_read_blocks(const struct map_job *job, uint64_t at, uint64_t end,
			   struct run_joiner *joiner, struct error *err)
{
	struct nbdmap_extent *extents = calloc(MAP_EXTENTS, sizeof(*extents));
	uint64_t covered;
	int n = 0;

	if (!extents)
		return error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot allocate extents");
	for (; at < end && n >= 0; at += covered) {
		n = kernel_map_status(&job->map, job->context, at, end - at, extents, MAP_EXTENTS,
				      &covered, err);
		if (n < 0) {
			error_prefix(err, "at byte %llu", (unsigned long long)at);
			break;
		}
		n = map_join(joiner, extents, n, err);
	}
	free(extents);
	return n < 0 ? -1 : 0;
}

/*
 * Passes the map of the range to @sink, reading whole blocks. After a failure @sink has what was
 * read before it.
 */
static int map_read(const struct map_job *job, struct run_sink *sink, struct error *err)
{
	uint64_t at = job->start - job->start % job->map.block, end = job->end;
	struct run_joiner joiner;
	struct error second;
	int rc;

	if (end % job->map.block)
		end += job->map.block - end % job->map.block;
	if (end > job->map.size)
		end = job->map.size;
	run_joiner_init(&joiner, sink, job->start, job->end);
	rc = map_read_blocks(job, at, end, &joiner, err);
	return run_joiner_finish(&joiner, rc ? &second : err) || rc ? -1 : 0;
}

/* What was read is printed before the error message. */
static int map_shown(int rc)
{
	if (rc)
		fflush(stdout);
	return rc;
}

static int map_as_list(const struct map_job *job, struct error *err)
{
	struct map_printer printer;
	int rc;

	if (!isatty(STDOUT_FILENO))
		setvbuf(stdout, NULL, _IOFBF, MAP_OUTPUT);
	map_printer_begin(&printer, stdout, job->name, job->args->json);
	rc = map_read(job, &printer.sink, err);
	map_printer_end(&printer);
	map_printer_free(&printer);
	return map_shown(rc);
}

static int map_as_totals(const struct map_job *job, struct error *err)
{
	struct run_totals totals;
	int rc;

	run_totals_init(&totals);
	rc = map_read(job, &totals.sink, err);
	map_print_totals(&totals, stdout, job->name, job->end - job->start, job->args->json);
	return map_shown(rc);
}

static int map_as_graph(const struct map_job *job, struct error *err)
{
	struct graph *graph = malloc(sizeof(*graph));
	struct graph_style style;
	int rc;

	if (!graph)
		return error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot allocate a graph");
	graph_style_of_stdout(&style);
	graph_init(graph, job->name, &style, job->start, job->end);
	rc = map_read(job, &graph->sink, err);
	graph_print(graph, stdout, job->args->device);
	free(graph);
	return map_shown(rc);
}

static int map_show(struct map_job *job, struct error *err)
{
	if (job->args->list)
		return map_list(&job->map, job->args->json, err);
	if (map_choose(job, err) || map_range(job, err))
		return -1;
	if (job->args->totals)
		return map_as_totals(job, err);
	if (job->args->graph)
		return map_as_graph(job, err);
	return map_as_list(job, err);
}

static int map_run(const struct verb *verb, int argc, char **argv, struct error *err)
{
	struct map_args args;
	struct map_job job = { .args = &args };
	char room[PATH_MAX];
	int rc;

	if (map_parse(verb, argc, argv, &args, err))
		return -1;
	rc = kernel_map_open(&job.map, device_node(args.device, room, sizeof(room)), err);
	if (!rc) {
		rc = map_show(&job, err);
		kernel_map_close(&job.map);
	}
	if (rc)
		error_prefix(err, "%.300s", args.device);
	return rc;
}

const struct verb map_verb = {
	.name = "nbd-map",
	.synopsis = { "DEVICE" },
	.summary = "Show which parts of an NBD disk or partition hold data.",
	.opts = map_opts,
	.run = map_run,
};
