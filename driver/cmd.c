// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands. A command has one owner at a time: the submitter, then a connection, then the sender or
 * receiver of that, whichever is done with it last. The commands of a connection that has failed
 * are taken from it after both were joined, so nothing here races with a reply.
 */
#include <linux/bio.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "cmd.h"
#include "copy.h"
#include "error.h"
#include "query.h"
#include "trace.h"

/**
 * nbd_cmd_table_alloc() - allocate the commands of a session
 * @table: the table, zeroed
 * @queues: number of hardware queues
 * @depth: tags of each queue, including the reserved ones
 * @nr_internal: number of internal commands
 *
 * Context: Process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int nbd_cmd_table_alloc(struct nbd_cmd_table *table, u32 queues, u32 depth, u32 nr_internal)
{
	u32 total = queues * depth + nr_internal, i;

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

/**
 * nbd_cmd_of() - find the command of a request
 * @table: the session's commands
 * @rq: request that has a tag
 *
 * Context: Any.
 * Return: the command, or NULL if the queue or the tag is not in @table, which is a bug.
 */
struct nbd_cmd *nbd_cmd_of(const struct nbd_cmd_table *table, struct request *rq)
{
	u32 unique = blk_mq_unique_tag(rq);
	u32 queue = blk_mq_unique_tag_to_hwq(unique), tag = blk_mq_unique_tag_to_tag(unique);

	if (WARN_ON_ONCE(queue >= table->queues || tag >= table->depth))
		return NULL;
	return &table->cmds[queue * table->depth + tag];
}

/**
 * nbd_cmd_init_internal() - initialise an internal command
 * @table: the session's commands
 * @nth: number of the internal command, which is not in flight
 * @type: enum nbd_type, without range and payload
 * @done: completion that is signalled when the command ends
 *
 * Context: Any.
 * Return: the command, ready to be submitted.
 */
struct nbd_cmd *nbd_cmd_init_internal(struct nbd_cmd_table *table, u32 nth, u16 type,
				      struct completion *done)
{
	struct nbd_cmd *cmd = &table->cmds[table->queues * table->depth + nth];

	cmd->internal_done = done;
	cmd->req = (struct nbd_req){ .type = type };
	cmd->error = 0;
	cmd->status = BLK_STS_OK;
	cmd->deaths = 0;
	cmd->late = 0;
	cmd->pinned = false;
	return cmd;
}

/**
 * nbd_cmd_find() - find the command that a reply is for
 * @table: the session's commands
 * @conn: connection that the reply came on
 * @cookie: cookie of the reply, not trusted
 *
 * Context: The receiver of @conn.
 * Return: the command, which @conn owns until the caller clears NBD_PENDING_REPLY; or NULL if no
 * command with this cookie waits for a reply on @conn.
 */
struct nbd_cmd *nbd_cmd_find(const struct nbd_cmd_table *table, struct nbd_conn *conn, u64 cookie)
{
	u32 index = lower_32_bits(cookie);
	struct nbd_cmd *cmd;

	if (index >= table->total)
		return NULL;
	cmd = &table->cmds[index];
	if (!(atomic_read_acquire(&cmd->pending) & NBD_PENDING_REPLY))
		return NULL;
	if (READ_ONCE(cmd->conn) != conn || cmd->gen != upper_32_bits(cookie))
		return NULL;
	return cmd;
}

/**
 * nbd_cmd_count() - count the commands of a connection
 * @table: the session's commands
 * @conn: the connection
 *
 * Context: Any; a snapshot, unless the workers of @conn were joined.
 * Return: commands that @conn owns, without those whose reply was ESHUTDOWN.
 */
u32 nbd_cmd_count(const struct nbd_cmd_table *table, const struct nbd_conn *conn)
{
	const struct nbd_cmd *cmd;
	u32 n = 0;

	for (cmd = table->cmds; cmd < table->cmds + table->total; cmd++)
		n += READ_ONCE(cmd->conn) == conn && !READ_ONCE(cmd->refused);
	return n;
}

