// SPDX-License-Identifier: GPL-2.0-only
/*
 * Walks: the block status of a range is queried in subranges, several at a time, and the extents
 * are copied out in order.
 */
#include <linux/blkdev.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "../uapi/linux/nbdmap.h"
#include "map.h"
#include "session.h"
#include "walk.h"

/* Most bytes of one query; some servers reply to larger ones much slower, or not at all */
#define MAX_QUERY_BYTES	(1u << 30)

/* Most subranges queried at a time */
#define MAX_AHEAD	NBD_QUERY_TAGS

/* Most extents kept of one reply, of all queried contexts */
#define MAX_EXTENTS	65536u

/* The walk fails after this many replies in a row for less than one block */
#define MAX_STUCK	3u

/**
 * struct subrange - a subrange
 * @query: its query, allocated when it is first used
 * @offset: start of what was not yet copied out, in bytes from the start of the block device
 * @length: length of that, in bytes
 */
struct subrange {
	struct nbd_query *query;
	u64 offset;
	u32 length;
};

/**
 * struct walk - a call of NBDMAP_IOC_STATUS
 * @arg: what the caller wants, and gets
 * @session: session that is queried
 * @q: queue of the disk
 * @start: offset of the block device on the disk, in bytes
 * @first: index of the first queried context
 * @nr: number of queried contexts
 * @stuck: replies in a row for less than one block
 * @subranges: ring of subranges
 * @head: index of the subrange to copy out next
 * @asked: number of subranges, from @head on, that were queried
 * @next: end of those, in bytes from the start of the block device
 * @window: limit of @asked: 1 at first and after a reply for a part of a subrange, doubled after
 *	others
 * @brought: extents of the last reply, for the context with the most
 * @out: buffer for the extents that are copied out together
 * @last: per context, the extent written last, which the next one may extend
 * @last_at: per context, index of @last in the caller's array
 */
struct walk {
	struct nbdmap_status *arg;
	struct nbd_session *session;
	struct request_queue *q;
	u64 start;
	u32 first;
	u32 nr;
	u32 stuck;
	struct subrange subranges[MAX_AHEAD];
	u32 head;
	u32 asked;
	u64 next;
	u32 window;
	u32 brought;
	struct nbdmap_extent *out;
	struct nbdmap_extent last[NBD_MAX_CONTEXTS];
	u32 last_at[NBD_MAX_CONTEXTS];
};

static u64 walk_end(const struct walk *w)
{
	return w->arg->offset + w->arg->length;
}

/* Extents of each context that fit into what is left of the caller's array */
static u32 walk_space(const struct walk *w)
{
	return (w->arg->capacity - w->arg->count) / w->nr;
}

static bool walk_is_single(const struct walk *w)
{
	return w->arg->flags & NBDMAP_REQ_ONE;
}

/* Most extents that are kept of a reply, for each context */
static u32 walk_list_size(const struct walk *w)
{
	return min(w->arg->capacity, MAX_EXTENTS) / w->nr;
}

/*
 * Number of subranges worth querying: replies whose extents will not fit into the caller's array
 * are wasted.
 */
static u32 walk_window(const struct walk *w)
{
	return clamp(walk_space(w) / (w->brought + 1), 1u, w->window);
}

/* ---- querying ---- */

static int walk_query(struct walk *w, struct subrange *s, bool wait)
{
	struct nbd_req req = {
		.offset = w->start + s->offset,
		/* The whole block, if the block device ends inside of one */
		.length = round_up(s->length, w->session->export.min_block),
		.flags = walk_is_single(w) ? NBD_CMD_FLAG_REQ_ONE : 0,
	};
	u32 i;

	if (!s->query)
		s->query = nbd_map_alloc(w->session, w->first, w->nr, walk_list_size(w));
	if (!s->query)
		return -ENOMEM;
	for (i = 0; i < w->nr; i++)
		s->query->extents[w->first + i].cap = min(walk_space(w), walk_list_size(w));
	return nbd_map_start(s->query, w->q, &req, wait);
}

/* Query subranges. Only the first one has to be; the others can be when they are first. */
static int walk_query_ahead(struct walk *w)
{
	struct subrange *s;
	int err;

	while (w->asked < walk_window(w) && w->next < walk_end(w)) {
		s = &w->subranges[(w->head + w->asked) % MAX_AHEAD];
		s->offset = w->next;
		s->length = min_t(u64, walk_end(w) - w->next, MAX_QUERY_BYTES);
		err = walk_query(w, s, !w->asked);
		if (err)
			return w->asked ? 0 : err;
		w->next += s->length;
		w->asked++;
	}
	return 0;
}

/* ---- copying out ---- */

static int walk_put_extents(struct walk *w, u32 at, const struct nbdmap_extent *extents, u32 nr)
{
	struct nbdmap_extent __user *to = u64_to_user_ptr(w->arg->extents);

	return copy_to_user(to + at, extents, nr * sizeof(*extents)) ? -EFAULT : 0;
}

/* Copy out the extents of one context for @length bytes at @offset of the block device */
static int walk_emit_context(struct walk *w, const struct nbd_extents *in, u32 i, u64 offset,
			     u64 length)
{
	struct nbdmap_extent *last = &w->last[i];
	u32 nr = 0, k;
	int err;

	for (k = 0; k < in->nr && length; k++) {
		u64 n = min(in->list[k].length, length);

		if (!k && last->length && last->status == in->list[k].status) {
			last->length += n;
			err = walk_put_extents(w, w->last_at[i], last, 1);
			if (err)
				return err;
		} else {
			*last = (struct nbdmap_extent){ offset, n, in->list[k].status,
							w->first + i, 0 };
			w->last_at[i] = w->arg->count + nr;
			w->out[nr++] = *last;
		}
		offset += n;
		length -= n;
	}
	err = walk_put_extents(w, w->arg->count, w->out, nr);
	w->arg->count += nr;
	return err;
}

