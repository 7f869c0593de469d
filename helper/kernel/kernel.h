/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_KERNEL_H
#define NBD_HELPER_KERNEL_H

/*
 * The interface to the driver. Only the source files kernel*.c use its netlink family and its
 * ioctls.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "../../uapi/linux/nbdctl.h"
#include "../../uapi/linux/nbdmap.h"

#include "negotiate/export.h"

#define KERNEL_MAX_CONNECTIONS	128
#define KERNEL_ANY_DEVICE	UINT32_MAX

struct error;
struct kernel;

/**
 * struct kernel_driver - features and limits of the loaded driver
 */
struct kernel_driver {
	char version[64];
	uint32_t header_modes;
	uint32_t features;
	uint32_t max_slots;
	uint32_t max_contexts;
	uint32_t max_queue_depth;
	uint32_t max_min_block_size;
	uint32_t max_index;
};

/**
 * struct kernel_attach - parameters of an attach
 * @index: device, or KERNEL_ANY_DEVICE
 * @max_payload: bytes
 * @exports: negotiated parameters of each connection; the device gets those of the first
 * @fds: their sockets, which the caller closes
 * @request_timeout: milliseconds, 0 for no limit
 * @dead_time: milliseconds, or NBDCTL_TIME_FOREVER
 * @queue_depth: or 0 for the driver's default
 * @identifier: or NULL
 * @display: or NULL
 */
struct kernel_attach {
	uint32_t index;
	uint32_t max_payload;
	unsigned int n_connections;
	const struct export *exports;
	const int *fds;
	uint32_t request_timeout;
	uint32_t dead_time;
	uint32_t queue_depth;
	bool read_only;
	const char *identifier;
	const char *display;
};

/**
 * struct kernel_slot - a slot, and the connection in it
 * @reconnects: connections that it got after the first; each connection has another number
 * @reason: errno that ended its last connection, 0 for none
 * @peer: address of the server, if @peer_length is not 0: TCP only, and only for privileged users
 */
struct kernel_slot {
	uint32_t index;
	uint32_t state;
	uint32_t transport;
	uint64_t requests;
	uint64_t replies;
	uint64_t errors;
	uint64_t bytes_sent;
	uint64_t bytes_received;
	uint32_t reconnects;
	uint32_t reason;
	struct sockaddr_storage peer;
	socklen_t peer_length;
};

/**
 * struct kernel_device - a device as the driver describes it
 * @session: number of this attach; no other has it
 * @retiring: number of connections that are out of their slots, but not yet torn down
 * @in_flight: requests that are not completed
 * @oldest: milliseconds since the first of them was submitted, 0 if unknown
 * @requests, @replies, @errors, @bytes_sent, @bytes_received: since the attach, of all connections
 *	that it has and had
 * @last_error: errno of the connection that was lost last, 0 for none
 * @last_error_age: milliseconds since then
 * @identifier, @display: "" if not set, or not shown to this user
 */
struct kernel_device {
	uint32_t index;
	uint64_t session;
	uint32_t state;
	uint64_t size;
	uint16_t flags;
	uint32_t header_mode;
	uint32_t minimum;
	uint32_t preferred;
	uint32_t max_payload;
	uint32_t request_timeout;
	uint32_t dead_time;
	uint32_t queue_depth;
	uint32_t openers;
	uint32_t retiring;
	uint32_t in_flight;
	uint32_t oldest;
	uint64_t requests;
	uint64_t replies;
	uint64_t errors;
	uint64_t bytes_sent;
	uint64_t bytes_received;
	uint32_t last_error;
	uint64_t last_error_age;
	bool read_only;
	bool gave_up;
	char identifier[NBDCTL_IDENTIFIER_MAX + 1];
	char display[NBDCTL_NAME_MAX + 1];
	unsigned int n_contexts;
	char *contexts[EXPORT_MAX_CONTEXTS];
	unsigned int n_slots;
	struct kernel_slot slots[KERNEL_MAX_CONNECTIONS];
};

/* NULL with @err filled in on failure, EXIT_MODULE if the driver is missing. */
struct kernel *kernel_open(struct error *err);
void kernel_close(struct kernel *kernel);

/*
 * True if the driver answered the last request. If not, for example for lack of memory, it is
 * unknown whether it has executed it.
 */
bool kernel_answered(const struct kernel *kernel);

int kernel_driver(struct kernel *kernel, struct kernel_driver *driver, struct error *err);

/* Has the driver name this process as the one that keeps @device attached. */
int kernel_keep(struct kernel *kernel, const struct kernel_device *device, struct error *err);

/* On success *@index is the device, and *@session the number of the attach. */
int kernel_attach(struct kernel *kernel, const struct kernel_attach *attach, uint32_t *index,
		  uint64_t *session, struct error *err);

/**
 * struct kernel_replace - new connections for slots of a device
 * @device: as it was found; the request fails if it has another session now
 * @slots: numbers of the slots
 * @exports: negotiated parameters of each connection; the driver checks those of the first
 * @fds: their sockets, which the caller closes
 * @display: replaces the old one; NULL to keep that
 * @dead_time: in milliseconds, replaces the old one; NULL to keep that
 * @force: do not wait for old servers that do not reply
 * @unless_changed: fail if a slot got another connection after @device was queried
 */
