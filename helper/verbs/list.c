// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

#include <libsmartcols.h>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "kernel/device.h"
#include "kernel/kernel.h"
#include "kernel/modload.h"
#include "verbs/columns.h"
#include "verbs/describe.h"
#include "verbs/device-json.h"
#include "verbs/metrics.h"
#include "verbs/verbs.h"
#include "verbs/watch.h"

static const struct opt list_opts[] = {
	{ 'o', "output", "COLUMNS", "columns to show, or +COLUMNS to add, separated by commas" },
	{ 'n', "noheadings", NULL, "print no headings" },
	{ 'r', "raw", NULL, "print columns without alignment, separated by a space" },
	{ 'b', "bytes", NULL, "print sizes in bytes" },
	{ 'J', "json", NULL, "print JSON" },
	{ OPT_WATCH, "watch", "[=SEC]",
	  "print again at each event, and every SEC seconds (default 2)" },
	{ OPT_METRICS, "metrics", NULL, "print all counters in the text format of Prometheus" },
	{ 0 }
};

enum list_format {
	LIST_FORMAT_TABLE,
	LIST_FORMAT_RAW,
	LIST_FORMAT_JSON,
	LIST_FORMAT_METRICS,
};

/**
 * struct list - the command line of nbd-list
 * @names: the devices to list, @n_names of them; 0 for all
 * @interval: milliseconds between two lists, 0 for one list only
 */
struct list {
	struct columns columns;
	enum list_format format;
	bool noheadings;
	char **names;
	int n_names;
	uint32_t interval;
};

static int list_parse_format(struct list *list, enum list_format format, struct error *err)
{
	if (list->format != LIST_FORMAT_TABLE && list->format != format)
		return error_set(err, EXIT_USAGE,
				 "--json, --metrics and --raw are mutually exclusive");
	list->format = format;
	return 0;
}

static int list_parse_interval(struct list *list, const char *s, struct error *err)
{
	list->interval = WATCH_DEFAULT_MS;
	if (s && (text_parse_seconds(s, &list->interval) || !list->interval ||
		  list->interval > INT_MAX))
		return error_set(err, EXIT_USAGE, "bad time \"%s\" for --watch: seconds expected",
				 s);
	return 0;
}

static int list_parse_option(struct list *list, int id, struct error *err)
{
	switch (id) {
	case 'o':
		return columns_choose(&list->columns, optarg, err);
	case 'n':
		list->noheadings = true;
		return 0;
	case 'r':
		return list_parse_format(list, LIST_FORMAT_RAW, err);
	case 'b':
		list->columns.bytes = true;
		return 0;
	case 'J':
		return list_parse_format(list, LIST_FORMAT_JSON, err);
	case OPT_WATCH:
		return list_parse_interval(list, optarg, err);
	case OPT_METRICS:
		return list_parse_format(list, LIST_FORMAT_METRICS, err);
	default:
		return -1;
	}
}

static int list_parse(const struct verb *verb, int argc, char **argv, struct list *list,
		      struct error *err)
{
	int id;

	columns_default(&list->columns);
	while ((id = opts_next(verb, argc, argv, err)) != -1)
		if (!id || list_parse_option(list, id, err))
			return -1;
	list->names = argv + optind;
	list->n_names = argc - optind;
	if (list->interval && list->format != LIST_FORMAT_TABLE)
		return error_set(err, EXIT_USAGE,
				 "--watch cannot be combined with --json, --metrics or --raw");
	return 0;
}

/* Calls @fn for a device by its name; one whose earlier disk is still in use is listed, too. */
static int list_one(struct kernel *kernel, const char *name, kernel_device_fn fn, void *context,
		    struct error *err)
{
	struct kernel_device device = { 0 };
	char path[DEVICE_PATH_MAX];
	uint32_t index;
	int rc = -1;

	if (device_resolve(name, &index, err))
		return -1;
	if (!kernel)
		error_set(err, EXIT_FALSE, "not attached");
	else if (!kernel_device(kernel, index, &device, err) ||
		 device.state == NBDCTL_STATE_DEAD)
		rc = fn(context, &device, err);
	if (rc)
		error_prefix(err, "%s", device_path(path, index));
	kernel_device_free(&device);
	return rc;
}

/* Calls @fn for each device to list. @kernel is NULL if no driver is loaded. */
static int list_each(const struct list *list, struct kernel *kernel, kernel_device_fn fn,
		     void *context, struct error *err)
{
	int i, rc = 0;

	if (!list->n_names)
		return kernel ? kernel_devices(kernel, fn, context, err) : 0;
	for (i = 0; i < list->n_names && !rc; i++)
		rc = list_one(kernel, list->names[i], fn, context, err);
	return rc;
}

static int list_no_memory(struct error *err)
{
	return error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot allocate a list");
}

/* A table that is being filled */
struct list_table {
	const struct list *list;
	struct libscols_table *table;
};

static int list_add_device(void *context, const struct kernel_device *device, struct error *err)
{
	struct list_table *to = context;

	if (columns_add(&to->list->columns, to->table, device))
		return list_no_memory(err);
	return 0;
}

