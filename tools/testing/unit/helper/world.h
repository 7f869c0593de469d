/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_UNIT_WORLD_H
#define NBD_UNIT_WORLD_H

/* A clock, a driver and servers that are made up, for a keeper. A minute takes no time. */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "kernel/kernel.h"

#define MIB			(1ULL << 20)
#define SESSION			7
#define WORLD_MAX_STEPS		400
#define NEGOTIATION_MS		20
#define WORLD_MAX_SERVERS	3

/* An address of the server's name, and who is there */
struct world_server {
	enum { WORKS, REFUSES, DISCONNECTS } is;
	uint64_t size;
	unsigned int attempts;
};

/* What happens at a time, and to which slot or server */
struct world_step {
	uint64_t at;
	void (*happen)(unsigned int n);
	unsigned int n;
};

/**
 * struct world - all that the keeper sees
 * @news: the driver has sent an event
 * @other_news: it has sent one about another device
 * @refusal: the driver takes no connection, for that reason
 * @lost_at, @filled_at: when a slot lost its last connection, and got one
 * @gap: the longest time between these two
 * @target: server of the last attempt, -1 if none was reached
 * @works: it shakes hands
 * @ready: when it has, or has not
 * @cancelled: an attempt was
 */
struct world {
	uint64_t now;
	struct world_step steps[WORLD_MAX_STEPS];
	unsigned int n_steps, at_step;
	struct kernel_device device;
	bool gone, news, other_news, cancelled;
	enum exit_code refusal;
	struct world_server servers[WORLD_MAX_SERVERS];
	unsigned int n_servers;
	unsigned int replaced, resized;
	uint64_t lost_at[KERNEL_MAX_CONNECTIONS], filled_at[KERNEL_MAX_CONNECTIONS], gap;
	int target;
	bool works;
	uint64_t ready;
	int hangups[2];
};

extern struct world world;

/* the longest time between two looks of the keeper at its device, in milliseconds */
extern const unsigned int world_look_ms;

/* Have a new world for each test. */
int world_setup(void **state);
int world_teardown(void **state);

/* Attaches a disk with connections to the first of some servers, all of which work. */
void world_begin(unsigned int n_slots, unsigned int n_servers);

/* Makes it happen at that time. Steps are added in the order of time. */
void world_at(uint64_t milliseconds, void (*happen)(unsigned int n), unsigned int n);

/* Gives a slot a connection to a server. */
void world_fill(unsigned int slot, int server);

/* Runs the keeper until the disk is no more. */
void world_keep(void);

#endif
