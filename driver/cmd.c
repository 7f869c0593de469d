// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands. A command has one owner at a time: the submitter, then the
 * connection it was given to, then whoever ends its last half. A connection
 * that fails gives its commands back only after its workers were joined, so
 * nothing here races with a reply.
 */
#include <linux/bio.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "cmd.h"
#include "error.h"
#include "private.h"
#include "trace.h"

/**
 * nbd_cmd_table_alloc() - make the commands of a session
 * @table: where to
 * @queues: hardware queues
 * @depth: tags of each
 * @nr_own: commands that belong to no request
 *
 * Return: 0 or -ENOMEM.
 */
int nbd_cmd_table_alloc(struct nbd_cmd_table *table, u32 queues, u32 depth, u32 nr_own)
{
	u32 total = queues * depth + nr_own, i;

	table->cmds = kvcalloc(total, sizeof(*table->cmds), GFP_KERNEL);
	if (!table->cmds)
		return -ENOMEM;
	table->queues = queues;
	table->depth = depth;
	table->total = total;
	for (i = 0; i < total; i++)
		table->cmds[i].index = i;
	return 0;
}

void nbd_cmd_table_free(struct nbd_cmd_table *table)
{
	u32 i;

	if (!table->cmds)
		return;
	for (i = 0; i < table->total; i++)
		kfree(table->cmds[i].cover.runs);
	kvfree(table->cmds);
	table->cmds = NULL;
}

/* The command of a request that blk-mq has given a tag */
struct nbd_cmd *nbd_cmd_of(const struct nbd_cmd_table *table, struct request *rq)
{
	u32 unique = blk_mq_unique_tag(rq);
	u32 queue = blk_mq_unique_tag_to_hwq(unique), tag = blk_mq_unique_tag_to_tag(unique);

	if (WARN_ON_ONCE(queue >= table->queues || tag >= table->depth))
		return NULL;
	return &table->cmds[queue * table->depth + tag];
}

/**
 * nbd_cmd_own() - a command that is no request's, prepared
 * @table: the session's commands
 * @nth: which of its own, whose users take turns
 * @type: what it is to do, without payload
 * @done: is completed when it ends
 *
 * Return: the command.
 */
struct nbd_cmd *nbd_cmd_own(struct nbd_cmd_table *table, u32 nth, u16 type,
			    struct completion *done)
{
	struct nbd_cmd *cmd = &table->cmds[table->queues * table->depth + nth];

	cmd->own_done = done;
	cmd->req = (struct nbd_req){ .type = type };
	cmd->status = BLK_STS_OK;
	return cmd;
}

/**
 * nbd_cmd_find() - the command a reply is for
 * @table: the session's commands
 * @conn: the connection the reply came on; the caller is its receiver
 * @cookie: from the reply, any number
 *
 * Return: the command, which stays @conn's until its reply half is ended; or
 * NULL if no such command waits for a reply on this connection.
 */
struct nbd_cmd *nbd_cmd_find(const struct nbd_cmd_table *table, struct nbd_conn *conn, u64 cookie)
{
	u32 index = lower_32_bits(cookie);
	struct nbd_cmd *cmd;

	if (index >= table->total)
		return NULL;
	cmd = &table->cmds[index];
	if (!(atomic_read_acquire(&cmd->halves) & NBD_HALF_REPLY))
		return NULL;
	if (READ_ONCE(cmd->conn) != conn || cmd->gen != upper_32_bits(cookie))
		return NULL;
	return cmd;
}

/* Commands that a connection has and has not refused */
u32 nbd_cmd_count(const struct nbd_cmd_table *table, const struct nbd_conn *conn)
{
	const struct nbd_cmd *cmd;
	u32 n = 0;

	for (cmd = table->cmds; cmd < table->cmds + table->total; cmd++)
		n += READ_ONCE(cmd->conn) == conn && !READ_ONCE(cmd->refused);
	return n;
}

static void set_private(struct nbd_cmd *cmd, const struct nbd_private *private)
{
	cmd->req = private->req;
	cmd->query = private->query;
}

