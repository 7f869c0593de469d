/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_CONNECTOR_H
#define NBD_HELPER_CONNECTOR_H

#include <stdint.h>
#include <sys/types.h>

struct error;
struct target;

/**
 * struct connector - connections to one server, for a process in the sandbox
 * @fd: to a child that keeps our privileges; it only connects, never reads from the server, and
 *	exits when this is closed
 * @pid: of the child
 * @host: for messages
 */
struct connector {
	int fd;
	pid_t pid;
	const char *host;
};

/* Starts the child. @target must outlive the connector. */
int connector_start(struct connector *connector, const struct target *target, struct error *err);

/*
 * As connect_target(), but fails after @milliseconds and a second, even if a lookup takes longer;
 * after such a timeout the connector is stopped.
 */
int connector_connect(struct connector *connector, uint32_t milliseconds, struct error *err);

/* Ends the child, unless a lookup holds it up; then it exits later by itself. */
void connector_stop(struct connector *connector);

#endif
