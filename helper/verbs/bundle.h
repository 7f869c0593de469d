/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_BUNDLE_H
#define NBD_HELPER_BUNDLE_H

#include <stdbool.h>

#include "kernel/kernel.h"
#include "negotiate/export.h"
#include "negotiate/negotiate.h"

/* Connections negotiated at the same time; the listen backlog of a server may be short. */
#define BUNDLE_AT_ONCE		8

/**
 * struct bundle - connections of one disk; all zero at first
 * @request: of each connection; after the first, its address is @address
 * @n: how many are complete
 * @begun: those from @n up to here are being negotiated
 * @near: the server replies so fast that one process negotiates one connection after the other
 * @address: of the server, if TCP
 *
 * All lead to the same export and the same address, as a name may have addresses of several
 * servers.
 */
struct bundle {
	struct negotiation_request request;
	unsigned int n;
	unsigned int begun;
	bool near;
	struct sockaddr_storage address;
	struct negotiation negotiations[BUNDLE_AT_ONCE];
	struct export exports[KERNEL_MAX_CONNECTIONS];
	int fds[KERNEL_MAX_CONNECTIONS];
};

/*
 * Makes the first connection, to any address of the server. Another address is tried if the
 * handshake with one fails, but not if the server refuses the export.
 */
int bundle_first(struct bundle *bundle, struct error *err);

/* Completes the next of @want connections, each in @milliseconds, and starts those after it. */
int bundle_add(struct bundle *bundle, unsigned int want, unsigned int milliseconds,
	       struct error *err);

/* Fails if the last connection differs from the first in what was negotiated. */
int bundle_compare(const struct bundle *bundle, struct error *err);

/* Cancels the negotiations that are still in progress. */
void bundle_settle(struct bundle *bundle);

/* Closes and frees all connections, with a soft disconnect if the driver did not take them over. */
void bundle_close(struct bundle *bundle, bool handed_over);

#endif
