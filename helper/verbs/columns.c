// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <libsmartcols.h>

#include "base/error.h"
#include "base/text.h"
#include "kernel/kernel.h"
#include "negotiate/facts.h"
#include "verbs/columns.h"
#include "verbs/device-json.h"

#define COLUMN_CELL_ROOM	(4 * NBDCTL_NAME_MAX)

enum column_id {
	COLUMN_NAME,
	COLUMN_SIZE,
	COLUMN_RO,
	COLUMN_CONN,
	COLUMN_STATE,
	COLUMN_IDENTIFIER,
	COLUMN_URI,
	COLUMN_INDEX,
	COLUMN_FLAGS,
	COLUMN_CONTEXTS,
	COLUMN_BS_MIN,
	COLUMN_BS_PREF,
	COLUMN_BS_MAX,
	COLUMN_TIMEOUT,
	COLUMN_DEAD_TIMEOUT,
	COLUMN_QDEPTH,
	COLUMN_OPENERS,
	COLUMN_INFLIGHT,
	COLUMN_OLDEST,
	COLUMN_REQUESTS,
	COLUMN_REPLIES,
	COLUMN_ERRORS,
	COLUMN_SENT,
	COLUMN_RECEIVED,
	COLUMN_RECONNECTS,
	COLUMN_LAST_ERROR,
	COLUMN_IDS,
};

/**
 * struct column - a column
 * @width: width hint of libsmartcols
 * @flags: flags of libsmartcols
 * @members: DEVICE_JSON_* of the column
 */
struct column {
	const char *name;
	double width;
	int flags;
	unsigned int members;
	const char *help;
};

/* The columns before COLUMN_INDEX are shown by default. */
static const struct column columns_all[COLUMN_IDS] = {
	[COLUMN_NAME] = { "NAME", 5, 0, DEVICE_JSON_PATH, "name of the device" },
	[COLUMN_SIZE] = { "SIZE", 5, SCOLS_FL_RIGHT, DEVICE_JSON_SIZE, "size of the device" },
	[COLUMN_RO] = { "RO", 1, SCOLS_FL_RIGHT, DEVICE_JSON_READ_ONLY,
			"1 if the device is read-only" },
	[COLUMN_CONN] = { "CONN", 3, SCOLS_FL_RIGHT, DEVICE_JSON_TOTALS,
			  "working connections, and all connections" },
	[COLUMN_STATE] = { "STATE", 5, 0, DEVICE_JSON_STATE, "state of the device" },
	[COLUMN_IDENTIFIER] = { "IDENTIFIER", 0.1, 0, DEVICE_JSON_IDENTIFIER,
				"text given with --identifier" },
	[COLUMN_URI] = { "URI", 0.4, 0, DEVICE_JSON_URI, "URI of the export" },
	[COLUMN_INDEX] = { "INDEX", 3, SCOLS_FL_RIGHT, DEVICE_JSON_INDEX, "number of the device" },
	[COLUMN_FLAGS] = { "FLAGS", 0.2, 0, DEVICE_JSON_FLAGS, "transmission flags" },
	[COLUMN_CONTEXTS] = { "CONTEXTS", 0.2, 0, DEVICE_JSON_CONTEXTS, "metadata contexts" },
	[COLUMN_BS_MIN] = { "BS-MIN", 5, SCOLS_FL_RIGHT, DEVICE_JSON_BLOCK_SIZE,
			    "minimum block size" },
	[COLUMN_BS_PREF] = { "BS-PREF", 5, SCOLS_FL_RIGHT, DEVICE_JSON_BLOCK_SIZE,
			     "preferred block size" },
	[COLUMN_BS_MAX] = { "BS-MAX", 5, SCOLS_FL_RIGHT, DEVICE_JSON_BLOCK_SIZE,
			    "maximum payload" },
	[COLUMN_TIMEOUT] = { "TIMEOUT", 5, SCOLS_FL_RIGHT, DEVICE_JSON_REQUEST_TIMEOUT,
			     "request timeout" },
	[COLUMN_DEAD_TIMEOUT] = { "DEAD-TIMEOUT", 5, SCOLS_FL_RIGHT, DEVICE_JSON_DEAD_TIMEOUT,
				  "dead-connection timeout" },
	[COLUMN_QDEPTH] = { "QDEPTH", 3, SCOLS_FL_RIGHT, DEVICE_JSON_QUEUE_SIZE,
			    "maximum of requests in flight on one hardware queue" },
	[COLUMN_OPENERS] = { "OPENERS", 3, SCOLS_FL_RIGHT, DEVICE_JSON_OPENERS,
			     "number of times that the disk is open" },
	[COLUMN_INFLIGHT] = { "INFLIGHT", 3, SCOLS_FL_RIGHT, DEVICE_JSON_IN_FLIGHT,
			      "requests that are not completed" },
	[COLUMN_OLDEST] = { "OLDEST", 5, SCOLS_FL_RIGHT, DEVICE_JSON_OLDEST,
			    "time since the first of these was submitted" },
	[COLUMN_REQUESTS] = { "REQUESTS", 5, SCOLS_FL_RIGHT, DEVICE_JSON_REQUESTS,
			      "requests sent since the attach" },
	[COLUMN_REPLIES] = { "REPLIES", 5, SCOLS_FL_RIGHT, DEVICE_JSON_REPLIES,
			     "replies received" },
	[COLUMN_ERRORS] = { "ERRORS", 3, SCOLS_FL_RIGHT, DEVICE_JSON_ERRORS,
			    "replies with an error" },
	[COLUMN_SENT] = { "SENT", 5, SCOLS_FL_RIGHT, DEVICE_JSON_SENT, "bytes sent" },
	[COLUMN_RECEIVED] = { "RECEIVED", 5, SCOLS_FL_RIGHT, DEVICE_JSON_RECEIVED,
			      "bytes received" },
	[COLUMN_RECONNECTS] = { "RECONNECTS", 3, SCOLS_FL_RIGHT, DEVICE_JSON_RECONNECTS,
				"connections that replaced others" },
	[COLUMN_LAST_ERROR] = { "LAST-ERROR", 0.2, 0, DEVICE_JSON_LAST_ERROR,
				"why a connection was lost last" },
};

