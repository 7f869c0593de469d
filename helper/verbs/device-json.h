/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_DEVICE_JSON_H
#define NBD_HELPER_DEVICE_JSON_H

#include <stdint.h>

struct json;
struct kernel_device;
struct kernel_slot;

/* Members of the JSON object of a device */
enum device_json {
	DEVICE_JSON_PATH = 1 << 0,
	DEVICE_JSON_INDEX = 1 << 1,
	DEVICE_JSON_STATE = 1 << 2,
	DEVICE_JSON_GAVE_UP = 1 << 3,
	DEVICE_JSON_URI = 1 << 4,
	DEVICE_JSON_IDENTIFIER = 1 << 5,
	DEVICE_JSON_SIZE = 1 << 6,
	DEVICE_JSON_READ_ONLY = 1 << 7,
	DEVICE_JSON_FLAGS = 1 << 8,
	DEVICE_JSON_STRUCTURED = 1 << 9,
	DEVICE_JSON_BLOCK_SIZE = 1 << 10,
	DEVICE_JSON_CONTEXTS = 1 << 11,
	DEVICE_JSON_REQUEST_TIMEOUT = 1 << 12,
	DEVICE_JSON_DEAD_TIMEOUT = 1 << 13,
	DEVICE_JSON_QUEUE_SIZE = 1 << 14,
	DEVICE_JSON_OPENERS = 1 << 15,
	/* Number of connections, and how many of them work */
	DEVICE_JSON_TOTALS = 1 << 16,
	/* All connections, with their counters */
	DEVICE_JSON_CONNECTIONS = 1 << 17,
	DEVICE_JSON_IN_FLIGHT = 1 << 18,
	DEVICE_JSON_OLDEST = 1 << 19,
	DEVICE_JSON_REQUESTS = 1 << 20,
	DEVICE_JSON_REPLIES = 1 << 21,
	DEVICE_JSON_ERRORS = 1 << 22,
	DEVICE_JSON_SENT = 1 << 23,
	DEVICE_JSON_RECEIVED = 1 << 24,
	DEVICE_JSON_RECONNECTS = 1 << 25,
	DEVICE_JSON_LAST_ERROR = 1 << 26,
	DEVICE_JSON_ALL = (1 << 27) - 1,
};

/*
 * Writes @members of @device as an object, at the top or in an array. The names are the same in all
 * programs. Sizes are in bytes, times in seconds, and null is no limit.
 */
void device_json(struct json *json, const struct kernel_device *device, unsigned int members);

/* Number of connections of @device that work. */
unsigned int device_connections_up(const struct kernel_device *device);

/* Number of connections that @device got in place of others. */
uint64_t device_reconnects(const struct kernel_device *device);

/* Writes "ADDRESS:PORT" in DEVICE_PEER_ROOM bytes; NULL if the driver reports none, as for Unix. */
#define DEVICE_PEER_ROOM	1100
const char *device_peer(char *to, const struct kernel_slot *slot);

#endif