static void set_range(struct nbd_cmd *cmd, u16 type, u16 flags)
{
	cmd->req = (struct nbd_req){
		.offset = (u64)blk_rq_pos(cmd->rq) << SECTOR_SHIFT,
		.length = blk_rq_bytes(cmd->rq),
		.type = type,
		.flags = flags,
	};
}

/**
 * nbd_cmd_prepare() - translate a request
 * @cmd: its command, idle
 * @rq: the request
 * @export: what the server can do
 *
 * Return: BLK_STS_OK, or with what the request must end.
 */
blk_status_t nbd_cmd_prepare(struct nbd_cmd *cmd, struct request *rq,
			     const struct nbd_export *export)
{
	u16 fua = rq->cmd_flags & REQ_FUA ? NBD_CF_FUA : 0;
	struct nbd_pdu *pdu = blk_mq_rq_to_pdu(rq);
	u64 size = READ_ONCE(export->size);

	cmd->rq = rq;
	cmd->conn = NULL;
	cmd->rest = 0;
	cmd->error = 0;
	cmd->status = BLK_STS_OK;
	cmd->deaths = 0;
	cmd->df = false;
	cmd->late = 0;
	cmd->query = NULL;
	pdu->cmd = cmd;
	pdu->error = 0;

	if (export->read_only && op_is_write(req_op(rq)))
		return BLK_STS_IOERR;
	switch (req_op(rq)) {
	case REQ_OP_READ:
		set_range(cmd, NBD_READ, 0);
		break;
	case REQ_OP_WRITE:
		set_range(cmd, NBD_WRITE, fua);
		break;
	case REQ_OP_FLUSH:
		cmd->req = (struct nbd_req){ .type = NBD_FLUSH };
		break;
	case REQ_OP_DISCARD:
		set_range(cmd, NBD_TRIM, fua);
		break;
	case REQ_OP_WRITE_ZEROES:
		set_range(cmd, NBD_ZEROES,
			  fua | (rq->cmd_flags & REQ_NOUNMAP ? NBD_CF_NO_HOLE : 0));
		break;
	case REQ_OP_DRV_IN:
		set_private(cmd, pdu->private);
		return BLK_STS_OK;
	default:
		return BLK_STS_NOTSUPP;
	}
	/* "offset + length never beyond the export": a resize may have raced */
	if (cmd->req.type != NBD_FLUSH &&
	    (cmd->req.length > size || cmd->req.offset > size - cmd->req.length))
		return BLK_STS_IOERR;
	return BLK_STS_OK;
}

/**
 * nbd_cmd_start() - give a command to a connection
 * @cmd: prepared
 * @conn: the connection, which owns it from now on
 */
void nbd_cmd_start(struct nbd_cmd *cmd, struct nbd_conn *conn)
{
	cmd->gen++;
	cmd->error = 0;
	WRITE_ONCE(cmd->refused, false);
	nbd_cover_reset(&cmd->cover);
	cmd->cursor.bio = NULL;
	cmd->at = 0;
	cmd->seeks = 0;
	WRITE_ONCE(cmd->started, jiffies);
	WRITE_ONCE(cmd->conn, conn);
	atomic_set_release(&cmd->halves, NBD_HALF_SEND | NBD_HALF_REPLY);
}

/**
 * nbd_cmd_half() - a half of a command has ended
 * @cmd: the command
 * @half: NBD_HALF_*
 *
 * Return: true if it was the last; then the caller completes the command, else
 * it must not touch it any more.
 */
bool nbd_cmd_half(struct nbd_cmd *cmd, unsigned int half)
{
	return !(atomic_fetch_andnot(half, &cmd->halves) & ~half);
}

/*
 * Does the request end here? Where all processors share a queue, blk-mq has each request end in a
 * softirq of its own, for those who complete in hard interrupts; but there are no batches. We never
 * do, so what is not far away ends at once.
 */