static int walk_emit(struct walk *w, const struct subrange *s, u32 covered)
{
	u32 i;
	int err;

	w->brought = 0;
	for (i = 0; i < w->nr; i++) {
		const struct nbd_extents *in = &s->query->extents[w->first + i];

		w->brought = max(w->brought, in->nr);
		err = walk_emit_context(w, in, i, s->offset, covered);
		if (err)
			return err;
	}
	w->arg->covered += covered;
	return 0;
}

/* Bytes that a context's reply covers with its first @nr extents */
static u64 walk_covered_in(const struct nbd_extents *e, u32 nr)
{
	u64 covered = 0;
	u32 k;

	if (e->nr <= nr)
		return e->covered;
	for (k = 0; k < nr; k++)
		covered += e->list[k].length;
	return covered;
}

/*
 * Bytes of a subrange that are covered for all queried contexts and whose extents fit into the
 * caller's array. Unless a single extent is wanted, a part is rounded down to whole blocks, as the
 * next query has to begin at one.
 */
static u32 walk_common(const struct walk *w, const struct subrange *s)
{
	u64 covered = s->length;
	u32 i;

	for (i = 0; i < w->nr; i++)
		covered = min(covered, walk_covered_in(&s->query->extents[w->first + i],
						       walk_space(w)));
	if (covered < s->length && !walk_is_single(w))
		covered = round_down(covered, w->session->export.min_block);
	return covered;
}

/* True if the caller's array is too small for what has come, rather than the reply too short */
static bool walk_is_overflow(const struct walk *w, const struct subrange *s)
{
	const struct nbd_extents *e;
	u32 i;

	for (i = 0; i < w->nr; i++) {
		e = &s->query->extents[w->first + i];
		if (walk_covered_in(e, walk_space(w)) < min(e->total, e->length))
			return true;
	}
	return false;
}

/* Finish the subrange at the head, or query the rest of it */
static int walk_advance(struct walk *w, struct subrange *s, u32 covered)
{
	s->offset += covered;
	s->length -= covered;
	if (!s->length)
		w->window = min(2 * w->window, MAX_AHEAD);
	else
		w->window = 1;
	if (s->length && w->asked > 1)
		return walk_space(w) ? walk_query(w, s, true) : 0;
	/* Done; or none was queried behind it, and the next subrange begins with the rest */
	w->next -= s->length;
	w->head = (w->head + 1) % MAX_AHEAD;
	w->asked--;
	return 0;
}

static int walk_take_reply(struct walk *w)
{
	struct subrange *s = &w->subranges[w->head];
	u32 covered;
	int err;

	err = nbd_map_wait(s->query);
	if (err)
		return err;
	covered = walk_common(w, s);
	if (covered) {
		w->stuck = 0;
		err = walk_emit(w, s, covered);
	} else if (walk_is_overflow(w, s)) {
		err = -EOVERFLOW;
	} else if (++w->stuck == MAX_STUCK) {
		err = -EIO;
	}
	return err ?: walk_advance(w, s, covered);
}

static bool walk_has_more(const struct walk *w)
{
	return w->arg->covered < w->arg->length && walk_space(w) && !walk_is_single(w);
}

static int walk_run(struct walk *w)
{
	u32 i;
	int err;

	do {
		err = walk_query_ahead(w) ?: walk_take_reply(w);
	} while (!err && walk_has_more(w));
	for (i = 0; i < MAX_AHEAD; i++)
		if (w->subranges[i].query)
			nbd_map_put(w->subranges[i].query);
	/* Return what was found; the next call hits the error again */
	return err != -EFAULT && w->arg->covered ? 0 : err;
}

/**
 * nbd_walk() - query the block status of a range
 * @session: referenced session to query
 * @bdev: block device that was opened, a disk or a partition
 * @arg: what the caller wants, checked, with offsets on @bdev; @count and @covered are set
 *
 * Context: Process context of the caller, sleeps; a fatal signal ends the wait.
 * Return: 0, also if a part of the range was covered before an error; -EFAULT; -ENOMEM; -EINTR
 * after a fatal signal; -EOVERFLOW if the extents of one block do not fit into the caller's array;
 * -EIO if no server replied, or MAX_STUCK replies in a row were for less than one block; or the
 * error of the server.
 */
int nbd_walk(struct nbd_session *session, struct block_device *bdev, struct nbdmap_status *arg)
{
	bool all = arg->context == NBDMAP_ALL;
	struct walk *w;
	int err = -ENOMEM;

	arg->count = 0;
	arg->covered = 0;
	w = kzalloc(sizeof(*w), GFP_KERNEL);
	if (!w)
		return -ENOMEM;
	w->arg = arg;
	w->session = session;
	w->q = bdev_get_queue(bdev);
	w->start = (u64)get_start_sect(bdev) << SECTOR_SHIFT;
	w->first = all ? 0 : arg->context;
	w->nr = all ? session->export.nr_contexts : 1;
	w->next = arg->offset;
	w->window = 1;
	w->out = kvmalloc_array(walk_list_size(w), sizeof(*w->out), GFP_KERNEL);
	if (!w->out)
		goto free;
	err = walk_run(w);
	kvfree(w->out);
free:
	kfree(w);
	return err;
}
