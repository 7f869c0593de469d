// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of linux/nbdmap.h: check, ask, copy out. Offsets of the caller
 * are those of the node it has open, a disk or a partition.
 */
#include <linux/blkdev.h>
#include <linux/compat.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "../uapi/linux/nbdmap.h"
#include "device.h"
#include "map.h"

/* Bytes asked of a server at once; some answer much slower, or not at all, to more */
#define MAX_STRETCH	(1u << 30)

/* Extents taken from one reply, of all contexts asked for */
#define MAX_EXTENTS	65536u

/* How often a server may answer less than one block in a row */
#define MAX_STUCK	3u

/**
 * struct walk - a block status call under way
 * @arg: what the caller wants
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
	struct nbdmap_status arg;
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

static int check_contexts(const struct nbd_session *session)
{
	return session->export.nr_contexts ? 0 : -EOPNOTSUPP;
}

static int find_context(const struct nbd_session *session, const struct nbdmap_context *arg)
{
	const struct nbd_export *export = &session->export;
	int err = -ENOENT;
	char *name;
	u32 i;

	if (arg->name_size > NBDMAP_NAME_MAX)
		return -ENOENT;
	name = memdup_user_nul(u64_to_user_ptr(arg->name), arg->name_size);
	if (IS_ERR(name))
		return PTR_ERR(name);
	for (i = 0; i < export->nr_contexts; i++) {
		if (strlen(name) == arg->name_size && !strcmp(name, export->contexts[i])) {
			err = i;
			break;
		}
	}
	kfree(name);
	return err;
}

static int show_context(const struct nbd_session *session, struct nbdmap_context *arg)
{
	const char *name;
	u32 len;

	if (arg->index >= session->export.nr_contexts)
		return -ENOENT;
	name = session->export.contexts[arg->index];
	len = strlen(name);
	if (copy_to_user(u64_to_user_ptr(arg->name), name, min(len, arg->name_size)))
		return -EFAULT;
	arg->name_size = len;
	return 0;
}

static int ioctl_context(struct nbd_session *session, void __user *argp)
{
	struct nbdmap_context arg;
	int err;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	if (arg.reserved)
		return -EINVAL;
	err = check_contexts(session);
	if (err)
		return err;
	if (arg.index == NBDMAP_BY_NAME) {
		err = find_context(session, &arg);
		if (err < 0)
			return err;
		arg.index = err;
	} else {
		err = show_context(session, &arg);
		if (err)
			return err;
	}
	arg.count = session->export.nr_contexts;
	return copy_to_user(argp, &arg, sizeof(arg)) ? -EFAULT : 0;
}

/*
 * Is the range one of the server's blocks, and inside of the node? Its end may be
 * the node's.
 */
static int check_range(const struct walk *w, u64 node_size)
{
	u64 mask = w->session->export.min_block - 1;
	u64 offset = w->arg.offset, length = w->arg.length;

	if (!length || length > node_size || offset > node_size - length)
		return -EINVAL;
	if ((w->start + offset) & mask)
		return -EINVAL;
	if (((w->start + offset + length) & mask) && offset + length != node_size)
		return -EINVAL;
	return 0;
}

static int check_status(struct walk *w, u64 node_size)
{
	const struct nbdmap_status *arg = &w->arg;
	int err;

	if (arg->reserved[0] || arg->reserved[1] || arg->flags & ~NBDMAP_REQ_ONE)
		return -EINVAL;
	err = check_contexts(w->session);
	if (err)
		return err;
	w->first = arg->context;
	w->nr = 1;
	if (arg->context == NBDMAP_ALL) {
		w->first = 0;
		w->nr = w->session->export.nr_contexts;
	} else if (arg->context >= w->session->export.nr_contexts) {
		return -ENOENT;
	}
	if (arg->capacity < w->nr)
		return -EINVAL;
	return check_range(w, node_size);
}

