// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "kernel/kernel.h"
#include "verbs/device-json.h"
#include "verbs/metrics.h"

/* Writes a label value, escaped as the format requires; bytes that are not UTF-8 are replaced. */
static void metrics_quote(FILE *out, const char *value)
{
	size_t len = strlen(value), n;

	putc('"', out);
	for (; len; value += n, len -= n) {
		n = text_utf8_length(value, len);
		if (!n) {
			fputs("\xef\xbf\xbd", out);
			n = 1;
		} else if (*value == '\n') {
			fputs("\\n", out);
		} else {
			if (*value == '"' || *value == '\\')
				putc('\\', out);
			fwrite(value, 1, n, out);
		}
	}
	putc('"', out);
}

/* Writes a sample of @device, up to its value; @label may be NULL. */
static void metrics_sample(FILE *out, const char *name, const struct kernel_device *device,
			   const char *label, const char *label_value)
{
	fprintf(out, "%s{device=\"nbd%u\"", name, device->index);
	if (label) {
		fprintf(out, ",%s=", label);
		metrics_quote(out, label_value);
	}
	fputs("} ", out);
}

/* Text that only privileged users are shown is left out for others. */
static void metrics_info(FILE *out, const char *name, const struct kernel_device *device)
{
	fprintf(out, "%s{device=\"nbd%u\"", name, device->index);
	if (device->identifier[0]) {
		fputs(",identifier=", out);
		metrics_quote(out, device->identifier);
	}
	if (device->display[0]) {
		fputs(",uri=", out);
		metrics_quote(out, device->display);
	}
	fputs("} 1\n", out);
}

/* A sample for each state, as a graph or an alert needs the ones that are 0, too. */
static void metrics_state(FILE *out, const char *name, const struct kernel_device *device)
{
	uint32_t state;

	for (state = NBDCTL_STATE_SETUP; state <= NBDCTL_STATE_DEAD; state++) {
		metrics_sample(out, name, device, "state", kernel_state_name(state));
		fprintf(out, "%d\n", device->state == state);
	}
}

static void metrics_each_connection(FILE *out, const char *name,
				    const struct kernel_device *device,
				    uint32_t (*value)(const struct kernel_slot *slot))
{
	char number[TEXT_NUMBER_ROOM + 1];
	unsigned int i;

	for (i = 0; i < device->n_slots; i++) {
		snprintf(number, sizeof(number), "%" PRIu32, device->slots[i].index);
		metrics_sample(out, name, device, "connection", number);
		fprintf(out, "%" PRIu32 "\n", value(&device->slots[i]));
	}
}

static uint32_t metrics_is_up(const struct kernel_slot *slot)
{
	return slot->state == NBDCTL_SLOT_STATE_UP;
}

static uint32_t metrics_slot_reconnects(const struct kernel_slot *slot)
{
	return slot->reconnects;
}

static void metrics_up(FILE *out, const char *name, const struct kernel_device *device)
{
	metrics_each_connection(out, name, device, metrics_is_up);
}

static void metrics_reconnects(FILE *out, const char *name, const struct kernel_device *device)
{
	metrics_each_connection(out, name, device, metrics_slot_reconnects);
}

static void metrics_oldest(FILE *out, const char *name, const struct kernel_device *device)
{
	metrics_sample(out, name, device, NULL, NULL);
	fprintf(out, "%" PRIu32 ".%03" PRIu32 "\n", device->oldest / 1000, device->oldest % 1000);
}

/* Defines a metric with one number for each device. */
#define METRICS_NUMBER(which, expression)						\
static void metrics_##which(FILE *out, const char *name, const struct kernel_device *device)	\
{											\
	metrics_sample(out, name, device, NULL, NULL);					\
	fprintf(out, "%" PRIu64 "\n", (uint64_t)(expression));				\
}