static void cmd_set_query(struct nbd_cmd *cmd, struct nbd_query *query)
{
	cmd->req = query->req;
	cmd->query = query;
}

static void cmd_set_range(struct nbd_cmd *cmd, u16 type, u16 flags)
{
	cmd->req = (struct nbd_req){
		.offset = (u64)blk_rq_pos(cmd->rq) << SECTOR_SHIFT,
		.length = blk_rq_bytes(cmd->rq),
		.type = type,
		.flags = flags,
	};
}

/**
 * nbd_cmd_prepare() - translate a request of the block layer
 * @cmd: command of @rq, idle
 * @rq: the request, not yet started
 * @export: negotiated parameters
 *
 * Context: queue_rq(). Does not sleep.
 * Return: BLK_STS_OK, or the status to fail the request with.
 */
blk_status_t nbd_cmd_prepare(struct nbd_cmd *cmd, struct request *rq,
			     const struct nbd_export *export)
{
	u16 fua = rq->cmd_flags & REQ_FUA ? NBD_CMD_FLAG_FUA : 0;
	struct nbd_pdu *pdu = blk_mq_rq_to_pdu(rq);
	u64 size = READ_ONCE(export->size);

	cmd->rq = rq;
	cmd->conn = NULL;
	cmd->rest = 0;
	cmd->error = 0;
	cmd->status = BLK_STS_OK;
	cmd->deaths = 0;
	cmd->df = false;
	cmd->pinned = false;
	cmd->late = 0;
	cmd->query = NULL;
	pdu->cmd = cmd;
	pdu->error = 0;

	if (export->read_only && op_is_write(req_op(rq)))
		return BLK_STS_IOERR;
	switch (req_op(rq)) {
	case REQ_OP_READ:
		cmd_set_range(cmd, NBD_CMD_READ, 0);
		break;
	case REQ_OP_WRITE:
		cmd_set_range(cmd, NBD_CMD_WRITE, fua);
		break;
	case REQ_OP_FLUSH:
		cmd->req = (struct nbd_req){ .type = NBD_CMD_FLUSH };
		break;
	case REQ_OP_DISCARD:
		cmd_set_range(cmd, NBD_CMD_TRIM, fua);
		break;
	case REQ_OP_WRITE_ZEROES:
		cmd_set_range(cmd, NBD_CMD_WRITE_ZEROES,
			      fua | (rq->cmd_flags & REQ_NOUNMAP ? NBD_CMD_FLAG_NO_HOLE : 0));
		break;
	case REQ_OP_DRV_IN:
		cmd_set_query(cmd, pdu->query);
		return BLK_STS_OK;
	default:
		return BLK_STS_NOTSUPP;
	}
	/* "Size constraints"; the export may have shrunk since the block layer's check */
	if (cmd->req.type != NBD_CMD_FLUSH &&
	    (cmd->req.length > size || cmd->req.offset > size - cmd->req.length))
		return BLK_STS_IOERR;
	return BLK_STS_OK;
}

/**
 * nbd_cmd_start() - make a connection the owner of a command
 * @cmd: prepared, owned by the caller
 * @conn: the new owner
 *
 * The command gets a new cookie, and loses what a reply to the previous one has left.
 *
 * Context: Any.
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
	atomic_set_release(&cmd->pending, NBD_PENDING_SEND | NBD_PENDING_REPLY);
}

/**
 * nbd_cmd_clear_pending() - clear a bit of nbd_cmd.pending
 * @cmd: the command
 * @half: NBD_HALF_*
 *
 * Context: Any.
 * Return: true if no other bit is set: the caller owns the command, and completes or resends it.
 * Otherwise the caller must not touch the command any more.
 */
