/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_RENEW_H
#define NBD_HELPER_RENEW_H

/*
 * Further connections for an attached device: where to connect to, and what to negotiate so that
 * they are like those it had.
 */

#include <stdbool.h>

struct connect_request;
struct error;
struct kernel_device;
struct negotiation_request;
struct target;

/* Parses the URI of the server that the driver was given for a device. */
int renew_target(const struct kernel_device *device, struct target *target, struct error *err);

/*
 * While a connection works, new ones lead to its address, as a name may have addresses of several
 * servers. Returns true if one does (TCP only): then pins @connect, which points into @device.
 */
bool renew_pin(const struct kernel_device *device, struct connect_request *connect);

/* Fills in target and handshake of @request, which point into @device and @target. */
void renew_request(const struct kernel_device *device, const struct target *target,
		   struct negotiation_request *request);

#endif