METRICS_NUMBER(size, device->size)
METRICS_NUMBER(read_only, device->read_only)
METRICS_NUMBER(openers, device->openers)
METRICS_NUMBER(gave_up, device->gave_up)
METRICS_NUMBER(connections, device->n_slots)
METRICS_NUMBER(connections_up, device_connections_up(device))
METRICS_NUMBER(in_flight, device->in_flight)
METRICS_NUMBER(requests, device->requests)
METRICS_NUMBER(replies, device->replies)
METRICS_NUMBER(errors, device->errors)
METRICS_NUMBER(sent, device->bytes_sent)
METRICS_NUMBER(received, device->bytes_received)

/**
 * struct metric - a metric
 * @name: counters, and only these, end with _total
 * @help: a sentence
 * @write: writes the samples of a device
 */
struct metric {
	const char *name;
	const char *help;
	void (*write)(FILE *out, const char *name, const struct kernel_device *device);
};

static const struct metric metrics_all[] = {
	{ "nbd_info", "What is attached.", metrics_info },
	{ "nbd_state", "State of the disk: 1 for the one that it is in.", metrics_state },
	{ "nbd_gave_up", "Whether the dead-connection timeout has expired and requests fail.",
	  metrics_gave_up },
	{ "nbd_size_bytes", "Size of the disk.", metrics_size },
	{ "nbd_read_only", "Whether the disk is read-only.", metrics_read_only },
	{ "nbd_openers", "How often the disk and its partitions are open.", metrics_openers },
	{ "nbd_connections", "Connections that the disk should have.", metrics_connections },
	{ "nbd_connections_up", "Connections that work.", metrics_connections_up },
	{ "nbd_requests_in_flight", "Requests that are not completed.", metrics_in_flight },
	{ "nbd_oldest_request_seconds", "Age of the oldest request in flight.", metrics_oldest },
	{ "nbd_requests_total", "Requests sent since the attach.", metrics_requests },
	{ "nbd_replies_total", "Replies received.", metrics_replies },
	{ "nbd_errors_total", "Replies with an error.", metrics_errors },
	{ "nbd_sent_bytes_total", "Bytes sent, headers included.", metrics_sent },
	{ "nbd_received_bytes_total", "Bytes received, headers included.", metrics_received },
	{ "nbd_connection_up", "Whether a connection works.", metrics_up },
	{ "nbd_connection_reconnects_total", "Connections that replaced one that was lost.",
	  metrics_reconnects },
};

#define N_METRICS	(sizeof(metrics_all) / sizeof(metrics_all[0]))

_Static_assert(N_METRICS <= METRICS_MAX, "METRICS_MAX is too small");

int metrics_init(struct metrics *metrics)
{
	size_t i;

	memset(metrics, 0, sizeof(*metrics));
	for (i = 0; i < N_METRICS; i++) {
		metrics->samples[i] = open_memstream(&metrics->text[i], &metrics->length[i]);
		if (!metrics->samples[i])
			return -ENOMEM;
	}
	return 0;
}

void metrics_add(struct metrics *metrics, const struct kernel_device *device)
{
	size_t i;

	metrics->n_devices++;
	for (i = 0; i < N_METRICS; i++)
		metrics_all[i].write(metrics->samples[i], metrics_all[i].name, device);
}

static void metrics_head(FILE *out, const char *name, const char *help)
{
	const char *suffix = strrchr(name, '_');

	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
		strcmp(suffix, "_total") ? "gauge" : "counter");
}

int metrics_print(struct metrics *metrics, FILE *out)
{
	size_t i;

	for (i = 0; i < N_METRICS; i++)
		if (fflush(metrics->samples[i]) || ferror(metrics->samples[i]))
			return -ENOMEM;
	metrics_head(out, "nbd_devices", "Disks that are attached.");
	fprintf(out, "nbd_devices %u\n", metrics->n_devices);
	for (i = 0; i < N_METRICS && metrics->n_devices; i++) {
		metrics_head(out, metrics_all[i].name, metrics_all[i].help);
		fwrite(metrics->text[i], 1, metrics->length[i], out);
	}
	return 0;
}

void metrics_free(struct metrics *metrics)
{
	size_t i;

	for (i = 0; i < N_METRICS; i++) {
		if (metrics->samples[i])
			fclose(metrics->samples[i]);
		free(metrics->text[i]);
	}
}