bool nbd_cmd_clear_pending(struct nbd_cmd *cmd, unsigned int half)
{
	return !(atomic_fetch_andnot(half, &cmd->pending) & ~half);
}

/*
 * True if the caller is to end the request, false if blk-mq does so on another CPU or later. With a
 * single hardware queue blk-mq would defer each request to BLOCK_SOFTIRQ, for drivers that complete
 * in hard interrupts, and could not batch them. We never do, so unless rq_affinity is 2, requests
 * from CPUs of this NUMA node are ended here.
 */
static bool cmd_ends_here(struct request *rq)
{
	if (rq->q->nr_hw_queues == 1 && !test_bit(QUEUE_FLAG_SAME_FORCE, &rq->q->queue_flags) &&
	    cpu_to_node(blk_mq_rq_cpu(rq)) == numa_node_id()) {
		blk_mq_set_request_complete(rq);
		return true;
	}
	return !blk_mq_complete_request_remote(rq);
}

/**
 * nbd_cmd_complete() - complete a command, and end its request
 * @cmd: owned by the caller; its tag may be in use again before this returns
 * @done: batch for requests that need not end at once, for nbd_cmds_end(); or NULL
 *
 * Context: Any except hard interrupts. Does not sleep.
 */
void nbd_cmd_complete(struct nbd_cmd *cmd, struct io_comp_batch *done)
{
	struct request *rq = cmd->rq;
	struct nbd_pdu *pdu;

	if (cmd->error && cmd->status == BLK_STS_OK)
		cmd->status = nbd_error_to_status(cmd->error);
	trace_nbd_done(cmd);
	atomic_set(&cmd->pending, 0);
	WRITE_ONCE(cmd->conn, NULL);
	if (!rq) {
		complete(cmd->internal_done);
		return;
	}
	pdu = blk_mq_rq_to_pdu(rq);
	pdu->status = cmd->status;
	pdu->error = cmd->error;
	if (!cmd_ends_here(rq))
		return;
	/* Batches end with BLK_STS_OK only, and cannot free reserved tags */
	if (pdu->status != BLK_STS_OK || blk_rq_is_passthrough(rq) ||
	    !blk_mq_add_to_batch(rq, done, 0, blk_mq_end_request_batch))
		blk_mq_end_request(rq, pdu->status);
}

/**
 * nbd_cmds_end() - end the requests that nbd_cmd_complete() has collected
 * @done: the batch, which is empty afterwards
 *
 * Context: As nbd_cmd_complete().
 */
void nbd_cmds_end(struct io_comp_batch *done)
{
	if (!done->complete)
		return;
	done->complete(done);
	memset(done, 0, sizeof(*done));
}

/* Fail a command that no server can execute, with EIO. Context as nbd_cmd_complete(). */
void nbd_cmd_abort(struct nbd_cmd *cmd)
{
	cmd->status = BLK_STS_IOERR;
	nbd_cmd_complete(cmd, NULL);
}

/* Record an error of the reply; only the first one counts */
void nbd_cmd_fail(struct nbd_cmd *cmd, u32 error)
{
	if (!cmd->error)
		cmd->error = error;
}

/* Record that the reply was ESHUTDOWN, so that another server may execute the command */
void nbd_cmd_refused(struct nbd_cmd *cmd)
{
	cmd->error = 0;
	WRITE_ONCE(cmd->refused, true);
}

static int cmd_enlarge_cover(struct nbd_cover *c)
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
 * nbd_cmd_cover() - record which bytes of a READ a chunk brings
 * @cmd: the command
 * @offset: offset of the bytes in the export, checked to be in the request
 * @length: number of bytes, not 0, checked to be in the request
 *
 * Context: The receiver of the command's connection. Does not sleep.
 * Return: 0; -EEXIST if any of the bytes has come before; -E2BIG if there are too many gaps;
 * -ENOMEM.
 */
