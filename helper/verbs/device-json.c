// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <netdb.h>

#include "base/json.h"
#include "kernel/device.h"
#include "kernel/kernel.h"
#include "negotiate/facts.h"
#include "verbs/device-json.h"

unsigned int device_connections_up(const struct kernel_device *device)
{
	unsigned int i, up = 0;

	for (i = 0; i < device->n_slots; i++)
		up += device->slots[i].state == NBDCTL_SLOT_STATE_UP;
	return up;
}

uint64_t device_reconnects(const struct kernel_device *device)
{
	uint64_t reconnects = 0;
	unsigned int i;

	for (i = 0; i < device->n_slots; i++)
		reconnects += device->slots[i].reconnects;
	return reconnects;
}

const char *device_peer(char *to, const struct kernel_slot *slot)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];
	bool six = slot->peer.ss_family == AF_INET6;

	if (!slot->peer_length ||
	    getnameinfo((const struct sockaddr *)&slot->peer, slot->peer_length, host, sizeof(host),
			port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV))
		return NULL;
	snprintf(to, DEVICE_PEER_ROOM, six ? "[%s]:%s" : "%s:%s", host, port);
	return to;
}

static void device_json_identity(struct json *json, const struct kernel_device *device,
				 unsigned int members)
{
	char path[DEVICE_PATH_MAX];

	if (members & DEVICE_JSON_PATH)
		json_string(json, "device", device_path(path, device->index));
	if (members & DEVICE_JSON_INDEX)
		json_number(json, "index", device->index);
	if (members & DEVICE_JSON_STATE)
		json_string(json, "state", kernel_state_name(device->state));
	if (members & DEVICE_JSON_GAVE_UP)
		json_bool(json, "gave_up", device->gave_up);
	if ((members & DEVICE_JSON_URI) && device->display[0])
		json_string(json, "uri", device->display);
	if ((members & DEVICE_JSON_IDENTIFIER) && device->identifier[0])
		json_string(json, "identifier", device->identifier);
}

static void device_json_contexts(struct json *json, const struct kernel_device *device)
{
	unsigned int i;

	json_array(json, "contexts");
	for (i = 0; i < device->n_contexts; i++)
		json_string(json, NULL, device->contexts[i]);
	json_end(json);
}

static void device_json_export(struct json *json, const struct kernel_device *device,
			       unsigned int members)
{
	if (members & DEVICE_JSON_SIZE)
		json_number(json, "size", device->size);
	if (members & DEVICE_JSON_READ_ONLY)
		json_bool(json, "read_only", device->read_only);
	if (members & DEVICE_JSON_FLAGS)
		facts_json_flags(json, device->flags);
	if (members & DEVICE_JSON_STRUCTURED)
		json_bool(json, "structured",
			  device->header_mode != NBDCTL_HEADER_MODE_SIMPLE);
	if (members & DEVICE_JSON_BLOCK_SIZE)
		facts_json_blocks(json, device->minimum, device->preferred, device->max_payload);
	if (members & DEVICE_JSON_CONTEXTS)
		device_json_contexts(json, device);
}

static void device_json_slot(struct json *json, const struct kernel_slot *slot)
{
	char peer[DEVICE_PEER_ROOM];

	json_object(json, NULL);
	json_number(json, "index", slot->index);
	json_string(json, "state", kernel_slot_state_name(slot->state));
	json_string(json, "transport", kernel_transport_name(slot->transport));
	if (device_peer(peer, slot))
		json_string(json, "peer", peer);
	json_number(json, "requests", slot->requests);
	json_number(json, "replies", slot->replies);
	json_number(json, "errors", slot->errors);
	json_number(json, "bytes_sent", slot->bytes_sent);
	json_number(json, "bytes_received", slot->bytes_received);
	json_number(json, "reconnects", slot->reconnects);
	json_number(json, "reason", slot->reason);
	json_end(json);
}

static void device_json_slots(struct json *json, const struct kernel_device *device,
			      unsigned int members)
{
	unsigned int i;

	if (members & DEVICE_JSON_TOTALS) {
		json_number(json, "connections_total", device->n_slots);
		json_number(json, "connections_up", device_connections_up(device));
	}
	if (!(members & DEVICE_JSON_CONNECTIONS))
		return;
	json_array(json, "connections");
	for (i = 0; i < device->n_slots; i++)
		device_json_slot(json, &device->slots[i]);
	json_end(json);
}

static void device_json_counters(struct json *json, const struct kernel_device *device,
				 unsigned int members)
{
	if (members & DEVICE_JSON_IN_FLIGHT)
		json_number(json, "in_flight", device->in_flight);
	if (members & DEVICE_JSON_OLDEST)
		json_seconds(json, "oldest_request", device->oldest, !device->oldest);
	if (members & DEVICE_JSON_REQUESTS)
		json_number(json, "requests", device->requests);
	if (members & DEVICE_JSON_REPLIES)
		json_number(json, "replies", device->replies);
	if (members & DEVICE_JSON_ERRORS)
		json_number(json, "errors", device->errors);
	if (members & DEVICE_JSON_SENT)
		json_number(json, "bytes_sent", device->bytes_sent);
	if (members & DEVICE_JSON_RECEIVED)
		json_number(json, "bytes_received", device->bytes_received);
	if (members & DEVICE_JSON_RECONNECTS)
		json_number(json, "reconnects", device_reconnects(device));
	if (members & DEVICE_JSON_LAST_ERROR) {
		json_number(json, "last_error", device->last_error);
		json_seconds(json, "last_error_age", device->last_error_age, !device->last_error);
	}
}

void device_json(struct json *json, const struct kernel_device *device, unsigned int members)
{
	json_object(json, NULL);
	device_json_identity(json, device, members);
	device_json_export(json, device, members);
	/*
	 * No limit is 0 for the request timeout, NBDCTL_TIME_FOREVER for the dead-connection
	 * timeout.
	 */
	if (members & DEVICE_JSON_REQUEST_TIMEOUT)
		json_seconds(json, "request_timeout", device->request_timeout,
			     !device->request_timeout);
	if (members & DEVICE_JSON_DEAD_TIMEOUT)
		json_seconds(json, "dead_timeout", device->dead_time,
			     device->dead_time == NBDCTL_TIME_FOREVER);
	if (members & DEVICE_JSON_QUEUE_SIZE)
		json_number(json, "queue_size", device->queue_depth);
	if (members & DEVICE_JSON_OPENERS)
		json_number(json, "openers", device->openers);
	device_json_counters(json, device, members);
	device_json_slots(json, device, members);
	json_end(json);
}
