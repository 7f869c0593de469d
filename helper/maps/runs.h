/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_RUNS_H
#define NBD_HELPER_RUNS_H

#include <stdbool.h>
#include <stdint.h>

struct error;

/**
 * struct run - a range of bytes of equal status
 */
struct run {
	uint64_t offset;
	uint64_t length;
	uint64_t status;
};

/**
 * struct run_sink - consumer of a map, run after run in ascending order
 * @add: returns 0, or -1 with @err filled in to end the map
 */
struct run_sink {
	int (*add)(struct run_sink *sink, const struct run *run, struct error *err);
};

/**
 * struct run_joiner - joins neighbours of equal status, and cuts the map to a range
 * @sink: gets the joined runs
 * @start, @end: the range, in bytes
 * @last: the run that may still grow; none while its length is 0
 */
struct run_joiner {
	struct run_sink *sink;
	uint64_t start;
	uint64_t end;
	struct run last;
};

void run_joiner_init(struct run_joiner *joiner, struct run_sink *sink, uint64_t start,
		     uint64_t end);
int run_joiner_add(struct run_joiner *joiner, const struct run *run, struct error *err);
/* Passes the last run to the sink. */
int run_joiner_finish(struct run_joiner *joiner, struct error *err);

/* Most different statuses that are counted */
#define RUN_TOTALS_MAX	1024

struct run_total {
	uint64_t status;
	uint64_t bytes;
};

/**
 * struct run_totals - bytes of each status, in ascending order of status
 */
struct run_totals {
	struct run_sink sink;
	unsigned int n;
	struct run_total entries[RUN_TOTALS_MAX];
};

void run_totals_init(struct run_totals *totals);

#endif