static bool ends_here(struct request *rq)
{
	if (rq->q->nr_hw_queues == 1 && !test_bit(QUEUE_FLAG_SAME_FORCE, &rq->q->queue_flags) &&
	    cpu_to_node(blk_mq_rq_cpu(rq)) == numa_node_id()) {
		blk_mq_set_request_complete(rq);
		return true;
	}
	return !blk_mq_complete_request_remote(rq);
}

/**
 * nbd_cmd_complete() - end the request of a command
 * @cmd: the caller's alone; the tag may be in use again before this returns
 * @done: requests that the caller ends together, soon; or NULL
 */
void nbd_cmd_complete(struct nbd_cmd *cmd, struct io_comp_batch *done)
{
	struct request *rq = cmd->rq;
	struct nbd_pdu *pdu;

	if (cmd->error && cmd->status == BLK_STS_OK)
		cmd->status = nbd_error_to_status(cmd->error);
	trace_nbd_done(cmd);
	atomic_set(&cmd->halves, 0);
	WRITE_ONCE(cmd->conn, NULL);
	if (!rq) {
		complete(cmd->own_done);
		return;
	}
	pdu = blk_mq_rq_to_pdu(rq);
	pdu->status = cmd->status;
	pdu->error = cmd->error;
	if (!ends_here(rq))
		return;
	/* A batch knows of no errors, and not that private requests have tags of their own */
	if (pdu->status != BLK_STS_OK || blk_rq_is_passthrough(rq) ||
	    !blk_mq_add_to_batch(rq, done, 0, blk_mq_end_request_batch))
		blk_mq_end_request(rq, pdu->status);
}

/* End what nbd_cmd_complete() has collected */
void nbd_cmds_end(struct io_comp_batch *done)
{
	if (!done->complete)
		return;
	done->complete(done);
	memset(done, 0, sizeof(*done));
}

/* No server answers it */
void nbd_cmd_abort(struct nbd_cmd *cmd)
{
	cmd->status = BLK_STS_IOERR;
	nbd_cmd_complete(cmd, NULL);
}

/* The reply carried an error; the first one counts */
void nbd_cmd_fail(struct nbd_cmd *cmd, u32 error)
{
	if (!cmd->error)
		cmd->error = error;
}

/* The reply was that another server should be asked */
void nbd_cmd_refused(struct nbd_cmd *cmd)
{
	cmd->error = 0;
	WRITE_ONCE(cmd->refused, true);
}

static int enlarge(struct nbd_cover *c)
{
	u32 cap = c->cap ? c->cap * 2 : 16;
	struct nbd_run *runs;

	if (cap > NBD_COVER_MAX)
		return -E2BIG;
	runs = krealloc(c->runs, cap * sizeof(*runs), GFP_NOWAIT | __GFP_NOWARN);
	if (!runs)
		return -ENOMEM;
	c->runs = runs;
	c->cap = cap;
	return 0;
}

/**
 * nbd_cmd_cover() - note that a stretch of a READ was answered
 * @cmd: the command, with its reply under way
 * @offset: of the stretch in the export, inside of the request
 * @length: of the stretch, in bytes
 *
 * Return: 0; -EEXIST if any of it was answered before; -E2BIG if the reply is in
 * too many pieces; -ENOMEM.
 */
int nbd_cmd_cover(struct nbd_cmd *cmd, u64 offset, u32 length)
{
	u32 start = offset - cmd->req.offset;
	int err;

	err = nbd_cover_add(&cmd->cover, start, length);
	if (err != -ENOSPC)
		return err;
	err = enlarge(&cmd->cover);
	if (err)
		return err;
	return nbd_cover_add(&cmd->cover, start, length);
}

/**
 * nbd_cmd_seek() - content of a READ follows
 * @cmd: the command, with its reply under way
 * @offset: of the content in the export, inside of the request
 *
 * Usually it goes on where it was; to go back means to begin at the first page.
 *
 * Return: false if the server went back too often.
 */
