/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_TRANSPORT_H
#define NBD_HELPER_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

/**
 * struct transport - a byte stream to the server
 * @read: fills @buf with exactly @len bytes, and takes no more from the stream: what follows the
 *	handshake is for the kernel
 * @write: sends all of @buf
 * @more: more is written next, and may be sent in the same packet
 *
 * Both functions return 0, -ETIMEDOUT when the deadline has passed, -ENOTCONN when the peer has
 * closed the stream, or another negative errno.
 */
struct transport {
	int (*read)(struct transport *t, void *buf, size_t len);
	int (*write)(struct transport *t, const void *buf, size_t len);
	bool more;
};

/* A point in time, of CLOCK_MONOTONIC, by which everything has to be done. */
struct deadline {
	struct timespec at;
};

struct deadline deadline_in(unsigned int milliseconds);
/* Milliseconds left, for poll(); 0 when it has passed. */
int deadline_left(const struct deadline *deadline);

struct socket_transport {
	struct transport transport;
	int fd;
	struct deadline deadline;
};

/* @fd is non-blocking, and remains the caller's. */
void socket_transport_init(struct socket_transport *st, int fd, struct deadline deadline);

/*
 * A soft disconnect in a transmission phase that the driver does not take over ("Terminating the
 * transmission phase"). The caller closes the socket.
 */
void socket_disconnect(int fd);

#endif
