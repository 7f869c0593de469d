/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_DEVICE_JSON_H
#define NBD_HELPER_DEVICE_JSON_H

struct json;
struct kernel_device;
struct kernel_slot;

/* Members of the object that is a device. */
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
	/* How many there are, and how many of them work */
	DEVICE_JSON_TOTALS = 1 << 16,
	/* Each, with its counters */
	DEVICE_JSON_CONNECTIONS = 1 << 17,
	DEVICE_JSON_ALL = (1 << 18) - 1,
};

/*
 * Writes @members of @device as an object, the next element of an array or the whole. All programs
 * call a thing by the same name; sizes are bytes, times are seconds, and null is no limit.
 */
void device_json(struct json *json, const struct kernel_device *device, unsigned int members);

/* How many connections of @device work. */
unsigned int device_connections_up(const struct kernel_device *device);

/* "ADDRESS:PORT" of a connection, or NULL if the kernel does not tell; @to has DEVICE_PEER_ROOM. */
#define DEVICE_PEER_ROOM	1100
const char *device_peer(char *to, const struct kernel_slot *slot);

#endif