static int put_extents(struct walk *w, u32 at, const struct nbdmap_extent *extents, u32 nr)
{
	struct nbdmap_extent __user *to = u64_to_user_ptr(w->arg.extents);

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
			w->last_at[i] = w->arg.count + nr;
			w->out[nr++] = *last;
		}
		offset += n;
		length -= n;
	}
	err = put_extents(w, w->arg.count, w->out, nr);
	w->arg.count += nr;
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
	u64 offset = w->arg.offset + w->arg.covered;
	u32 length = min_t(u64, w->arg.length - w->arg.covered, MAX_STRETCH);
	u32 i, room = (w->arg.capacity - w->arg.count) / w->nr, block, covered;
	int err;

	block = w->session->export.min_block;
	for (i = 0; i < w->nr; i++)
		w->query->extents[w->first + i].cap = min(room, MAX_EXTENTS / w->nr);
	err = nbd_query_run(w->query, w->q, w->start + offset, round_up(length, block),
			    w->arg.flags & NBDMAP_REQ_ONE);
	if (err)
		return err;
	covered = common(w, length);
	if (covered < length && !(w->arg.flags & NBDMAP_REQ_ONE))
		covered = round_down(covered, block);
	if (!covered)
		return overflowed(w) ? -EOVERFLOW : ++w->stuck < MAX_STUCK ? 0 : -EIO;
	w->stuck = 0;
	for (i = 0; i < w->nr; i++) {
		err = emit_context(w, i, offset, covered);
		if (err)
			return err;
	}
	w->arg.covered += covered;
	return 0;
}

static bool more(const struct walk *w)
{
	return w->arg.covered < w->arg.length && w->arg.capacity - w->arg.count >= w->nr &&
	       !(w->arg.flags & NBDMAP_REQ_ONE);
}

static int walk(struct walk *w)
{
	u32 cap = min(w->arg.capacity, MAX_EXTENTS) / w->nr;
	int err = -ENOMEM;

	w->query = nbd_query_alloc(w->session, w->first, w->nr, cap);
	w->out = kvmalloc_array(cap, sizeof(*w->out), GFP_KERNEL);
	if (!w->query || !w->out)
		goto free;
	do {
		err = walk_stretch(w);
	} while (!err && more(w));
	/* What there is already is worth having; the next call meets the error again */
	if (err != -EFAULT && w->arg.covered)
		err = 0;
free:
	kvfree(w->out);
	if (w->query)
		nbd_query_put(w->query);
	return err;
}

static int ioctl_status(struct block_device *bdev, struct nbd_session *session, void __user *argp)
{
	struct walk *w;
	int err;

	w = kzalloc(sizeof(*w), GFP_KERNEL);
	if (!w)
		return -ENOMEM;
	err = -EFAULT;
	if (copy_from_user(&w->arg, argp, sizeof(w->arg)))
		goto free;
	w->arg.count = 0;
	w->arg.covered = 0;
	w->session = session;
	w->q = bdev_get_queue(bdev);
	w->start = (u64)get_start_sect(bdev) << SECTOR_SHIFT;
	err = check_status(w, bdev_nr_bytes(bdev));
	if (err)
		goto free;
	err = walk(w);
	if (!err && copy_to_user(argp, &w->arg, sizeof(w->arg)))
		err = -EFAULT;
free:
	kfree(w);
	return err;
}

int nbd_ioctl(struct block_device *bdev, nbd_mode_t mode, unsigned int cmd, unsigned long arg)
{
	struct nbd_device *dev = bdev->bd_disk->private_data;
	struct nbd_session *session;
	int err;

	if (cmd != NBDMAP_IOC_CONTEXT && cmd != NBDMAP_IOC_STATUS)
		return -ENOTTY;
	if (!(mode & NBD_MODE_READ))
		return -EBADF;
	session = nbd_device_get_session(dev);
	if (!session)
		return -ENOTCONN;
	if (cmd == NBDMAP_IOC_CONTEXT)
		err = ioctl_context(session, (void __user *)arg);
	else
		err = ioctl_status(bdev, session, (void __user *)arg);
	nbd_session_put(session);
	return err;
}

int nbd_compat_ioctl(struct block_device *bdev, nbd_mode_t mode, unsigned int cmd,
		     unsigned long arg)
{
	/* The structures are the same; only the pointer is short */
	return nbd_ioctl(bdev, mode, cmd, (unsigned long)compat_ptr(arg));
}
