// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include <libsmartcols.h>

#include "base/error.h"
#include "base/text.h"
#include "kernel/kernel.h"
#include "negotiate/facts.h"
#include "negotiate/handshake-proto.h"
#include "verbs/describe.h"
#include "verbs/device-json.h"

void describe_line(FILE *out, const char *label, const char *s)
{
	char shown[TEXT_ESCAPED_MAX(NBD_STRING_MAX)];

	fprintf(out, "\t%s: %s\n", label, text_escape(shown, sizeof(shown), s, strlen(s)));
}

void describe_size_and_flags(FILE *out, uint64_t size, uint16_t flags)
{
	char names[FACTS_FLAGS_ROOM], room[TEXT_SIZE_ROOM];

	fprintf(out, "\tsize: %" PRIu64 " (%s)\n", size, text_format_size(room, size));
	fprintf(out, "\tflags: %s\n", facts_flags(names, flags));
}

void describe_contexts(FILE *out, char *const *names, size_t stride, unsigned int n)
{
	char shown[TEXT_ESCAPED_MAX(NBD_STRING_MAX)];
	unsigned int i;

	fprintf(out, "\tcontexts:%s\n", n ? "" : " none");
	for (i = 0; i < n; i++) {
		const char *name = *(char *const *)((const char *)names + i * stride);

		fprintf(out, "\t\t%s\n", text_escape(shown, sizeof(shown), name, strlen(name)));
	}
}

static void describe_traffic(FILE *out, const struct kernel_device *device)
{
	char sent[TEXT_SIZE_ROOM], received[TEXT_SIZE_ROOM], time[FACTS_TIME_ROOM];

	fprintf(out, "\tin flight: %u", device->in_flight);
	if (device->oldest)
		fprintf(out, ", the oldest for %s", facts_time(time, device->oldest));
	fprintf(out, "\n\tsince the attach: requests %" PRIu64 ", replies %" PRIu64
		", errors %" PRIu64 ", sent %s, received %s\n", device->requests, device->replies,
		device->errors, text_format_size(sent, device->bytes_sent),
		text_format_size(received, device->bytes_received));
	fprintf(out, "\treconnects: %" PRIu64 "\n", device_reconnects(device));
	if (device->last_error)
		fprintf(out, "\tlast error: %s, %" PRIu64 "s ago\n", strerror(device->last_error),
			device->last_error_age / 1000);
}

static void describe_parameters(FILE *out, const struct kernel_device *device)
{
	char time[FACTS_TIME_ROOM];

	fprintf(out, "nbd%u:\n", device->index);
	fprintf(out, "\tstate: %s%s\n", kernel_state_name(device->state),
		device->gave_up ? ", dead-connection timeout expired" : "");
	if (device->display[0])
		describe_line(out, "uri", device->display);
	if (device->identifier[0])
		describe_line(out, "identifier", device->identifier);
	describe_size_and_flags(out, device->size, device->flags);
	fprintf(out, "\tread-only: %s\n", device->read_only ? "yes" : "no");
	fprintf(out, "\treplies: %s\n",
		device->header_mode == NBDCTL_HEADER_MODE_SIMPLE ? "simple" : "structured");
	fprintf(out, "\tblock size: minimum %u, preferred %u, maximum %u\n", device->minimum,
		device->preferred, device->max_payload);
	describe_contexts(out, &device->contexts[0], sizeof(device->contexts[0]),
			  device->n_contexts);
	fprintf(out, "\trequest timeout: %s\n", facts_time(time, device->request_timeout));
	fprintf(out, "\tdead-connection timeout: %s\n", facts_time(time, device->dead_time));
	fprintf(out, "\tqueue size: %u\n", device->queue_depth);
	fprintf(out, "\topeners: %u\n", device->openers);
}

enum describe_column {
	DESCRIBE_CONN,
	DESCRIBE_STATE,
	DESCRIBE_TRANSPORT,
	DESCRIBE_PEER,
	DESCRIBE_REQUESTS,
	DESCRIBE_REPLIES,
	DESCRIBE_ERRORS,
	DESCRIBE_SENT,
	DESCRIBE_RECEIVED,
	DESCRIBE_RECONNECTS,
	DESCRIBE_LAST_ERROR,
	DESCRIBE_COLUMNS,
};

