/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_CONNECTOR_H
#define NBD_HELPER_CONNECTOR_H

#include <stdint.h>
#include <sys/types.h>

struct error;
struct target;

/**
 * struct connector - connections to one server for a process that may make none itself
 * @fd: to a process that kept our rights and does nothing but connect; it never reads from the
 *	server and ends when this is closed
 * @pid: that process
 * @host: for messages
 */
struct connector {
	int fd;
	pid_t pid;
	const char *host;
};

/* @target has to stay as long as the connector. */
int connector_start(struct connector *connector, const struct target *target, struct error *err);

/* As connect_target(), but keeps to the time in spite of name servers. */
int connector_connect(struct connector *connector, uint32_t milliseconds, struct error *err);

/* Leaves no process behind, unless that hangs. */
void connector_stop(struct connector *connector);

#endif