struct kernel_replace {
	const struct kernel_device *device;
	unsigned int n_connections;
	const uint32_t *slots;
	const struct export *exports;
	const int *fds;
	const char *display;
	const uint32_t *dead_time;
	bool force;
	bool unless_changed;
};

/*
 * Gives all of the slots their connections, or none. EXIT_EXPORT if the export is not the one that
 * was attached, the session is another one, or a slot has changed; EXIT_REACH if the server has
 * disconnected, or the session has ended.
 */
int kernel_replace(struct kernel *kernel, const struct kernel_replace *replace, struct error *err);

/* Gives the disk of @device another size, in bytes. */
int kernel_resize(struct kernel *kernel, const struct kernel_device *device, uint64_t size,
		  struct error *err);

/**
 * struct kernel_detach - parameters of a detach
 * @session: number of the attach
 * @force: complete when kernel_detach() returns; otherwise the detach has begun then, and an event
 *	reports its end
 * @timeout: milliseconds after which the detach is called off, NBDCTL_TIME_FOREVER for never, 0 to
 *	wait as long as servers reply at least once a minute
 */
struct kernel_detach {
	uint32_t index;
	uint64_t session;
	bool force;
	uint32_t timeout;
};

/*
 * EXIT_BUSY while the device is open, EXIT_FALSE if it is not attached. It is not an error if the
 * detach has begun before.
 */
int kernel_detach(struct kernel *kernel, const struct kernel_detach *detach, struct error *err);

/*
 * Queries a device; kernel_device_free() frees what @device refers to. EXIT_FALSE if nothing is
 * attached; then @device->state may be NBDCTL_STATE_DEAD: an earlier disk is still in use.
 */
int kernel_device(struct kernel *kernel, uint32_t index, struct kernel_device *device,
		  struct error *err);
void kernel_device_free(struct kernel_device *device);

/* Calls @fn for each device that is not idle, until it fails: then kernel_devices() does, too. */
typedef int (*kernel_device_fn)(void *context, const struct kernel_device *device,
				struct error *err);
int kernel_devices(struct kernel *kernel, kernel_device_fn fn, void *context, struct error *err);

struct kernel_events;

/**
 * struct kernel_event - an event of the driver
 * @command: NBDCTL_CMD_*_EVENT
 * @has_slot: it is about the slot @slot
 * @reason: errno that says why, or 0
 * @size: new size in bytes, of a resize
 */
struct kernel_event {
	uint8_t command;
	uint32_t index;
	uint64_t session;
	bool has_slot;
	uint32_t slot;
	uint32_t reason;
	uint64_t size;
};

typedef void (*kernel_event_fn)(void *context, const struct kernel_event *event);

/* Subscribes to the events of the driver. NULL with @err filled in on failure. */
struct kernel_events *kernel_events_open(struct error *err);
void kernel_events_close(struct kernel_events *events);

/* To poll for POLLIN. */
int kernel_events_fd(const struct kernel_events *events);

/*
 * Calls @fn for events that have come, without waiting. True if others were lost, as they came
 * faster than they were taken; then there may be more to take.
 */
bool kernel_events_each(struct kernel_events *events, kernel_event_fn fn, void *context);

/*
 * Subscribes to the end of the driver, too: kernel_events_fd() becomes readable then, and
 * kernel_events_driver_gone() true.
 */
int kernel_events_watch_driver(struct kernel_events *events, struct error *err);
bool kernel_events_driver_gone(const struct kernel_events *events);

/*
 * Takes the events that have come, without waiting. True if any was about device @index, or may
 * have been lost: then query the device.
 */
bool kernel_events_take(struct kernel_events *events, uint32_t index);

/*
 * Waits up to @milliseconds for the event that the detach of a session was called off. Returns its
 * errno, 0 if there was none.
 */
uint32_t kernel_events_called_off(struct kernel_events *events, uint32_t index, uint64_t session,
				  int milliseconds);

/* True if an event has reported the end of a session, which is not 0. */
bool kernel_events_ended(const struct kernel_events *events, uint64_t session);

/* Name of an event in the specification of the netlink family, without "-event". */
const char *kernel_event_name(uint8_t command);

const char *kernel_state_name(uint32_t state);
const char *kernel_slot_state_name(uint32_t state);
const char *kernel_transport_name(uint32_t transport);

/**
 * struct kernel_map - a block device that is open to query its maps
 * @size: bytes of the block device that was opened
 * @block: logical block size in bytes
 * @major, @minor: its device number
 */
struct kernel_map {
	int fd;
	uint32_t major;
	uint32_t minor;
	uint64_t size;
	uint32_t block;
};

int kernel_map_open(struct kernel_map *map, const char *path, struct error *err);
void kernel_map_close(struct kernel_map *map);

/*
 * Reads the name of context @index; @name has NBDMAP_NAME_MAX + 1 bytes. Returns the number of
 * contexts, or -1 with @err filled in.
 */
int kernel_map_context(const struct kernel_map *map, uint32_t index, char *name,
		       struct error *err);

/*
 * Reads up to @capacity extents of one context, from @offset on. Returns their number, and in
 * *@covered the bytes that they describe, or -1 with @err filled in.
 */
int kernel_map_status(const struct kernel_map *map, uint32_t context, uint64_t offset,
		      uint64_t length, struct nbdmap_extent *extents, uint32_t capacity,
		      uint64_t *covered, struct error *err);

#endif
