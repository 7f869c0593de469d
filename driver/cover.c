// SPDX-License-Identifier: GPL-2.0-only
/*
 * Coverage of a READ. Its chunks may come in any order ("Structured reply message"); a gap, an
 * overlap or a repetition is a protocol violation.
 */
#include "cover.h"

/* Index of the first run that ends after @start */
static u32 cover_find(const struct nbd_cover *c, u32 start)
{
	u32 low = 0, high = c->nr;

	while (low < high) {
		u32 mid = low + (high - low) / 2;

		if (c->runs[mid].end <= start)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void cover_remove_run(struct nbd_cover *c, u32 at)
{
	c->nr--;
	memmove(&c->runs[at], &c->runs[at + 1], (c->nr - at) * sizeof(*c->runs));
}

/* Join the run at @at with the next one, if there is no gap between them */
static void cover_join(struct nbd_cover *c, u32 at)
{
	if (at + 1 < c->nr && c->runs[at].end == c->runs[at + 1].start) {
		c->runs[at].end = c->runs[at + 1].end;
		cover_remove_run(c, at + 1);
	}
}

/**
 * nbd_cover_add() - record that a range of bytes has come
 * @c: the coverage
 * @start: offset of the range in the request
 * @length: length of the range in bytes, not 0; the range is in the request
 *
 * Return: 0; -EEXIST if any of the bytes has come before; -ENOSPC if there is no space for another
 * run, then nothing has changed, and the caller may enlarge @c->runs and try again.
 */
int nbd_cover_add(struct nbd_cover *c, u32 start, u32 length)
{
	u32 end = start + length, at;

	if (start < c->next)
		return -EEXIST;
	at = cover_find(c, start);
	if (at < c->nr && c->runs[at].start < end)
		return -EEXIST;

	if (start == c->next) {
		c->next = end;
		if (c->nr && c->runs[0].start == end) {
			c->next = c->runs[0].end;
			cover_remove_run(c, 0);
		}
		return 0;
	}
	if (at && c->runs[at - 1].end == start) {
		c->runs[at - 1].end = end;
		cover_join(c, at - 1);
		return 0;
	}
	if (at < c->nr && c->runs[at].start == end) {
		c->runs[at].start = start;
		return 0;
	}
	if (c->nr == c->cap)
		return -ENOSPC;
	memmove(&c->runs[at + 1], &c->runs[at], (c->nr - at) * sizeof(*c->runs));
	c->runs[at] = (struct nbd_run){ start, end };
	c->nr++;
	return 0;
}
