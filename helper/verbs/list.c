// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libsmartcols.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "kernel/kernel.h"
#include "kernel/modload.h"
#include "negotiate/facts.h"
#include "verbs/device-json.h"
#include "verbs/verbs.h"

#define LIST_COLUMNS_MAX	32
#define LIST_CELL_ROOM		(4 * NBDCTL_NAME_MAX)

static const struct opt list_opts[] = {
	{ 'o', "output", "COLUMNS", "columns to show, separated by commas" },
	{ 'n', "noheadings", NULL, "print no headings" },
	{ 'b', "bytes", NULL, "print sizes in bytes" },
	{ 'J', "json", NULL, "print JSON" },
	{ 0 }
};

enum list_id {
	LIST_NAME,
	LIST_SIZE,
	LIST_RO,
	LIST_CONN,
	LIST_STATE,
	LIST_IDENTIFIER,
	LIST_URI,
	LIST_INDEX,
	LIST_FLAGS,
	LIST_CONTEXTS,
	LIST_BS_MIN,
	LIST_BS_PREF,
	LIST_BS_MAX,
	LIST_TIMEOUT,
	LIST_DEAD_TIMEOUT,
	LIST_QDEPTH,
	LIST_OPENERS,
	LIST_IDS,
};

/* @members: DEVICE_JSON_* of the column */
struct list_column {
	const char *name;
	double width;
	int flags;
	unsigned int members;
};

/* The columns before LIST_INDEX are shown by default. */
static const struct list_column list_columns[LIST_IDS] = {
	[LIST_NAME] = { "NAME", 5, 0, DEVICE_JSON_PATH },
	[LIST_SIZE] = { "SIZE", 5, SCOLS_FL_RIGHT, DEVICE_JSON_SIZE },
	[LIST_RO] = { "RO", 1, SCOLS_FL_RIGHT, DEVICE_JSON_READ_ONLY },
	[LIST_CONN] = { "CONN", 3, SCOLS_FL_RIGHT, DEVICE_JSON_TOTALS },
	[LIST_STATE] = { "STATE", 5, 0, DEVICE_JSON_STATE },
	[LIST_IDENTIFIER] = { "IDENTIFIER", 0.1, 0, DEVICE_JSON_IDENTIFIER },
	[LIST_URI] = { "URI", 0.4, 0, DEVICE_JSON_URI },
	[LIST_INDEX] = { "INDEX", 3, SCOLS_FL_RIGHT, DEVICE_JSON_INDEX },
	[LIST_FLAGS] = { "FLAGS", 0.2, 0, DEVICE_JSON_FLAGS },
	[LIST_CONTEXTS] = { "CONTEXTS", 0.2, 0, DEVICE_JSON_CONTEXTS },
	[LIST_BS_MIN] = { "BS-MIN", 5, SCOLS_FL_RIGHT, DEVICE_JSON_BLOCK_SIZE },
	[LIST_BS_PREF] = { "BS-PREF", 5, SCOLS_FL_RIGHT, DEVICE_JSON_BLOCK_SIZE },
	[LIST_BS_MAX] = { "BS-MAX", 5, SCOLS_FL_RIGHT, DEVICE_JSON_BLOCK_SIZE },
	[LIST_TIMEOUT] = { "TIMEOUT", 5, SCOLS_FL_RIGHT, DEVICE_JSON_REQUEST_TIMEOUT },
	[LIST_DEAD_TIMEOUT] = { "DEAD-TIMEOUT", 5, SCOLS_FL_RIGHT, DEVICE_JSON_DEAD_TIMEOUT },
	[LIST_QDEPTH] = { "QDEPTH", 3, SCOLS_FL_RIGHT, DEVICE_JSON_QUEUE_SIZE },
	[LIST_OPENERS] = { "OPENERS", 3, SCOLS_FL_RIGHT, DEVICE_JSON_OPENERS },
};

struct list {
	struct libscols_table *table;
	enum list_id columns[LIST_COLUMNS_MAX];
	unsigned int n;
	bool as_json;
	bool bytes;
	bool noheadings;
	struct json json;
};

/* Not escaped: libsmartcols makes them safe for a terminal. */
static void list_names(const struct kernel_device *device, char *to, size_t room)
{
	unsigned int i;
	size_t len = 0;

	for (i = 0; i < device->n_contexts && len < room; i++)
		len += snprintf(to + len, room - len, "%s%s", i ? "," : "", device->contexts[i]);
}

static void list_cell(const struct list *list, const struct kernel_device *device,
		      enum list_id id, char *to)
{
	*to = '\0';
	switch (id) {
	case LIST_NAME:
		sprintf(to, "nbd%u", device->index);
		break;
	case LIST_SIZE:
		if (list->bytes)
			sprintf(to, "%" PRIu64, device->size);
		else
			text_format_size(to, device->size);
		break;
	case LIST_RO:
		sprintf(to, "%d", device->read_only);
		break;
	case LIST_CONN:
		sprintf(to, "%u/%u", device_connections_up(device), device->n_slots);
		break;
	case LIST_STATE:
		strcpy(to, kernel_state_name(device->state));
		break;
	case LIST_IDENTIFIER:
		snprintf(to, LIST_CELL_ROOM, "%s", device->identifier);
		break;
	case LIST_URI:
		snprintf(to, LIST_CELL_ROOM, "%s", device->display);
		break;
	case LIST_INDEX:
		sprintf(to, "%u", device->index);
		break;
	case LIST_FLAGS:
		facts_flags(to, device->flags);
		break;
	case LIST_CONTEXTS:
		list_names(device, to, LIST_CELL_ROOM);
		break;
	case LIST_BS_MIN:
		sprintf(to, "%u", device->minimum);
		break;
	case LIST_BS_PREF:
		sprintf(to, "%u", device->preferred);
		break;
	case LIST_BS_MAX:
		sprintf(to, "%u", device->max_payload);
		break;
	case LIST_TIMEOUT:
		facts_time(to, device->request_timeout);
		break;
	case LIST_DEAD_TIMEOUT:
		facts_time(to, device->dead_time);
		break;
	case LIST_QDEPTH:
		sprintf(to, "%u", device->queue_depth);
		break;
	case LIST_OPENERS:
		sprintf(to, "%u", device->openers);
		break;
	case LIST_IDS:
		break;
	}
}