void columns_default(struct columns *columns)
{
	for (columns->n = 0; columns->n < COLUMN_INDEX; columns->n++)
		columns->ids[columns->n] = columns->n;
}

static int columns_unknown(const char *name, size_t len, struct error *err)
{
	char all[sizeof(err->hint)] = "";
	size_t at = 0;
	int id;

	for (id = 0; id < COLUMN_IDS; id++)
		at += snprintf(all + at, sizeof(all) - at, "%s%s", id ? " " : "",
			       columns_all[id].name);
	error_set(err, EXIT_USAGE, "no column \"%.*s\"", (int)len, name);
	error_hint(err, "%s", all);
	return -1;
}

int columns_choose(struct columns *columns, const char *names, struct error *err)
{
	size_t len;
	int id;

	if (*names == '+')
		names++;
	else
		columns->n = 0;
	if (!*names)
		return error_set(err, EXIT_USAGE, "missing column");
	for (; *names; names += len + (names[len] == ',')) {
		len = strcspn(names, ",");
		for (id = 0; id < COLUMN_IDS; id++)
			if (strlen(columns_all[id].name) == len &&
			    !strncasecmp(columns_all[id].name, names, len))
				break;
		if (id == COLUMN_IDS)
			return columns_unknown(names, len, err);
		if (columns->n == COLUMNS_MAX)
			return error_set(err, EXIT_USAGE, "more than %d columns", COLUMNS_MAX);
		columns->ids[columns->n++] = id;
	}
	return 0;
}

unsigned int columns_members(const struct columns *columns)
{
	unsigned int members = 0, i;

	for (i = 0; i < columns->n; i++)
		members |= columns_all[columns->ids[i]].members;
	return members;
}

int columns_create(const struct columns *columns, struct libscols_table *table)
{
	const struct column *column;
	unsigned int i;

	for (i = 0; i < columns->n; i++) {
		column = &columns_all[columns->ids[i]];
		if (!scols_table_new_column(table, column->name, column->width, column->flags))
			return -ENOMEM;
	}
	return 0;
}

/* Not escaped: libsmartcols makes them safe for a terminal. */
static void column_contexts(char *to, const struct kernel_device *device)
{
	unsigned int i;
	size_t len = 0;

	for (i = 0; i < device->n_contexts && len < COLUMN_CELL_ROOM; i++)
		len += snprintf(to + len, COLUMN_CELL_ROOM - len, "%s%s", i ? "," : "",
				device->contexts[i]);
}

