/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Commands: what the driver knows of one request between queue_rq and
 * completion. They live in a table of the session, indexed by hardware queue
 * and tag, so a lookup by a server's cookie never touches freed memory.
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
struct nbd_private;
struct nbd_query;

/* Connections that may die of a command, as far as can be told; then it fails with EIO */
#define NBD_MAX_DEATHS		5u
/* After so many it gets a connection to itself, so that no other is suspected with it */
#define NBD_SUSPECT_DEATHS	2u

/* How often a server may go back in the content of one READ: that costs more than it sends */
#define NBD_MAX_SEEKS		NBD_COVER_MAX

/* Halves a command waits for, in nbd_cmd.halves; the one who ends the last completes it */
#define NBD_HALF_SEND		(1u << 0)	/* the sender still needs its payload */
#define NBD_HALF_REPLY		(1u << 1)	/* the reply has not ended */

/**
 * struct nbd_cursor - a place in the payload of a request
 * @bio: where it is, NULL at the end
 * @iter: where in that bio
 */
struct nbd_cursor {
	struct bio *bio;
	struct bvec_iter iter;
};

/**
 * struct nbd_cmd - a command
 * @req: what goes on the wire
 * @rest: bytes of the request that come after those of @req, and go on the wire later
 * @rq: the request it carries out, while it is started; NULL for the session's own
 * @own_done: completed when it ends, if it has no @rq
 * @conn: the connection that has it; NULL while idle or parked. Written by the
 *	one who submits, completes or takes it back
 * @started: when @conn got it, in jiffies
 * @halves: NBD_HALF_*
 * @gen: upper half of the cookie, another one each time it is sent
 * @index: lower half of the cookie, place in the session's table
 * @error: first error of the reply, NBD_E*
 * @status: how it ends, unless @error says more
 * @deaths: connections whose deaths count against it
 * @df: READ is sent with DF, where the server has not refused that
 * @refused: @conn's server won't carry it out, but another might
 * @blamed: how many connections the session had made by the last of @deaths
 * @late: when it first lost a connection without blame, in jiffies, later by what does not
 *	count since; or 0
 * @cover: bytes of a READ that were answered
 * @cursor: where the next byte of a READ's content goes; the receiver's
 * @at: bytes from the start of the request to there
 * @seeks: how often the server went back
 * @query: block status that is asked for, else NULL
 * @snode: link in the connection's list of submitted commands
 * @list: link in the sender's or the session's lists
 */
struct nbd_cmd {
	struct nbd_req req;
	u32 rest;
	struct request *rq;
	struct completion *own_done;
	struct nbd_conn *conn;
	unsigned long started;
	atomic_t halves;
	u32 gen;
	u32 index;
	u32 error;
	blk_status_t status;
	u8 deaths;
	bool df;
	bool refused;
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
 * @queues: hardware queues
 * @depth: tags of each
 * @total: commands: one for each tag of each queue, then those of the session's own
 * @cmds: the commands
 */
struct nbd_cmd_table {
	u32 queues;
	u32 depth;
	u32 total;
	struct nbd_cmd *cmds;
};

int nbd_cmd_table_alloc(struct nbd_cmd_table *table, u32 queues, u32 depth, u32 nr_own);
void nbd_cmd_table_free(struct nbd_cmd_table *table);

struct nbd_cmd *nbd_cmd_of(const struct nbd_cmd_table *table, struct request *rq);
struct nbd_cmd *nbd_cmd_own(struct nbd_cmd_table *table, u32 nth, u16 type,
			    struct completion *done);
struct nbd_cmd *nbd_cmd_find(const struct nbd_cmd_table *table, struct nbd_conn *conn, u64 cookie);
u32 nbd_cmd_count(const struct nbd_cmd_table *table, const struct nbd_conn *conn);
blk_status_t nbd_cmd_prepare(struct nbd_cmd *cmd, struct request *rq,
			     const struct nbd_export *export);
void nbd_cmd_start(struct nbd_cmd *cmd, struct nbd_conn *conn);
bool nbd_cmd_half(struct nbd_cmd *cmd, unsigned int half);
void nbd_cmd_complete(struct nbd_cmd *cmd, struct io_comp_batch *done);
void nbd_cmds_end(struct io_comp_batch *done);
void nbd_cmd_abort(struct nbd_cmd *cmd);
void nbd_cmd_fail(struct nbd_cmd *cmd, u32 error);
void nbd_cmd_refused(struct nbd_cmd *cmd);
bool nbd_cmd_seek(struct nbd_cmd *cmd, u64 offset);
int nbd_cmd_cover(struct nbd_cmd *cmd, u64 offset, u32 length);

/* copy.c */
void nbd_copy(void *to, const void *from, size_t bytes);

/* cmd.c */
void nbd_cursor_init(struct nbd_cursor *c, struct request *rq, u32 skip);
void nbd_cursor_advance(struct nbd_cursor *c, u32 bytes);
u32 nbd_cursor_copy(struct nbd_cursor *c, const void *from, u32 bytes);
u32 nbd_cursor_fill(struct nbd_cursor *c, struct bio_vec *vec, u32 *nr, u32 bytes);
void nbd_cursor_zero(struct nbd_cursor *c, u32 bytes);

/* Is it one of these? The pointer may be to another session's, which is no more */
static inline bool nbd_cmd_is_of(const struct nbd_cmd_table *table, const struct nbd_cmd *cmd)
{
	return cmd >= table->cmds && cmd < table->cmds + table->total;
}

/* What its reply will carry */
static inline u64 nbd_cmd_cookie(const struct nbd_cmd *cmd)
{
	return (u64)cmd->gen << 32 | cmd->index;
}

/* May it stand for gigabytes, though it has no payload? */
static inline bool nbd_cmd_is_long(const struct nbd_cmd *cmd)
{
	return cmd->req.type == NBD_TRIM || cmd->req.type == NBD_ZEROES;
}

/* Bytes that follow the request header on the wire */
static inline u32 nbd_cmd_payload(const struct nbd_cmd *cmd)
{
	return cmd->req.type == NBD_WRITE ? cmd->req.length : 0;
}

/**
 * struct nbd_pdu - what blk-mq keeps with each request
 * @cmd: its command, or NULL before it was prepared
 * @private: for a private request, what it is to do
 * @status: how it ended
 * @error: NBD_E* that the server answered, or 0
 */
struct nbd_pdu {
	struct nbd_cmd *cmd;
	struct nbd_private *private;
	blk_status_t status;
	u32 error;
};

#endif /* NBD_CMD_H */
