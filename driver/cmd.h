/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Commands: the state of a request from queue_rq() to its completion, and internal commands, which
 * have no request. They are entries of a table of the session, indexed by hardware queue and tag,
 * so a lookup by a cookie from a server never touches freed memory.
 */
#ifndef NBD_CMD_H
#define NBD_CMD_H

#include <linux/blk-mq.h>
#include <linux/completion.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/uio.h>

#include "cover.h"
#include "export.h"
#include "proto.h"

struct nbd_conn;
struct nbd_query;

/* A command fails with EIO when the loss of this many connections was counted against it */
#define NBD_MAX_DEATHS		5u
/* From this many on it is sent alone, so that no other command is suspected with it */
#define NBD_SUSPECT_DEATHS	2u

/* How often a server may go back in the data of one READ: each time costs a walk over the bios */
#define NBD_MAX_SEEKS		NBD_COVER_MAX

/* nbd_cmd.pending: what a command in flight waits for; it is completed when both have ended */
#define NBD_PENDING_SEND	(1u << 0)	/* the sender needs the command or its payload */
#define NBD_PENDING_REPLY	(1u << 1)	/* the reply has not ended */

/**
 * struct nbd_cursor - a position in the payload of a request
 * @bio: current bio, NULL at the end
 * @iter: position in @bio, which has bytes left
 */
struct nbd_cursor {
	struct bio *bio;
	struct bvec_iter iter;
};

/**
 * struct nbd_cmd - a command
 * @req: what is sent
 * @rest: bytes of the request after those of @req, which are sent when @req has succeeded
 * @rq: the request, from nbd_cmd_prepare() to nbd_cmd_complete(); NULL for an internal command
 * @internal_done: completion that is signalled when an internal command ends
 * @conn: connection that owns it; NULL while it is idle, parked or a suspect. Written by the
 *	owner of the command
 * @started: when @conn got it, in jiffies
 * @pending: NBD_HALF_*, 0 if it is not in flight
 * @gen: upper half of the cookie, incremented each time the command is given to a connection
 * @index: lower half of the cookie, index in the session's table
 * @error: first error of the reply, NBD_E*, or 0
 * @status: status to complete with; if it is BLK_STS_OK, @error decides
 * @deaths: lost connections that count against it
 * @df: this READ is sent with DF, except on connections with NBD_CONN_NO_DF
 * @refused: the server of @conn has replied with ESHUTDOWN, another may execute it
 * @pinned: it fails with its connection, instead of being resent by another
 * @blamed: nbd_conn.died of the last connection in @deaths
 * @late: get_jiffies_64() when it first lost a connection without blame, plus the times in
 *	flight that do not count since; or 0
 * @cover: bytes of a READ that the reply has covered so far
 * @cursor: where the next byte of a READ goes, used by the receiver; its bio is NULL before the
 *	first one
 * @at: offset of @cursor in the request, in bytes
 * @seeks: how often the server went back
 * @query: the block status query that it sends, else NULL
 * @snode: link in nbd_conn.submitted
 * @list: link in a list of the sender or of the session
 */
struct nbd_cmd {
	struct nbd_req req;
	u32 rest;
	struct request *rq;
	struct completion *internal_done;
	struct nbd_conn *conn;
	unsigned long started;
	atomic_t pending;
	u32 gen;
	u32 index;
	u32 error;
	blk_status_t status;
	u8 deaths;
	bool df;
	bool refused;
	bool pinned;
	u32 blamed;
	u64 late;
	struct nbd_cover cover;
	struct nbd_cursor cursor;
	u32 at;
	u32 seeks;
	struct nbd_query *query;
	struct llist_node snode;
	struct list_head list;
};

/**
 * struct nbd_cmd_table - the commands of a session
 * @queues: number of hardware queues
 * @depth: tags of each queue, including the reserved ones
 * @total: number of commands
 * @cmds: a command for each tag of each queue, then the internal commands
 */
