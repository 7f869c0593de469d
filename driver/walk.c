// SPDX-License-Identifier: GPL-2.0-only
/* Walks: a range of a disk is asked for in stretches, and what came is put out. */
#include <linux/blkdev.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "../uapi/linux/nbdmap.h"
#include "map.h"
#include "session.h"
#include "walk.h"

/* Bytes asked of a server at once; some answer much slower, or not at all, to more */
#define MAX_STRETCH	(1u << 30)

/* Extents taken from one reply, of all contexts asked for */
#define MAX_EXTENTS	65536u

/* How often a server may answer less than one block in a row */
#define MAX_STUCK	3u

/**
 * struct walk - a block status call under way
 * @arg: what the caller wants, and gets
 * @session: what is asked
 * @q: queue of the disk
 * @query: for the stretch at hand
 * @start: offset of the node on the disk, in bytes
 * @first: first context asked for
 * @nr: how many
 * @stuck: answers in a row that brought nothing
 * @out: memory for what is copied out at once
 * @last: per context, the extent written last, which the next may extend
 * @last_at: per context, its place in the caller's array
 */
struct walk {
	struct nbdmap_status *arg;
	struct nbd_session *session;
	struct request_queue *q;
	struct nbd_query *query;
	u64 start;
	u32 first;
	u32 nr;
	u32 stuck;
	struct nbdmap_extent *out;
	struct nbdmap_extent last[NBD_MAX_CONTEXTS];
	u32 last_at[NBD_MAX_CONTEXTS];
};

static int put_extents(struct walk *w, u32 at, const struct nbdmap_extent *extents, u32 nr)
{
	struct nbdmap_extent __user *to = u64_to_user_ptr(w->arg->extents);

	return copy_to_user(to + at, extents, nr * sizeof(*extents)) ? -EFAULT : 0;
}

/* Put out what one context says of [offset, offset + length) of the node */
static int emit_context(struct walk *w, u32 i, u64 offset, u64 length)
{
	const struct nbd_extents *in = &w->query->extents[w->first + i];
	struct nbdmap_extent *last = &w->last[i];
	u32 nr = 0, k;
	int err;

	for (k = 0; k < in->nr && length; k++) {
		u64 n = min(in->list[k].length, length);

		if (!k && last->length && last->status == in->list[k].status) {
			last->length += n;
			err = put_extents(w, w->last_at[i], last, 1);
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
	err = put_extents(w, w->arg->count, w->out, nr);
	w->arg->count += nr;
	return err;
}

/* How much of a stretch all contexts asked for have answered */
static u32 common(const struct walk *w, u32 length)
{
	u64 covered = length;
	u32 i;

	for (i = 0; i < w->nr; i++)
		covered = min(covered, w->query->extents[w->first + i].covered);
	return covered;
}

/* Was there no room for what came, rather than little that came? */
static bool overflowed(const struct walk *w)
{
	const struct nbd_extents *e;
	u32 i;

	for (i = 0; i < w->nr; i++) {
		e = &w->query->extents[w->first + i];
		if (e->covered < min(e->total, e->length))
			return true;
	}
	return false;
}

/*
 * Ask for one stretch, and put out what came. Contexts may have answered for
 * different lengths; only what all of them know of counts, and of that only
 * whole blocks, for only there the next request may begin. A node that ends
 * within a block is asked for as a whole.
 */
static int walk_stretch(struct walk *w)
{
	u64 offset = w->arg->offset + w->arg->covered;
	u32 length = min_t(u64, w->arg->length - w->arg->covered, MAX_STRETCH);
	u32 i, room = (w->arg->capacity - w->arg->count) / w->nr, block, covered;
	int err;

	block = w->session->export.min_block;
	for (i = 0; i < w->nr; i++)
		w->query->extents[w->first + i].cap = min(room, MAX_EXTENTS / w->nr);
	err = nbd_query_run(w->query, w->q, w->start + offset, round_up(length, block),
			    w->arg->flags & NBDMAP_REQ_ONE);
	if (err)
		return err;
	covered = common(w, length);
	if (covered < length && !(w->arg->flags & NBDMAP_REQ_ONE))
		covered = round_down(covered, block);
	if (!covered)
		return overflowed(w) ? -EOVERFLOW : ++w->stuck < MAX_STUCK ? 0 : -EIO;
	w->stuck = 0;
	for (i = 0; i < w->nr; i++) {
		err = emit_context(w, i, offset, covered);
		if (err)
			return err;
	}
	w->arg->covered += covered;
	return 0;
}

static bool more(const struct walk *w)
{
	return w->arg->covered < w->arg->length && w->arg->capacity - w->arg->count >= w->nr &&
	       !(w->arg->flags & NBDMAP_REQ_ONE);
}

/**
 * nbd_walk() - tell block status
 * @session: what is asked; referenced
 * @bdev: the node that was opened, a disk or a partition; offsets are its own
 * @arg: what the caller wants, checked; @count and @covered are set
 *
 * The caller's process; a fatal signal ends the wait.
 *
 * Return: 0; -EFAULT; -ENOMEM; -EINTR; -EOVERFLOW if there is no room for one
 * block; -EIO if no server could be asked, or never told anything; what the
 * server said.
 */
int nbd_walk(struct nbd_session *session, struct block_device *bdev, struct nbdmap_status *arg)
{
	bool all = arg->context == NBDMAP_ALL;
	struct walk *w;
	int err = -ENOMEM;
	u32 cap;

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
	cap = min(arg->capacity, MAX_EXTENTS) / w->nr;
	w->query = nbd_query_alloc(w->session, w->first, w->nr, cap);
	w->out = kvmalloc_array(cap, sizeof(*w->out), GFP_KERNEL);
	if (!w->query || !w->out)
		goto free;
	do {
		err = walk_stretch(w);
	} while (!err && more(w));
	/* What there is already is worth having; the next call meets the error again */
	if (err != -EFAULT && arg->covered)
		err = 0;
free:
	kvfree(w->out);
	if (w->query)
		nbd_query_put(w->query);
	kfree(w);
	return err;
}
