// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "base/error.h"
#include "maps/runs.h"

void run_joiner_init(struct run_joiner *joiner, struct run_sink *sink, uint64_t start,
		     uint64_t end)
{
	joiner->sink = sink;
	joiner->start = start;
	joiner->end = end;
	joiner->last.length = 0;
}

int run_joiner_finish(struct run_joiner *joiner, struct error *err)
{
	struct run last = joiner->last;

	joiner->last.length = 0;
	return last.length ? joiner->sink->add(joiner->sink, &last, err) : 0;
}

int run_joiner_add(struct run_joiner *joiner, const struct run *run, struct error *err)
{
	uint64_t start = run->offset > joiner->start ? run->offset : joiner->start;
	uint64_t end = run->offset + run->length;
	struct run *last = &joiner->last;

	if (end > joiner->end || end < run->offset)
		end = joiner->end;
	if (start >= end)
		return 0;
	if (last->length && last->status == run->status && last->offset + last->length == start) {
		last->length += end - start;
		return 0;
	}
	if (run_joiner_finish(joiner, err))
		return -1;
	last->offset = start;
	last->length = end - start;
	last->status = run->status;
	return 0;
}

static int run_totals_add(struct run_sink *sink, const struct run *run, struct error *err)
{
	struct run_totals *totals = (struct run_totals *)sink;
	unsigned int low = 0, high = totals->n, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (totals->entries[middle].status < run->status)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == totals->n || totals->entries[low].status != run->status) {
		if (totals->n == RUN_TOTALS_MAX)
			return error_set(err, EXIT_SYSTEM, "more than %d kinds of extents",
					 RUN_TOTALS_MAX);
		memmove(&totals->entries[low + 1], &totals->entries[low],
			(totals->n++ - low) * sizeof(totals->entries[0]));
		totals->entries[low].status = run->status;
		totals->entries[low].bytes = 0;
	}
	totals->entries[low].bytes += run->length;
	return 0;
}

void run_totals_init(struct run_totals *totals)
{
	totals->sink.add = run_totals_add;
	totals->n = 0;
}
