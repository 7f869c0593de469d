/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_RENEW_H
#define NBD_HELPER_RENEW_H

/*
 * Further connections for a device that is attached: where to, and what to negotiate, so that they
 * are like those it had.
 */

struct error;
struct kernel_device;
struct negotiation_request;
struct target;

/* The server that a device is attached to, as the driver was told. */
int renew_target(const struct kernel_device *device, struct target *target, struct error *err);

/* Fills in target and handshake of @request. They point into @device and @target. */
/*
 * While a connection works, others lead to its address: a name may have addresses of several
 * servers. Says whether there is one; @connect refers to @device then.
 */
bool renew_pin(const struct kernel_device *device, struct connect_request *connect);

void renew_request(const struct kernel_device *device, const struct target *target,
		   struct negotiation_request *request);

#endif
