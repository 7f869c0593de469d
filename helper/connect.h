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
 * @peer_timeout: milliseconds after which a TCP peer that does not answer is taken for dead;
 *	0: when the system thinks so
 * @address: where the server was found before; NULL if it wasn't. It is tried first if it is one
 *	of the server's, or nobody can say which are
 * @pinned: take @address or none; what it was looked up from is not asked for another
 * @avoid: whether an address is to be left out; NULL if none
 * @tried: told what became of an attempt, 0 or a negative errno, and whether there are @others that
 *	were not tried; NULL if nobody wants to know
 * @context: for these two
 * @no_lookup: take @address, or a host that is an address, and look up no names
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

/* Where the connection @fd leads to; returns the length, 0 if it is not TCP. */
socklen_t connect_peer(int fd, struct sockaddr_storage *address);

/* Further connections lead where @fd does; @room is for the address. */
void connect_pin(struct connect_request *request, int fd, struct sockaddr_storage *room);

/*
 * Connects to the server, by any of its addresses. Returns a non-blocking socket, or -1 with
 * @err filled in. Looking up a name does not keep to the deadline: libc cannot be told to. So this
 * is done in processes that can be killed.
 */
int connect_target(const struct connect_request *request, const struct deadline *deadline,
		   struct error *err);

#endif
