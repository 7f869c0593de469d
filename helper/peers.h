/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_PEERS_H
#define NBD_HELPER_PEERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "backoff.h"

/* Of how many addresses of a server it is known how they did. */
#define PEERS_MAX	32

/**
 * struct peer - an address of a server
 * @length: bytes of @address; 0 for the server as such, whichever addresses it has
 * @complaint: which error was last told, 0 for none
 */
struct peer {
	struct sockaddr_storage address;
	socklen_t length;
	uint32_t complaint;
	struct backoff backoff;
};

/**
 * struct peers - all zero at first
 */
struct peers {
	unsigned int n;
	struct peer list[PEERS_MAX];
};

bool peers_is_same(const struct sockaddr *a, socklen_t a_length, const struct sockaddr *b,
		   socklen_t b_length);

/*
 * That of this address, which is added. If there is no room, the address whose pause ends first
 * goes.
 */
struct peer *peers_get(struct peers *peers, const struct sockaddr *address, socklen_t length);

bool peers_has(const struct peers *peers, const struct sockaddr *address, socklen_t length);

/* Milliseconds that this address is to be left alone. */
unsigned int peers_left(const struct peers *peers, const struct sockaddr *address, socklen_t length,
			uint64_t now);

/* Ends all pauses; what was complained of is remembered. */
void peers_forgive(struct peers *peers);

/* When the first pause of an address ends, 0 if none is left alone. */
uint64_t peers_next(const struct peers *peers, uint64_t now);

#endif