static int list_no_memory(struct error *err)
{
	return error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot allocate a table");
}

static int list_add_device(void *context, const struct kernel_device *device, struct error *err)
{
	struct list *list = context;
	struct libscols_line *line = scols_table_new_line(list->table, NULL);
	char cell[LIST_CELL_ROOM];
	unsigned int i;

	if (!line)
		return list_no_memory(err);
	for (i = 0; i < list->n; i++) {
		list_cell(list, device, list->columns[i], cell);
		if (scols_line_set_data(line, i, cell))
			return list_no_memory(err);
	}
	return 0;
}

static int list_no_column(const char *name, size_t len, struct error *err)
{
	char all[256] = "";
	int id;

	for (id = 0; id < LIST_IDS; id++) {
		strcat(all, id ? " " : "");
		strcat(all, list_columns[id].name);
	}
	error_set(err, EXIT_USAGE, "no column \"%.*s\"", (int)len, name);
	error_hint(err, "%s", all);
	return -1;
}

static int list_choose(struct list *list, const char *names, struct error *err)
{
	size_t len;
	int id;

	for (list->n = 0; *names; names += len + (names[len] == ',')) {
		len = strcspn(names, ",");
		for (id = 0; id < LIST_IDS; id++)
			if (strlen(list_columns[id].name) == len &&
			    !strncasecmp(list_columns[id].name, names, len))
				break;
		if (id == LIST_IDS || list->n == LIST_COLUMNS_MAX)
			return list_no_column(names, len, err);
		list->columns[list->n++] = id;
	}
	return list->n ? 0 : error_set(err, EXIT_USAGE, "missing column");
}

static int list_parse(const struct verb *verb, int argc, char **argv, struct list *list,
		      struct error *err)
{
	int id;

	for (list->n = 0; list->n < LIST_INDEX; list->n++)
		list->columns[list->n] = list->n;
	while ((id = opts_next(verb, argc, argv, err)) != -1) {
		if (!id || (id == 'o' && list_choose(list, optarg, err)))
			return -1;
		list->noheadings |= id == 'n';
		list->bytes |= id == 'b';
		list->as_json |= id == 'J';
	}
	if (optind != argc)
		return error_set(err, EXIT_USAGE, "unexpected argument \"%s\"", argv[optind]);
	return 0;
}

static int list_make_table(struct list *list)
{
	const struct list_column *column;
	unsigned int i;

	/* For the width of characters. Not earlier: column names are compared in the C locale. */
	setlocale(LC_CTYPE, "");
	list->table = scols_new_table();
	if (!list->table)
		return -ENOMEM;
	scols_table_enable_noheadings(list->table, list->noheadings);
	for (i = 0; i < list->n; i++) {
		column = &list_columns[list->columns[i]];
		if (!scols_table_new_column(list->table, column->name, column->width,
					    column->flags))
			return -ENOMEM;
	}
	return 0;
}

static int list_as_table(struct list *list, struct kernel *kernel, struct error *err)
{
	int rc = 0;

	if (list_make_table(list))
		rc = list_no_memory(err);
	else if (kernel)
		rc = kernel_devices(kernel, list_add_device, list, err);
	/* Without devices, print nothing, not even headings. */
	if (!rc && !scols_table_is_empty(list->table) && scols_print_table(list->table))
		rc = error_output(stdout, err) ? -1 :
		     error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot print the table");
	scols_unref_table(list->table);
	return rc;
}

static int list_json_device(void *context, const struct kernel_device *device, struct error *err)
{
	struct list *list = context;
	unsigned int members = 0, i;

	(void)err;
	for (i = 0; i < list->n; i++)
		members |= list_columns[list->columns[i]].members;
	device_json(&list->json, device, members);
	return 0;
}

/* Prints the whole list or, after an error, nothing. */
static int list_as_json(struct list *list, struct kernel *kernel, struct error *err)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	int rc = 0;

	if (!out)
		return error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot allocate a list");
	json_start(&list->json, out);
	json_object(&list->json, NULL);
	json_array(&list->json, "devices");
	if (kernel)
		rc = kernel_devices(kernel, list_json_device, list, err);
	json_end(&list->json);
	json_end(&list->json);
	if (fclose(out) && !rc)
		rc = error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot allocate a list");
	if (!rc)
		fwrite(text, 1, length, stdout);
	free(text);
	return rc;
}

static int list_run(const struct verb *verb, int argc, char **argv, struct error *err)
{
	struct list list = { 0 };
	struct kernel *kernel;
	int rc;

	if (list_parse(verb, argc, argv, &list, err))
		return -1;
	kernel = modload_open_loaded(err);
	if (!kernel && err->code != EXIT_FALSE)
		return -1;
	rc = list.as_json ? list_as_json(&list, kernel, err) : list_as_table(&list, kernel, err);
	kernel_close(kernel);
	return rc;
}

const struct verb list_verb = {
	.name = "nbd-list",
	.synopsis = { "" },
	.summary = "List the NBD disks that are attached.",
	.opts = list_opts,
	.run = list_run,
};
