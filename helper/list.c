// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libsmartcols.h>

#include "error.h"
#include "facts.h"
#include "kernel.h"
#include "modload.h"
#include "text.h"
#include "verbs.h"

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

struct list_column {
	const char *name;
	double width;
	int flags;
	int type;
};

/* The first LIST_INDEX of them are shown by default. */
static const struct list_column list_columns[LIST_IDS] = {
	[LIST_NAME] = { "NAME", 5, 0, SCOLS_JSON_STRING },
	[LIST_SIZE] = { "SIZE", 5, SCOLS_FL_RIGHT, SCOLS_JSON_NUMBER },
	[LIST_RO] = { "RO", 1, SCOLS_FL_RIGHT, SCOLS_JSON_BOOLEAN },
	[LIST_CONN] = { "CONN", 3, SCOLS_FL_RIGHT, SCOLS_JSON_STRING },
	[LIST_STATE] = { "STATE", 5, 0, SCOLS_JSON_STRING },
	[LIST_IDENTIFIER] = { "IDENTIFIER", 0.1, 0, SCOLS_JSON_STRING },
	[LIST_URI] = { "URI", 0.4, 0, SCOLS_JSON_STRING },
	[LIST_INDEX] = { "INDEX", 3, SCOLS_FL_RIGHT, SCOLS_JSON_NUMBER },
	[LIST_FLAGS] = { "FLAGS", 0.2, 0, SCOLS_JSON_STRING },
	[LIST_CONTEXTS] = { "CONTEXTS", 0.2, 0, SCOLS_JSON_STRING },
	[LIST_BS_MIN] = { "BS-MIN", 5, SCOLS_FL_RIGHT, SCOLS_JSON_NUMBER },
	[LIST_BS_PREF] = { "BS-PREF", 5, SCOLS_FL_RIGHT, SCOLS_JSON_NUMBER },
	[LIST_BS_MAX] = { "BS-MAX", 5, SCOLS_FL_RIGHT, SCOLS_JSON_NUMBER },
	[LIST_TIMEOUT] = { "TIMEOUT", 5, SCOLS_FL_RIGHT, SCOLS_JSON_STRING },
	[LIST_DEAD_TIMEOUT] = { "DEAD-TIMEOUT", 5, SCOLS_FL_RIGHT, SCOLS_JSON_STRING },
	[LIST_QDEPTH] = { "QDEPTH", 3, SCOLS_FL_RIGHT, SCOLS_JSON_NUMBER },
	[LIST_OPENERS] = { "OPENERS", 3, SCOLS_FL_RIGHT, SCOLS_JSON_NUMBER },
};

struct list {
	struct libscols_table *table;
	enum list_id columns[LIST_COLUMNS_MAX];
	unsigned int n;
	bool json;
	bool bytes;
	bool noheadings;
};

/* As they are: libsmartcols makes them safe for a terminal, or JSON of them. */
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
	unsigned int up = 0, i;

	*to = '\0';
	switch (id) {
	case LIST_NAME:
		sprintf(to, "nbd%u", device->index);
		break;
	case LIST_SIZE:
		if (list->json || list->bytes)
			sprintf(to, "%" PRIu64, device->size);
		else
			text_format_size(to, device->size);
		break;
	case LIST_RO:
		sprintf(to, "%d", device->read_only);
		break;
	case LIST_CONN:
		for (i = 0; i < device->n_slots; i++)
			up += device->slots[i].state == NBDCTL_SLOT_STATE_UP;
		sprintf(to, "%u/%u", up, device->n_slots);
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

static int list_add_device(void *context, const struct kernel_device *device)
{
	struct list *list = context;
	struct libscols_line *line = scols_table_new_line(list->table, NULL);
	char cell[LIST_CELL_ROOM];
	unsigned int i;

	if (!line)
		return -ENOMEM;
	for (i = 0; i < list->n; i++) {
		list_cell(list, device, list->columns[i], cell);
		if (scols_line_set_data(line, i, cell))
			return -ENOMEM;
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
	return list->n ? 0 : error_set(err, EXIT_USAGE, "no columns are named");
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
		list->json |= id == 'J';
	}
	if (optind != argc)
		return error_set(err, EXIT_USAGE, "unexpected argument \"%s\"", argv[optind]);
	return 0;
}

static int list_make_table(struct list *list)
{
	const struct list_column *column;
	struct libscols_column *made;
	unsigned int i;

	/* How wide characters are. Not before: column names are compared as in English. */
	setlocale(LC_CTYPE, "");
	list->table = scols_new_table();
	if (!list->table)
		return -ENOMEM;
	scols_table_enable_json(list->table, list->json);
	scols_table_enable_noheadings(list->table, list->noheadings);
	scols_table_set_name(list->table, "devices");
	for (i = 0; i < list->n; i++) {
		column = &list_columns[list->columns[i]];
		made = scols_table_new_column(list->table, column->name, column->width,
					      column->flags);
		if (!made)
			return -ENOMEM;
		scols_column_set_json_type(made, column->type);
	}
	return 0;
}

static int list_print(const struct list *list, struct error *err)
{
	if (!scols_print_table(list->table))
		return 0;
	return error_output(stdout, err) ? -1 :
	       error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot print the table");
}

static int list_run(const struct verb *verb, int argc, char **argv, struct error *err)
{
	struct list list = { 0 };
	struct kernel *kernel;
	int rc = 0;

	if (list_parse(verb, argc, argv, &list, err))
		return -1;
	kernel = modload_open_loaded(err);
	if (!kernel && err->code != EXIT_FALSE)
		return -1;
	if (list_make_table(&list))
		rc = error_errno(err, EXIT_SYSTEM, ENOMEM, "no room for a table");
	else if (kernel)
		rc = kernel_devices(kernel, list_add_device, &list, err);
	/* Without devices there is nothing to say, unless a program wants to hear that. */
	if (!rc && (list.json || !scols_table_is_empty(list.table)))
		rc = list_print(&list, err);
	scols_unref_table(list.table);
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