static void column_size(char *to, const struct columns *columns, uint64_t size)
{
	if (columns->bytes)
		sprintf(to, "%" PRIu64, size);
	else
		text_format_size(to, size);
}

/* Cells of what was negotiated or chosen at the attach */
static void column_parameter(const struct kernel_device *device, enum column_id id, char *to)
{
	switch (id) {
	case COLUMN_FLAGS:
		facts_flags(to, device->flags);
		break;
	case COLUMN_CONTEXTS:
		column_contexts(to, device);
		break;
	case COLUMN_BS_MIN:
		sprintf(to, "%u", device->minimum);
		break;
	case COLUMN_BS_PREF:
		sprintf(to, "%u", device->preferred);
		break;
	case COLUMN_BS_MAX:
		sprintf(to, "%u", device->max_payload);
		break;
	case COLUMN_TIMEOUT:
		facts_time(to, device->request_timeout);
		break;
	case COLUMN_DEAD_TIMEOUT:
		facts_time(to, device->dead_time);
		break;
	case COLUMN_QDEPTH:
		sprintf(to, "%u", device->queue_depth);
		break;
	default:
		break;
	}
}

/* Cells of what changes with use */
static void column_counter(const struct columns *columns, const struct kernel_device *device,
			   enum column_id id, char *to)
{
	switch (id) {
	case COLUMN_OPENERS:
		sprintf(to, "%u", device->openers);
		break;
	case COLUMN_INFLIGHT:
		sprintf(to, "%u", device->in_flight);
		break;
	case COLUMN_OLDEST:
		if (device->oldest)
			facts_time(to, device->oldest);
		break;
	case COLUMN_REQUESTS:
		sprintf(to, "%" PRIu64, device->requests);
		break;
	case COLUMN_REPLIES:
		sprintf(to, "%" PRIu64, device->replies);
		break;
	case COLUMN_ERRORS:
		sprintf(to, "%" PRIu64, device->errors);
		break;
	case COLUMN_SENT:
		column_size(to, columns, device->bytes_sent);
		break;
	case COLUMN_RECEIVED:
		column_size(to, columns, device->bytes_received);
		break;
	case COLUMN_RECONNECTS:
		sprintf(to, "%" PRIu64, device_reconnects(device));
		break;
	case COLUMN_LAST_ERROR:
		if (device->last_error)
			strcpy(to, strerror(device->last_error));
		break;
	default:
		break;
	}
}

static void column_cell(const struct columns *columns, const struct kernel_device *device,
			enum column_id id, char *to)
{
	*to = '\0';
	switch (id) {
	case COLUMN_NAME:
		sprintf(to, "nbd%u", device->index);
		break;
	case COLUMN_SIZE:
		column_size(to, columns, device->size);
		break;
	case COLUMN_RO:
		sprintf(to, "%d", device->read_only);
		break;
	case COLUMN_CONN:
		sprintf(to, "%u/%u", device_connections_up(device), device->n_slots);
		break;
	case COLUMN_STATE:
		strcpy(to, kernel_state_name(device->state));
		break;
	case COLUMN_IDENTIFIER:
		snprintf(to, COLUMN_CELL_ROOM, "%s", device->identifier);
		break;
	case COLUMN_URI:
		snprintf(to, COLUMN_CELL_ROOM, "%s", device->display);
		break;
	case COLUMN_INDEX:
		sprintf(to, "%u", device->index);
		break;
	default:
		if (id < COLUMN_OPENERS)
			column_parameter(device, id, to);
		else
			column_counter(columns, device, id, to);
		break;
	}
}

int columns_add(const struct columns *columns, struct libscols_table *table,
		const struct kernel_device *device)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	char cell[COLUMN_CELL_ROOM];
	unsigned int i;

	if (!line)
		return -ENOMEM;
	for (i = 0; i < columns->n; i++) {
		column_cell(columns, device, columns->ids[i], cell);
		if (scols_line_set_data(line, i, cell))
			return -ENOMEM;
	}
	return 0;
}

void columns_help(void)
{
	int id;

	printf("\nColumns:\n");
	for (id = 0; id < COLUMN_IDS; id++)
		printf("  %-12s  %s\n", columns_all[id].name, columns_all[id].help);
}
