/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_TRANSPORT_H
#define NBD_HELPER_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

/**
 * struct transport - a byte stream to the server
 * @read: fills @buf with exactly @len bytes and takes not one byte more from
 *	the stream: what follows the handshake belongs to the kernel
 * @write: sends all of @buf
 * @more: more will be written at once, and may go out in one piece with this
 *
 * Both return 0, -ETIMEDOUT when the deadline has passed, -ENOTCONN when the
 * peer closed the stream, or another negative errno.
 */
struct transport {
	int (*read)(struct transport *t, void *buf, size_t len);
	int (*write)(struct transport *t, const void *buf, size_t len);
	bool more;
};

/* A point of CLOCK_MONOTONIC before which everything has to be done. */
struct deadline {
	struct timespec at;
};

struct deadline deadline_in(unsigned int milliseconds);
/* Milliseconds left for poll(), 0 when it has passed. */
int deadline_left(const struct deadline *deadline);

struct socket_transport {
	struct transport transport;
	int fd;
	struct deadline deadline;
};

/* @fd has to be non-blocking; it stays the caller's. */
void socket_transport_init(struct socket_transport *st, int fd, struct deadline deadline);

/*
 * Ends a transmission phase that nobody takes over, as the protocol wants it ("Terminating the
 * transmission phase"). Closing the socket is the caller's.
 */
void socket_disconnect(int fd);

#endif
