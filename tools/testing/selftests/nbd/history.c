// SPDX-License-Identifier: GPL-2.0-only
/*
 * As all written values differ, it is known of each read what it has seen. A write may be carried
 * out several times until it is answered. So there is a span for each value: from the answer to its
 * write to the begin of the last read that has seen it, the sector must have had that value, and
 * spans can't meet. A read that began before the answer needs only one moment at which the value
 * was there, outside the spans of others; so does a write that nobody saw. (After P. B. Gibbons,
 * E. Korach: Testing Shared Memories, where each write is carried out once.)
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "history.h"

/* A time at which a sector has a value: throughout, if it is held, else at one moment of it */
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

static bool explain(const struct history_op *op, const char *what, char *why, size_t size)
{
	snprintf(why, size, "sector %" PRIu32 ": read %" PRIu64 " at %" PRIu64 ", %s", op->sector,
		 op->value, op->end, what);
	return false;
}

/*
 * All operations on one value, of which @ops[0] is the write, but for 0, which was there before
 * everything. Adds to @c, of which @used are.
 */
static bool gather(const struct history_op *ops, size_t count, struct cluster *c, size_t *used,
		   char *why, size_t size)
{
	struct history_op write = { 0 };
	uint64_t last_begin;
	size_t i;

	if (ops[0].value && !ops[0].is_write)
		return explain(&ops[0], "which nobody wrote", why, size);
	if (ops[0].value)
		write = ops[0];
	last_begin = write.begin;
	for (i = !!ops[0].value; i < count; i++) {
		const struct history_op *read = &ops[i];

		if (read->end < write.begin)
			return explain(read, "before it was written", why, size);
		if (read->begin > write.end)
			last_begin = read->begin > last_begin ? read->begin : last_begin;
		else
			c[(*used)++] = (struct cluster){
				.value = read->value,
				.first_end = read->end < write.end ? read->end : write.end,
				.last_begin = read->begin > write.begin ? read->begin : write.begin,
			};
	}
	/* a write that was never answered need not have been carried out */
	if (write.end != HISTORY_NEVER)
		c[(*used)++] = (struct cluster){ ops[0].value, write.end, last_begin };
	return true;
}

static size_t count_value(const struct history_op *ops, size_t count)
{
	size_t n;

	for (n = 1; n < count; n++)
		if (ops[n].sector != ops->sector || ops[n].value != ops->value)
			break;
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
	/* one for each operation, and one for what was there before */
	struct cluster *clusters = calloc(count + 1, sizeof(*clusters));
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
			n = count_value(ops + at, count - at);
			good = gather(ops + at, n, clusters, &used, why, size);
		}
		good = good && fit(clusters, used, sector, why, size);
	}
	free(clusters);
	return good;
}
