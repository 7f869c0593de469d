// SPDX-License-Identifier: GPL-2.0-only
/*
 * All randomness of the server: splitmix64, so that a seed repeats a run.
 */
#include "server.h"

#define GOLDEN	0x9e3779b97f4a7c15ULL

uint64_t hash64(uint64_t x)
{
	x += GOLDEN;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

uint64_t random64(uint64_t *state)
{
	*state += GOLDEN;
	return hash64(*state);
}

/* 0 .. limit - 1; 0 if there is no choice. */
uint64_t random_below(uint64_t *state, uint64_t limit)
{
	return limit ? random64(state) % limit : 0;
}
