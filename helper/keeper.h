/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_KEEPER_H
#define NBD_HELPER_KEEPER_H

/*
 * The keeper: a process that gives a device new connections for those that it loses. It knows
 * nothing that the driver could not tell another keeper, so it may be killed at any time; the disk
 * lives on, and only reconnecting stops.
 */

#include <stdint.h>

struct error;

/**
 * struct keeper_request - what to keep
 * @index: the device
 * @session: the attach; the keeper ends with it. 0: what is attached now
 * @connect_timeout: milliseconds for a connection and its handshake
 * @peer_timeout: as in struct connect_request
 * @patience: milliseconds to wait for an earlier keeper of the device to end
 */
struct keeper_request {
	uint32_t index;
	uint64_t session;
	unsigned int connect_timeout;
	uint32_t peer_timeout;
	unsigned int patience;
};

/*
 * Leaves a keeper in the background. From the return on it hears of each connection that is lost.
 * EXIT_BUSY if the device has a keeper, EXIT_FALSE if it is not attached.
 */
int keeper_start(const struct keeper_request *request, struct error *err);

/* Is the keeper, until the device is detached or a signal says to stop; the disk lives on then. */
int keeper_run(const struct keeper_request *request, struct error *err);

#endif
