/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_KEEPER_H
#define NBD_HELPER_KEEPER_H

/*
 * The keeper is the reconnect daemon of a device: a process that replaces lost connections. It
 * needs to know only what the driver can tell another keeper. So it may be killed at any time: the
 * disk continues to work, but lost connections are not replaced.
 */

#include <stdint.h>

struct error;

/**
 * struct keeper_request - parameters of a keeper
 * @index: the device
 * @session: number of the attach, with which the keeper ends; 0 for what is attached now
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
 * Starts a keeper in the background. When this returns, it is subscribed to the events of the
 * driver. EXIT_BUSY if the device has a keeper, EXIT_FALSE if it is not attached.
 */
int keeper_start(const struct keeper_request *request, struct error *err);

/*
 * Becomes the keeper until the device is detached or a signal asks to stop; the disk remains then.
 */
int keeper_run(const struct keeper_request *request, struct error *err);

#endif
