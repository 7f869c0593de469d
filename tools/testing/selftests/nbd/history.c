// SPDX-License-Identifier: GPL-2.0-only
/*
 * As all written values differ, the operations on one value (its write and all reads of it) are
 * next to each other in any order that explains them. From the first end among them to the last
 * begin the sector must have had that value. Where that span is not empty, it can't meet another
 * value's; where it is (all overlap at one moment), the value needs some moment outside the spans
 * of others. (P. B. Gibbons, E. Korach: Testing Shared Memories.)
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "history.h"

/* The operations on one value of a sector: sorted, they are next to each other */
struct cluster {
	uint64_t value;
	uint64_t first_end;
	uint64_t last_begin;
};

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* By sector and value; a value's write comes first */
static int compare_ops(const void *va, const void *vb)
{
	const struct history_op *a = va, *b = vb;

	if (a->sector != b->sector)
		return compare(a->sector, b->sector);
	if (a->value != b->value)
		return compare(a->value, b->value);
	return b->is_write - a->is_write;
}

static bool is_held(const struct cluster *c)
{
	return c->first_end < c->last_begin;
}

static uint64_t start(const struct cluster *c)
{
	return is_held(c) ? c->first_end : c->last_begin;
}

static uint64_t finish(const struct cluster *c)
{
	return is_held(c) ? c->last_begin : c->first_end;
}

static int compare_clusters(const void *a, const void *b)
{
	return compare(start(a), start(b));
}

/* Return: the number of operations in the cluster, 0 if it is wrong by itself */
static size_t gather(const struct history_op *ops, size_t count, struct cluster *c,
		     char *why, size_t size)
{
	const struct history_op *first = ops;
	size_t n;

	*c = (struct cluster){ .value = first->value, .first_end = HISTORY_NEVER };
	if (!first->value)
		c->first_end = 0;	/* written before everything */
	else if (!first->is_write) {
		snprintf(why, size, "sector %" PRIu32 ": read %" PRIu64 ", which nobody wrote",
			 first->sector, first->value);
		return 0;
	}
	for (n = 0; n < count; n++) {
		const struct history_op *op = &ops[n];

		if (op->sector != first->sector || op->value != first->value)
			break;
		if (first->value && op->end < first->begin) {
			snprintf(why, size, "sector %" PRIu32 ": read %" PRIu64 " at %" PRIu64
				 ", written at %" PRIu64, op->sector, op->value, op->end,
				 first->begin);
			return 0;
		}
		if (op->end < c->first_end)
			c->first_end = op->end;
		if (op->begin > c->last_begin)
			c->last_begin = op->begin;
	}
	return n;
}

/* @c by start: one that is held may meet no other that is held, nor contain one that is not */
static bool fit(struct cluster *c, size_t count, uint32_t sector, char *why, size_t size)
{
	const struct cluster *held = NULL;
	size_t i;

	qsort(c, count, sizeof(*c), compare_clusters);
	for (i = 0; i < count; i++) {
		if (held && (is_held(&c[i]) ? start(&c[i]) < finish(held) :
					      finish(&c[i]) < finish(held))) {
			snprintf(why, size, "sector %" PRIu32 ": %" PRIu64 " was there from %"
				 PRIu64 " to %" PRIu64 ", and %" PRIu64 " from %" PRIu64 " to %"
				 PRIu64, sector, held->value, start(held), finish(held), c[i].value,
				 start(&c[i]), finish(&c[i]));
			return false;
		}
		if (is_held(&c[i]))
			held = &c[i];
	}
	return true;
}

bool history_judge(struct history_op *ops, size_t count, char *why, size_t size)
{
	struct cluster *clusters = calloc(count ? count : 1, sizeof(*clusters));
	size_t at = 0, n, used;
	bool good = true;

	if (!clusters) {
		snprintf(why, size, "no memory");
		return false;
	}
	qsort(ops, count, sizeof(*ops), compare_ops);
	while (good && at < count) {
		uint32_t sector = ops[at].sector;

		for (used = 0; good && at < count && ops[at].sector == sector; at += n) {
			n = gather(ops + at, count - at, &clusters[used], why, size);
			good = n;
			/* a write that nobody saw and that was not answered need not have been */
			if (clusters[used].first_end != HISTORY_NEVER)
				used++;
		}
		good = good && fit(clusters, used, sector, why, size);
	}
	free(clusters);
	return good;
}