static const struct { const char *name; int flags; } describe_columns[DESCRIBE_COLUMNS] = {
	[DESCRIBE_CONN] = { "CONN", SCOLS_FL_RIGHT },
	[DESCRIBE_STATE] = { "STATE", 0 },
	[DESCRIBE_TRANSPORT] = { "TRANSPORT", 0 },
	[DESCRIBE_PEER] = { "PEER", 0 },
	[DESCRIBE_REQUESTS] = { "REQUESTS", SCOLS_FL_RIGHT },
	[DESCRIBE_REPLIES] = { "REPLIES", SCOLS_FL_RIGHT },
	[DESCRIBE_ERRORS] = { "ERRORS", SCOLS_FL_RIGHT },
	[DESCRIBE_SENT] = { "SENT", SCOLS_FL_RIGHT },
	[DESCRIBE_RECEIVED] = { "RECEIVED", SCOLS_FL_RIGHT },
	[DESCRIBE_RECONNECTS] = { "RECONNECTS", SCOLS_FL_RIGHT },
	[DESCRIBE_LAST_ERROR] = { "LAST-ERROR", 0 },
};

static int describe_number(struct libscols_line *line, enum describe_column column, uint64_t number)
{
	char text[TEXT_NUMBER_ROOM + 1];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	return scols_line_set_data(line, column, text);
}

static int describe_size(struct libscols_line *line, enum describe_column column, uint64_t size,
			 bool bytes)
{
	char text[TEXT_SIZE_ROOM];

	if (bytes)
		return describe_number(line, column, size);
	return scols_line_set_data(line, column, text_format_size(text, size));
}

/* Adds a line for @slot. Returns nonzero if there is no memory. */
static int describe_slot(struct libscols_table *table, const struct kernel_slot *slot, bool bytes)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	const char *reason = slot->reason ? strerror(slot->reason) : "";
	char peer[DEVICE_PEER_ROOM];

	return !line || describe_number(line, DESCRIBE_CONN, slot->index) ||
	       scols_line_set_data(line, DESCRIBE_STATE, kernel_slot_state_name(slot->state)) ||
	       scols_line_set_data(line, DESCRIBE_TRANSPORT,
				   kernel_transport_name(slot->transport)) ||
	       scols_line_set_data(line, DESCRIBE_PEER, device_peer(peer, slot) ?: "") ||
	       describe_number(line, DESCRIBE_REQUESTS, slot->requests) ||
	       describe_number(line, DESCRIBE_REPLIES, slot->replies) ||
	       describe_number(line, DESCRIBE_ERRORS, slot->errors) ||
	       describe_size(line, DESCRIBE_SENT, slot->bytes_sent, bytes) ||
	       describe_size(line, DESCRIBE_RECEIVED, slot->bytes_received, bytes) ||
	       describe_number(line, DESCRIBE_RECONNECTS, slot->reconnects) ||
	       scols_line_set_data(line, DESCRIBE_LAST_ERROR, reason);
}

static int describe_fill(struct libscols_table *table, const struct kernel_device *device,
			 bool bytes)
{
	unsigned int i;

	for (i = 0; i < DESCRIBE_COLUMNS; i++)
		if (!scols_table_new_column(table, describe_columns[i].name, 0,
					    describe_columns[i].flags))
			return -ENOMEM;
	for (i = 0; i < device->n_slots; i++)
		if (describe_slot(table, &device->slots[i], bytes))
			return -ENOMEM;
	return 0;
}

int describe_device(FILE *out, const struct kernel_device *device, bool bytes, struct error *err)
{
	struct libscols_table *table;
	int rc;

	/* For the width of characters */
	setlocale(LC_CTYPE, "");
	table = scols_new_table();
	rc = table ? describe_fill(table, device, bytes) : -ENOMEM;
	if (!rc) {
		describe_parameters(out, device);
		describe_traffic(out, device);
		putc('\n', out);
		scols_table_set_stream(table, out);
		rc = device->n_slots ? scols_print_table(table) : 0;
	}
	scols_unref_table(table);
	/* Lost output is an error of @out, which its owner finds. */
	if (rc && !ferror(out))
		return error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot allocate a table");
	return 0;
}
