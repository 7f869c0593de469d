/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_CONNECT_H
#define NBD_HELPER_CONNECT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct deadline;
struct error;
struct target;

typedef bool (*connect_avoid_fn)(void *context, const struct sockaddr *address, socklen_t length);
typedef void (*connect_tried_fn)(void *context, const struct sockaddr *address, socklen_t length,
				 int rc, bool others);

/**
 * struct connect_request - where to connect to, and how
 * @peer_timeout: milliseconds of silence after which a TCP connection is dropped; 0 for the
 *	system's settings
 * @address: where the server was found before, or NULL; tried first if it is among the addresses of
 *	the name, and alone if the name cannot be looked up
 * @pinned: connect to @address only, without a lookup
 * @no_lookup: resolve no name: the host is a numeric address, or @address is used
 * @avoid: true for an address that is not to be tried; NULL if there are none
 * @tried: called after each attempt, with 0 or a negative errno, and whether other addresses are
 *	left or in progress; may be NULL
 * @context: for @avoid and @tried
 *
 * All except @target are for TCP.
 */
struct connect_request {
	const struct target *target;
	uint32_t peer_timeout;
	const struct sockaddr *address;
	socklen_t address_length;
	bool pinned;
	bool no_lookup;
	connect_avoid_fn avoid;
	connect_tried_fn tried;
	void *context;
};

/* Stores the peer address of @fd. Returns its length, 0 if it is not TCP. */
socklen_t connect_peer(int fd, struct sockaddr_storage *address);

/* Pins @request to the peer of @fd, if it is TCP; @room stores the address and must outlive it. */
void connect_pin(struct connect_request *request, int fd, struct sockaddr_storage *room);

/*
 * Connects to the server, by any of its addresses. Returns a non-blocking socket, or -1 with @err
 * filled in. The lookup of a name may exceed the deadline, as getaddrinfo() has no timeout. So
 * names are looked up only in processes that can be killed.
 */
int connect_target(const struct connect_request *request, const struct deadline *deadline,
		   struct error *err);

#endif