struct nbd_cmd_table {
	u32 queues;
	u32 depth;
	u32 total;
	struct nbd_cmd *cmds;
};

int nbd_cmd_table_alloc(struct nbd_cmd_table *table, u32 queues, u32 depth, u32 nr_internal);
void nbd_cmd_table_free(struct nbd_cmd_table *table);

struct nbd_cmd *nbd_cmd_of(const struct nbd_cmd_table *table, struct request *rq);
struct nbd_cmd *nbd_cmd_init_internal(struct nbd_cmd_table *table, u32 nth, u16 type,
				      struct completion *done);
struct nbd_cmd *nbd_cmd_find(const struct nbd_cmd_table *table, struct nbd_conn *conn, u64 cookie);
u32 nbd_cmd_count(const struct nbd_cmd_table *table, const struct nbd_conn *conn);
blk_status_t nbd_cmd_prepare(struct nbd_cmd *cmd, struct request *rq,
			     const struct nbd_export *export);
void nbd_cmd_start(struct nbd_cmd *cmd, struct nbd_conn *conn);
bool nbd_cmd_clear_pending(struct nbd_cmd *cmd, unsigned int half);
void nbd_cmd_complete(struct nbd_cmd *cmd, struct io_comp_batch *done);
void nbd_cmds_end(struct io_comp_batch *done);
void nbd_cmd_abort(struct nbd_cmd *cmd);
void nbd_cmd_fail(struct nbd_cmd *cmd, u32 error);
void nbd_cmd_refused(struct nbd_cmd *cmd);
bool nbd_cmd_seek(struct nbd_cmd *cmd, u64 offset);
int nbd_cmd_cover(struct nbd_cmd *cmd, u64 offset, u32 length);

void nbd_cursor_init(struct nbd_cursor *c, struct request *rq, u32 skip);
void nbd_cursor_advance(struct nbd_cursor *c, u32 bytes);
u32 nbd_cursor_copy(struct nbd_cursor *c, const void *from, u32 bytes);
u32 nbd_cursor_fill(struct nbd_cursor *c, struct bio_vec *vec, u32 *nr, u32 bytes);
void nbd_cursor_zero(struct nbd_cursor *c, u32 bytes);

/* True if @cmd is in @table; it may be of a session that was freed, and is not dereferenced */
static inline bool nbd_cmd_is_of(const struct nbd_cmd_table *table, const struct nbd_cmd *cmd)
{
	return cmd >= table->cmds && cmd < table->cmds + table->total;
}

/* Cookie that is sent with the command, and comes back in its reply */
static inline u64 nbd_cmd_cookie(const struct nbd_cmd *cmd)
{
	return (u64)cmd->gen << 32 | cmd->index;
}

/* Hardware queue that the command is submitted by; internal commands use the first one */
static inline u32 nbd_cmd_queue(const struct nbd_cmd_table *table, const struct nbd_cmd *cmd)
{
	return cmd->rq ? cmd->index / table->depth : 0;
}

/* True if the range may be up to 4 GiB, as no payload is sent */
static inline bool nbd_cmd_is_long(const struct nbd_cmd *cmd)
{
	return cmd->req.type == NBD_CMD_TRIM || cmd->req.type == NBD_CMD_WRITE_ZEROES;
}

/* Bytes that follow the request header on the wire */
static inline u32 nbd_cmd_payload(const struct nbd_cmd *cmd)
{
	return cmd->req.type == NBD_CMD_WRITE ? cmd->req.length : 0;
}

/**
 * struct nbd_pdu - the driver's part of a request of blk-mq
 * @cmd: its command; set by nbd_cmd_prepare(), stale or NULL before
 * @query: the query that a driver-private request sends
 * @status: status that the command ended with
 * @error: NBD_E* that the server replied with, or 0
 */
struct nbd_pdu {
	struct nbd_cmd *cmd;
	struct nbd_query *query;
	blk_status_t status;
	u32 error;
};

#endif /* NBD_CMD_H */
