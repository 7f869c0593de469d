/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connections: a socket in the transmission phase, with its sender and receiver. A connection is
 * never restarted: it is started, fails or is closed, and is freed. After that its slot gets
 * another one.
 */
#ifndef NBD_CONN_H
#define NBD_CONN_H

#include <linux/completion.h>
#include <linux/kref.h>
#include <linux/workqueue.h>

#include "cmd.h"
#include "extents.h"
#include "query.h"
#include "reply.h"
#include "socket.h"

struct nbd_session;

/* Limits of a batch: bvecs, headers, and bytes, which the last command may exceed */
#define NBD_TX_VECS	256u
#define NBD_TX_HEADERS	128u
#define NBD_TX_BYTES	(1u << 20)

/* Most bvecs of payload in one recvmsg */
#define NBD_RX_VECS	64u

/* Failed BLOCK_STATUS commands that are remembered, to drop chunks that still come */
#define NBD_ORPHANS	4u

/*
 * How a connection ends. Each of the first three stops new commands; the tear-down in slots.c does
 * the rest.
 *
 *   function           called by                  context   on the wire    commands in flight
 *   nbd_conn_fail()    anybody who sees an error  any       nothing        resent, or fail
 *   nbd_conn_drain()   the receiver, at ESHUTDOWN any       nothing        may still be replied to
 *   nbd_conn_disconnect()  the tear-down, a detach  any     DISC           there are none
 *   nbd_conn_close()   the tear-down              sleeps    DISC           there are none
 *   nbd_conn_stop()    the tear-down, always      sleeps    TCP reset      the caller owns them
 */

/*
 * nbd_conn.flags: each is set by one room, and apart from NBD_CONN_ALONE never cleared. "any" is
 * nbd_conn_fail(), which anybody may call.
 */
enum {
	NBD_CONN_STARTED,	/* conn: it is or was in its slot, events may start its workers */
	NBD_CONN_FAILED,	/* any: it has ended: no new commands, no further I/O */
	NBD_CONN_DRAINING,	/* blame: its server shuts down: only replies may come */
	NBD_CONN_CLOSING,	/* slots: DISC is to be sent, no new commands, EOF is no failure */
	NBD_CONN_DISC,		/* send: DISC was sent, or could not be */
	NBD_CONN_QUIESCES,	/* slots: the session is quiesced until it has been torn down */
	NBD_CONN_REPORTED,	/* conn: fail_work was queued */
	NBD_CONN_ALONE,		/* blame: it is reserved for suspects, which are sent alone */
	NBD_CONN_NO_DF,		/* recv: a READ with DF has failed, perhaps because of DF */
};

/**
 * struct nbd_orphan - chunks that may still come for a failed BLOCK_STATUS command
 * @cookie: cookie of the command
 * @left: most chunks that may come
 */
struct nbd_orphan {
	u64 cookie;
	u32 left;
};

/**
 * struct nbd_tx - state of the sender. Only send_work uses it; if nbd_socket.in_place, only the
 *	holder of the socket lock
 * @queue: commands not yet in a batch
 * @cmd: command whose payload did not all fit in the batch, or NULL
 * @cursor: the next byte of the payload of @cmd
 * @sent: commands whose payload must stay until the batch is sent
 * @iter: the part of the batch that is not yet sent
 * @headers: request headers of the batch, NBD_TX_HEADERS entries
 * @vec: bvecs of the batch, NBD_TX_VECS entries
 */
struct nbd_tx {
	struct list_head queue;
	struct nbd_cmd *cmd;
	struct nbd_cursor cursor;
	struct list_head sent;
	struct iov_iter iter;
	struct nbd_wire_request *headers;
	struct bio_vec *vec;
};

/**
 * struct nbd_rx - state of the receiver. Only recv_work uses it; if nbd_socket.in_place, only the
 *	holder of the socket lock
 * @reply: the reply parser
 * @cmd: the command that the current reply is for, or NULL
 * @done: batch of completed requests, to end together
 * @extents: where the descriptors of the current chunk go
 * @orphans: commands whose further chunks are dropped, newest first
 * @whole_buffers: for a Unix socket: no skb in its queue was read in part by the handshake
 * @page: a page for received bytes that have to be parsed in memory
 * @vec: bvecs for recvmsg, NBD_RX_VECS + 1 entries
 */
struct nbd_rx {
	struct nbd_reply reply;
	struct nbd_cmd *cmd;
	struct io_comp_batch done;
	struct nbd_extents *extents;
	struct nbd_orphan orphans[NBD_ORPHANS];
	bool whole_buffers;
	void *page;
	struct bio_vec *vec;
};

