/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_CONNECT_H
#define NBD_HELPER_CONNECT_H

struct deadline;
struct error;
struct target;

/*
 * Connects to the server, trying each of its addresses. Returns a non-blocking
 * socket, or -1 with @err filled in.
 */
int connect_target(const struct target *target, const struct deadline *deadline, struct error *err);

#endif