static int list_make_table(struct list_table *to, FILE *out)
{
	/* For the width of characters. Not earlier: column names are compared in the C locale. */
	setlocale(LC_CTYPE, "");
	to->table = scols_new_table();
	if (!to->table)
		return -ENOMEM;
	scols_table_set_stream(to->table, out);
	scols_table_enable_noheadings(to->table, to->list->noheadings);
	scols_table_enable_raw(to->table, to->list->format == LIST_FORMAT_RAW);
	return columns_create(&to->list->columns, to->table);
}

static int list_as_table(const struct list *list, struct kernel *kernel, FILE *out,
			 struct error *err)
{
	struct list_table to = { .list = list };
	int rc;

	if (list_make_table(&to, out))
		rc = list_no_memory(err);
	else
		rc = list_each(list, kernel, list_add_device, &to, err);
	/* Without devices, print nothing, not even headings. */
	if (!rc && !scols_table_is_empty(to.table) && scols_print_table(to.table))
		rc = error_output(out, err) ? -1 :
		     error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot print the table");
	scols_unref_table(to.table);
	return rc;
}

/* JSON that is being written */
struct list_json {
	const struct list *list;
	struct json json;
};

static int list_json_device(void *context, const struct kernel_device *device, struct error *err)
{
	struct list_json *to = context;

	(void)err;
	device_json(&to->json, device, log_is_verbose() ? DEVICE_JSON_ALL :
		    columns_members(&to->list->columns));
	return 0;
}

/* Prints the whole list or, after an error, nothing. */
static int list_as_json(const struct list *list, struct kernel *kernel, FILE *out,
			struct error *err)
{
	struct list_json to = { .list = list };
	char *text = NULL;
	size_t length;
	FILE *whole = open_memstream(&text, &length);
	int rc;

	if (!whole)
		return list_no_memory(err);
	json_start(&to.json, whole);
	json_object(&to.json, NULL);
	json_array(&to.json, "devices");
	rc = list_each(list, kernel, list_json_device, &to, err);
	json_end(&to.json);
	json_end(&to.json);
	if (fclose(whole) && !rc)
		rc = list_no_memory(err);
	if (!rc)
		fwrite(text, 1, length, out);
	free(text);
	return rc;
}

static int list_add_metrics(void *context, const struct kernel_device *device, struct error *err)
{
	(void)err;
	metrics_add(context, device);
	return 0;
}

static int list_as_metrics(const struct list *list, struct kernel *kernel, FILE *out,
			   struct error *err)
{
	struct metrics metrics;
	int rc;

	rc = metrics_init(&metrics) ? list_no_memory(err) :
	     list_each(list, kernel, list_add_metrics, &metrics, err);
	if (!rc && metrics_print(&metrics, out))
		rc = list_no_memory(err);
	metrics_free(&metrics);
	return rc;
}

/* Descriptions that are being printed */
struct list_words {
	const struct list *list;
	FILE *out;
	unsigned int n;
};

static int list_describe(void *context, const struct kernel_device *device, struct error *err)
{
	struct list_words *to = context;

	if (to->n++)
		putc('\n', to->out);
	return describe_device(to->out, device, to->list->columns.bytes, err);
}

static int list_in_words(const struct list *list, struct kernel *kernel, FILE *out,
			 struct error *err)
{
	struct list_words to = { .list = list, .out = out };

	return list_each(list, kernel, list_describe, &to, err);
}

static int list_formatted(const struct list *list, struct kernel *kernel, FILE *out,
			  struct error *err)
{
	switch (list->format) {
	case LIST_FORMAT_JSON:
		return list_as_json(list, kernel, out, err);
	case LIST_FORMAT_METRICS:
		return list_as_metrics(list, kernel, out, err);
	case LIST_FORMAT_TABLE:
		if (log_is_verbose())
			return list_in_words(list, kernel, out, err);
		break;
	case LIST_FORMAT_RAW:
		break;
	}
	return list_as_table(list, kernel, out, err);
}

static int list_print(void *context, FILE *out, struct error *err)
{
	struct kernel *kernel = modload_open_loaded(err);
	int rc;

	if (!kernel && err->code != EXIT_FALSE)
		return -1;
	rc = list_formatted(context, kernel, out, err);
	kernel_close(kernel);
	return rc;
}

static int list_run(const struct verb *verb, int argc, char **argv, struct error *err)
{
	struct list list = { 0 };
	struct watch watch = { .print = list_print, .context = &list };

	if (list_parse(verb, argc, argv, &list, err))
		return -1;
	if (!list.interval)
		return list_print(&list, stdout, err);
	watch.interval = list.interval;
	return watch_run(&watch, err);
}

const struct verb list_verb = {
	.name = "nbd-list",
	.synopsis = { "[DEVICE]..." },
	.summary = "List the NBD disks that are attached.",
	.opts = list_opts,
	.verbose = "print all about each disk, and a table of its connections",
	.help = columns_help,
	.run = list_run,
};
