/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_KERNEL_H
#define NBD_HELPER_KERNEL_H

/*
 * The door to the driver. The rooms kernel*.c speak generic netlink and the
 * ioctls; nobody else does either.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "../uapi/linux/nbdctl.h"
#include "../uapi/linux/nbdmap.h"

#include "export.h"

#define KERNEL_MAX_CONNECTIONS	128
#define KERNEL_ANY_DEVICE	UINT32_MAX

struct error;
struct kernel;

/**
 * struct kernel_driver - what the loaded driver is and can do
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
 * struct kernel_attach - an attach
 * @index: device, or KERNEL_ANY_DEVICE
 * @max_payload: bytes
 * @exports: what each connection negotiated; the first speaks for all
 * @fds: their sockets
 * @request_timeout: milliseconds, 0 for never
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
 * @reconnects: how many it had after the first; another one, another number
 * @reason: errno that ended the last, 0 for none
 * @peer: address of the server, if @peer_length is not 0: TCP only
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
 * @identifier, @display: "" when not set or not shown to us
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
	bool read_only;
	bool gave_up;
	char identifier[NBDCTL_IDENTIFIER_MAX + 1];
	char display[NBDCTL_NAME_MAX + 1];
	unsigned int n_contexts;
	char *contexts[EXPORT_MAX_CONTEXTS];
	unsigned int n_slots;
	struct kernel_slot slots[KERNEL_MAX_CONNECTIONS];
};

/*
 * NULL with @err->code EXIT_MODULE when the driver is not there.
 */
struct kernel *kernel_open(struct error *err);
void kernel_close(struct kernel *kernel);

/*
 * Whether the driver answered the last request. If not, when memory was short
 * say, nobody knows whether it has done what it was asked for.
 */
bool kernel_answered(const struct kernel *kernel);

int kernel_driver(struct kernel *kernel, struct kernel_driver *driver, struct error *err);

/* On success *@index is the device, and *@session the number of the attach. */
int kernel_attach(struct kernel *kernel, const struct kernel_attach *attach, uint32_t *index,
		  uint64_t *session, struct error *err);

/**
 * struct kernel_replace - new connections for slots of a device
 * @device: as it was found; the request fails if it has another session now
 * @slots: which slots
 * @exports: what each connection negotiated; the first speaks for all
 * @fds: their sockets
 * @display: in place of the old one, or NULL to keep that
 * @force: the servers that the disk had are not waited for
 * @unless_changed: fail if a slot got another connection after @device was looked at
 */
struct kernel_replace {
	const struct kernel_device *device;
	unsigned int n_connections;
	const uint32_t *slots;
	const struct export *exports;
	const int *fds;
	const char *display;
	bool force;
	bool unless_changed;
};

/*
 * @err->code says EXIT_EXPORT if the export is not the one that was attached, or there is another
 * session; EXIT_REACH if the server hung up, or the device is ending.
 */
int kernel_replace(struct kernel *kernel, const struct kernel_replace *replace, struct error *err);

/* Gives the disk of @device another size, in bytes. */
int kernel_resize(struct kernel *kernel, const struct kernel_device *device, uint64_t size,
		  struct error *err);

/**
 * struct kernel_detach - a detach
 * @session: of this attach only
 * @force: at once; otherwise it has begun when kernel_detach() returns, and an event tells of the
 *	end
 * @timeout: milliseconds after which it is called off, NBDCTL_TIME_FOREVER, or 0 to wait while the
 *	servers answer
 */
struct kernel_detach {
	uint32_t index;
	uint64_t session;
	bool force;
	uint32_t timeout;
};

/*
 * @err->code says EXIT_BUSY while the device is open, EXIT_FALSE if it is not attached. One that
 * somebody else has begun is no error.
 */
int kernel_detach(struct kernel *kernel, const struct kernel_detach *detach, struct error *err);

/*
 * Fills in @device, which kernel_device_free() empties. EXIT_FALSE if nothing is attached; then
 * @device->state may be NBDCTL_STATE_DEAD: an earlier disk is still in use.
 */
int kernel_device(struct kernel *kernel, uint32_t index, struct kernel_device *device,
		  struct error *err);
void kernel_device_free(struct kernel_device *device);

/* Calls @fn for each device that is not idle, until it returns nonzero. */
typedef int (*kernel_device_fn)(void *context, const struct kernel_device *device);
int kernel_devices(struct kernel *kernel, kernel_device_fn fn, void *context, struct error *err);

struct kernel_events;

/* Listens to what happens to devices from now on. */
struct kernel_events *kernel_events_open(struct error *err);
void kernel_events_close(struct kernel_events *events);

/* To wait for input on. */
int kernel_events_fd(const struct kernel_events *events);

/*
 * Takes what has come. True if any of it was about device @index, or some was lost; what it was is
 * for the device to say.
 */
bool kernel_events_take(struct kernel_events *events, uint32_t index);

/*
 * Errno for which the detach of a session was called off, 0 if nothing was heard of that. Waits up
 * to @milliseconds for it.
 */
uint32_t kernel_events_called_off(struct kernel_events *events, uint32_t index, uint64_t session,
				  int milliseconds);

/* Whether it was heard that a session, which is not 0, has ended. */
bool kernel_events_ended(const struct kernel_events *events, uint64_t session);

/*
 * Whether a connection of that slot has gone down, and what it had in hand is answered, or is with
 * another one. True as well if that may have been missed.
 */
bool kernel_events_down(const struct kernel_events *events, uint64_t session, uint32_t slot);

const char *kernel_state_name(uint32_t state);
const char *kernel_slot_state_name(uint32_t state);
const char *kernel_transport_name(uint32_t transport);

/**
 * struct kernel_map - a block device open for its maps
 * @size: bytes of the node that was opened
 * @block: logical block size
 * @major, @minor: its numbers
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
 * Name of context @index; @name has NBDMAP_NAME_MAX + 1 bytes. Returns how many
 * contexts there are.
 */
int kernel_map_context(const struct kernel_map *map, uint32_t index, char *name,
		       struct error *err);

/*
 * Extents of one context from @offset on. Returns how many were written, and
 * in *@covered how far they go.
 */
int kernel_map_status(const struct kernel_map *map, uint32_t context, uint64_t offset,
		      uint64_t length, struct nbdmap_extent *extents, uint32_t capacity,
		      uint64_t *covered, struct error *err);

#endif
