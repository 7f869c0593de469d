/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_PEERS_H
#define NBD_HELPER_PEERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "negotiate/backoff.h"

/* Most addresses of a server whose state is kept */
#define PEERS_MAX	32

/**
 * struct peer - an address of a server
 * @length: bytes of @address; 0 for the server as a whole, whichever addresses it has
 * @complaint: hash of the error that was logged last, 0 for none
 */
struct peer {
	struct sockaddr_storage address;
	socklen_t length;
	uint32_t complaint;
	struct backoff backoff;
};

/**
 * struct peers - addresses of a server; all zero at first
 */
struct peers {
	unsigned int n;
	struct peer list[PEERS_MAX];
};

bool peers_is_same(const struct sockaddr *a, socklen_t a_length, const struct sockaddr *b,
		   socklen_t b_length);

/*
 * Returns the entry of an address, a new one if there is none. If the list is full, it replaces the
 * address whose pause ends first.
 */
struct peer *peers_get(struct peers *peers, const struct sockaddr *address, socklen_t length);

bool peers_has(const struct peers *peers, const struct sockaddr *address, socklen_t length);

/* Milliseconds until the pause of this address ends, 0 if it is in none. */
unsigned int peers_left(const struct peers *peers, const struct sockaddr *address, socklen_t length,
			uint64_t now);

/* Ends all pauses and resets them; what was logged is remembered. */
void peers_forgive(struct peers *peers);

/* When the first pause of an address ends, in milliseconds; 0 if none is in a pause. */
uint64_t peers_next(const struct peers *peers, uint64_t now);

#endif
