/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_BUNDLE_H
#define NBD_HELPER_BUNDLE_H

#include <stdbool.h>

#include "export.h"
#include "kernel.h"
#include "negotiate.h"

/* Connections that are negotiated at the same time; servers let few wait to be accepted. */
#define BUNDLE_AT_ONCE		8

/**
 * struct bundle - connections of one disk, all to the same export and to the same address, as the
 * other addresses of a name may be those of other servers; all zero at first
 * @request: of each; its address is that of the first
 * @n: how many there are
 * @begun: those from @n up to here are being negotiated
 * @near: an answer comes so soon that one process may negotiate one connection after the other
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
 * Makes the first connection, to any address of the server. One where the handshake fails is passed
 * by; one that refuses the export is not.
 */
int bundle_first(struct bundle *bundle, struct error *err);

/* Makes one connection more, on the way to @want, and begins with those after it. */
int bundle_add(struct bundle *bundle, unsigned int want, unsigned int milliseconds,
	       struct error *err);

/* An error if the last is to something else than the first. */
int bundle_compare(const struct bundle *bundle, struct error *err);

/* Ends what is still being negotiated. */
void bundle_settle(struct bundle *bundle);

/* Closes all, after a word to the server if the driver did not take them over. */
void bundle_close(struct bundle *bundle, bool handed_over);

#endif