bool nbd_cmd_seek(struct nbd_cmd *cmd, u64 offset)
{
	u32 at = offset - cmd->req.offset;

	if (at < cmd->at && cmd->seeks++ == NBD_MAX_SEEKS)
		return false;
	if (at < cmd->at || !cmd->cursor.bio)
		nbd_cursor_init(&cmd->cursor, cmd->rq, at);
	else
		nbd_cursor_advance(&cmd->cursor, at - cmd->at);
	cmd->at = at;
	return true;
}

static void settle(struct nbd_cursor *c)
{
	while (c->bio && !c->iter.bi_size) {
		c->bio = c->bio->bi_next;
		if (c->bio)
			c->iter = c->bio->bi_iter;
	}
}

/* Payload at a cursor that one mapping reaches: a page, where mappings are made for pages */
static struct bio_vec mapped_bvec(const struct nbd_cursor *c)
{
	if (IS_ENABLED(CONFIG_KMAP_LOCAL))
		return bvec_iter_bvec(c->bio->bi_io_vec, c->iter);
	return mp_bvec_iter_bvec(c->bio->bi_io_vec, c->iter);
}

/**
 * nbd_cursor_init() - point into the payload of a request
 * @c: the cursor
 * @rq: the request
 * @skip: bytes to skip
 */
void nbd_cursor_init(struct nbd_cursor *c, struct request *rq, u32 skip)
{
	c->bio = rq->bio;
	if (c->bio)
		c->iter = c->bio->bi_iter;
	settle(c);
	nbd_cursor_advance(c, skip);
}

void nbd_cursor_advance(struct nbd_cursor *c, u32 bytes)
{
	while (bytes && c->bio) {
		u32 n = min(bytes, c->iter.bi_size);

		/* Past all of it there is no need to know the pages */
		if (n == c->iter.bi_size)
			c->iter.bi_size = 0;
		else
			bvec_iter_advance(c->bio->bi_io_vec, &c->iter, n);
		bytes -= n;
		settle(c);
	}
}

/**
 * nbd_cursor_copy() - copy to the payload at a cursor, and move past it
 * @c: where it begins
 * @from: what to copy
 * @bytes: how much
 *
 * Context: any.
 * Return: bytes copied, fewer only at the end of the payload.
 */
u32 nbd_cursor_copy(struct nbd_cursor *c, const void *from, u32 bytes)
{
	u32 left = bytes;

	while (left && c->bio) {
		struct bio_vec v = mapped_bvec(c);
		void *to;

		v.bv_len = min(v.bv_len, left);
		to = bvec_kmap_local(&v);
		nbd_copy(to, from, v.bv_len);
		kunmap_local(to);
		from += v.bv_len;
		left -= v.bv_len;
		bvec_iter_advance_single(c->bio->bi_io_vec, &c->iter, v.bv_len);
		settle(c);
	}
	return bytes - left;
}

/**
 * nbd_cursor_fill() - describe the payload at a cursor, and move past it
 * @c: where it begins
 * @vec: where the description goes
 * @nr: in: room at @vec, out: entries used
 * @bytes: most bytes to describe
 *
 * Return: bytes described.
 */
u32 nbd_cursor_fill(struct nbd_cursor *c, struct bio_vec *vec, u32 *nr, u32 bytes)
{
	u32 left = bytes, used = 0;

	while (left && c->bio && used < *nr) {
		struct bio_vec v = mp_bvec_iter_bvec(c->bio->bi_io_vec, c->iter);

		v.bv_len = min(v.bv_len, left);
		vec[used++] = v;
		left -= v.bv_len;
		bvec_iter_advance_single(c->bio->bi_io_vec, &c->iter, v.bv_len);
		settle(c);
	}
	*nr = used;
	return bytes - left;
}

/* Zero payload, and move past it */
void nbd_cursor_zero(struct nbd_cursor *c, u32 bytes)
{
	while (bytes && c->bio) {
		struct bio_vec v = bvec_iter_bvec(c->bio->bi_io_vec, c->iter);

		v.bv_len = min(v.bv_len, bytes);
		memzero_bvec(&v);
		bytes -= v.bv_len;
		nbd_cursor_advance(c, v.bv_len);
	}
}
