// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "negotiate/peers.h"

bool peers_is_same(const struct sockaddr *a, socklen_t a_length, const struct sockaddr *b,
		   socklen_t b_length)
{
	return a_length == b_length && (!a_length || !memcmp(a, b, a_length));
}

static int peers_find(const struct peers *peers, const struct sockaddr *address, socklen_t length)
{
	unsigned int i;

	for (i = 0; i < peers->n; i++)
		if (peers_is_same((const struct sockaddr *)&peers->list[i].address,
				  peers->list[i].length, address, length))
			return i;
	return -1;
}

static struct peer *peers_room(struct peers *peers)
{
	struct peer *room = NULL;
	unsigned int i;

	if (peers->n < PEERS_MAX)
		return &peers->list[peers->n++];
	for (i = 0; i < PEERS_MAX; i++)
		if (peers->list[i].length &&
		    (!room || peers->list[i].backoff.next < room->backoff.next))
			room = &peers->list[i];
	return room;
}

struct peer *peers_get(struct peers *peers, const struct sockaddr *address, socklen_t length)
{
	int i = peers_find(peers, address, length);
	struct peer *peer;

	if (i >= 0)
		return &peers->list[i];
	peer = peers_room(peers);
	memset(peer, 0, sizeof(*peer));
	if (length)
		memcpy(&peer->address, address, length);
	peer->length = length;
	return peer;
}

bool peers_has(const struct peers *peers, const struct sockaddr *address, socklen_t length)
{
	return peers_find(peers, address, length) >= 0;
}

unsigned int peers_left(const struct peers *peers, const struct sockaddr *address, socklen_t length,
			uint64_t now)
{
	int i = peers_find(peers, address, length);

	return i < 0 ? 0 : backoff_left(&peers->list[i].backoff, now);
}

void peers_forgive(struct peers *peers)
{
	unsigned int i;

	for (i = 0; i < peers->n; i++)
		memset(&peers->list[i].backoff, 0, sizeof(peers->list[i].backoff));
}

uint64_t peers_next(const struct peers *peers, uint64_t now)
{
	uint64_t next = 0;
	unsigned int i;

	for (i = 0; i < peers->n; i++) {
		const struct peer *peer = &peers->list[i];

		if (peer->length && backoff_left(&peer->backoff, now) &&
		    (!next || peer->backoff.next < next))
			next = peer->backoff.next;
	}
	return next;
}