int nbd_cmd_cover(struct nbd_cmd *cmd, u64 offset, u32 length)
{
	u32 start = offset - cmd->req.offset;
	int err;

	err = nbd_cover_add(&cmd->cover, start, length);
	if (err != -ENOSPC)
		return err;
	err = cmd_enlarge_cover(&cmd->cover);
	if (err)
		return err;
	return nbd_cover_add(&cmd->cover, start, length);
}

/**
 * nbd_cmd_seek() - move the cursor to where the next data of a READ belongs
 * @cmd: the command
 * @offset: offset of the data in the export, checked to be in the request
 *
 * Servers usually continue where they were. To go back, the cursor starts again from the first bio.
 *
 * Context: The receiver of the command's connection. Does not sleep.
 * Return: false if the server went back more than NBD_MAX_SEEKS times.
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

static void cmd_cursor_skip_empty(struct nbd_cursor *c)
{
	while (c->bio && !c->iter.bi_size) {
		c->bio = c->bio->bi_next;
		if (c->bio)
			c->iter = c->bio->bi_iter;
	}
}

/* The bvec at a cursor, or its first page only if bvec_kmap_local() may map single pages */
static struct bio_vec cmd_mapped_bvec(const struct nbd_cursor *c)
{
	if (IS_ENABLED(CONFIG_KMAP_LOCAL))
		return bvec_iter_bvec(c->bio->bi_io_vec, c->iter);
	return mp_bvec_iter_bvec(c->bio->bi_io_vec, c->iter);
}

/**
 * nbd_cursor_init() - set a cursor to a position in the payload of a request
 * @c: the cursor
 * @rq: the request
 * @skip: the position, in bytes
 *
 * Context: Any, as for the other functions for cursors.
 */
void nbd_cursor_init(struct nbd_cursor *c, struct request *rq, u32 skip)
{
	c->bio = rq->bio;
	if (c->bio)
		c->iter = c->bio->bi_iter;
	cmd_cursor_skip_empty(c);
	nbd_cursor_advance(c, skip);
}

void nbd_cursor_advance(struct nbd_cursor *c, u32 bytes)
{
	while (bytes && c->bio) {
		u32 n = min(bytes, c->iter.bi_size);

		/* A bio that is skipped as a whole need not be walked */
		if (n == c->iter.bi_size)
			c->iter.bi_size = 0;
		else
			bvec_iter_advance(c->bio->bi_io_vec, &c->iter, n);
		bytes -= n;
		cmd_cursor_skip_empty(c);
	}
}

/**
 * nbd_cursor_copy() - copy to the payload at a cursor, and advance the cursor
 * @c: the cursor
 * @from: source
 * @bytes: number of bytes
 *
 * Context: Any.
 * Return: bytes copied, fewer than @bytes only at the end of the payload.
 */
u32 nbd_cursor_copy(struct nbd_cursor *c, const void *from, u32 bytes)
{
	u32 left = bytes;

	while (left && c->bio) {
		struct bio_vec v = cmd_mapped_bvec(c);
		void *to;

		v.bv_len = min(v.bv_len, left);
		to = bvec_kmap_local(&v);
		nbd_copy(to, from, v.bv_len);
		kunmap_local(to);
		from += v.bv_len;
		left -= v.bv_len;
		bvec_iter_advance_single(c->bio->bi_io_vec, &c->iter, v.bv_len);
		cmd_cursor_skip_empty(c);
	}
	return bytes - left;
}

/**
 * nbd_cursor_fill() - describe the payload at a cursor by bvecs, and advance the cursor
 * @c: the cursor
 * @vec: array of bvecs to fill
 * @nr: in: size of @vec, out: entries used
 * @bytes: most bytes to describe
 *
 * Context: Any.
 * Return: bytes described; fewer than @bytes if @vec is full or the payload ends.
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
		cmd_cursor_skip_empty(c);
	}
	*nr = used;
	return bytes - left;
}

/* Zero the payload at a cursor, and advance the cursor */
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