/**
 * struct nbd_conn_stats - counters of a connection
 * @requests: commands put in a batch, without DISC; written by the sender
 * @bytes_sent: bytes of batches sent; written by the sender
 * @replies: complete replies; written by the receiver
 * @errors: complete replies with an error; written by the receiver
 * @bytes_received: bytes read from the socket; written by the receiver
 */
struct nbd_conn_stats {
	u64 requests;
	u64 bytes_sent;
	u64 replies ____cacheline_aligned_in_smp;
	u64 errors;
	u64 bytes_received;
};

/**
 * struct nbd_conn - a connection
 * @ref: one reference of the slot, which the tear-down drops, one of @fail_work while that is
 *	queued, and temporary ones
 * @session: its session, referenced
 * @index: number of its slot
 * @nth: value that nbd_slot.reconnects must have once it is in its slot, 0 for any
 * @flags: bits NBD_CONN_*
 * @error: negative errno that ended it, or 0; written before the start, or by the caller that sets
 *	NBD_CONN_REPORTED
 * @born: its number among the connections of the session, from 1
 * @died: nbd_session.born when it ended; written with @error
 * @socket: the socket
 * @submitted: commands for the sender, newest first
 * @waiting: weight of @submitted, approximately, see nbd_send_queued()
 * @send_work: work item of the sender
 * @recv_work: work item of the receiver
 * @fail_work: work item that tears it down because it failed, or its server shuts down
 * @retire_work: work item that tears it down because it was replaced
 * @goodbye: when the soft disconnect began, in jiffies; valid if NBD_CONN_CLOSING
 * @closed: completion that is signalled when the peer closes, if NBD_CONN_CLOSING
 * @tx: state of the sender
 * @rx: state of the receiver
 * @stats: counters
 * @retiring: link in nbd_session.retiring, while it is torn down
 * @rcu: for freeing after a grace period
 * @ids: id of each context of the session, in the order of nbd_export.contexts
 */
struct nbd_conn {
	struct kref ref;
	struct nbd_session *session;
	u32 index;
	u32 nth;
	unsigned long flags;
	int error;
	u32 born;
	u32 died;
	struct nbd_socket socket;
	struct llist_head submitted;
	u32 waiting;
	struct delayed_work send_work;
	struct work_struct recv_work;
	struct work_struct fail_work;
	struct work_struct retire_work;
	unsigned long goodbye;
	struct completion closed;
	struct nbd_tx tx;
	struct nbd_rx rx;
	struct nbd_conn_stats stats;
	struct list_head retiring;
	struct rcu_head rcu;
	struct nbd_context_id ids[];
};

extern struct workqueue_struct *nbd_io_wq;

void nbd_conns_init(void);
void nbd_conns_exit(void);

struct nbd_conn *nbd_conn_alloc(struct nbd_session *session, u32 index, struct socket *sock,
				const struct nbd_socket_ops *ops, const char **errmsg);
void nbd_conn_put(struct nbd_conn *conn);
void nbd_put_conns(struct nbd_conn **conns, u32 n);
void nbd_conn_start(struct nbd_conn *conn);
void nbd_conn_fail(struct nbd_conn *conn, int error);
bool nbd_conn_drain(struct nbd_conn *conn);
void nbd_conn_disconnect(struct nbd_conn *conn);
void nbd_conn_close(struct nbd_conn *conn);
void nbd_conn_stop(struct nbd_conn *conn);
bool nbd_conn_socket_usable(struct nbd_conn *conn);

static inline bool nbd_conn_failed(const struct nbd_conn *conn)
{
	return test_bit(NBD_CONN_FAILED, &conn->flags);
}

#define NBD_CONN_ENDING	(BIT(NBD_CONN_FAILED) | BIT(NBD_CONN_DRAINING) | BIT(NBD_CONN_CLOSING))

/* True if callbacks of the socket may start the sender or the receiver */
static inline bool nbd_conn_runs(const struct nbd_conn *conn)
{
	return (READ_ONCE(conn->flags) & (BIT(NBD_CONN_STARTED) | BIT(NBD_CONN_FAILED))) ==
	       BIT(NBD_CONN_STARTED);
}

/* True if it has not failed, and is not about to end */
static inline bool nbd_conn_usable(const struct nbd_conn *conn)
{
	return !(READ_ONCE(conn->flags) & NBD_CONN_ENDING);
}

/* True if it takes any command, not only suspects */
static inline bool nbd_conn_open(const struct nbd_conn *conn)
{
	return !(READ_ONCE(conn->flags) & (NBD_CONN_ENDING | BIT(NBD_CONN_ALONE)));
}

#endif /* NBD_CONN_H */
