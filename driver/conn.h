/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connections: one socket with the handshake phase behind it, its sender and
 * its receiver. A connection lives once: it starts, fails or is closed, and is
 * freed; a slot that goes on gets another one.
 */
#ifndef NBD_CONN_H
#define NBD_CONN_H

#include <linux/completion.h>
#include <linux/kref.h>
#include <linux/workqueue.h>

#include "cmd.h"
#include "extents.h"
#include "reply.h"
#include "socket.h"

struct nbd_session;

/* One sendmsg carries at most so many pieces, headers, and about so many bytes */
#define NBD_TX_VECS	256u
#define NBD_TX_HEADERS	128u
#define NBD_TX_BYTES	(1u << 20)

/* Pieces of payload in one recvmsg */
#define NBD_RX_VECS	64u

/* Replies that may follow an answer to block status that has already failed */
#define NBD_ORPHANS	4u

/* nbd_conn.flags */
enum {
	NBD_CONN_STARTED,	/* it is in its slot, and may send and receive */
	NBD_CONN_FAILED,	/* it is over; nothing is submitted any more */
	NBD_CONN_LEAVING,	/* likewise, but what is in flight may be answered */
	NBD_CONN_CLOSING,	/* DISC is to be sent; EOF is no failure */
	NBD_CONN_DISC,		/* DISC was sent */
	NBD_CONN_HOLDS,		/* the session is held until it is taken down */
	NBD_CONN_REPORTED,	/* the session takes it down, or has */
	NBD_CONN_ALONE,		/* it is for commands that are sent alone */
	NBD_CONN_NO_DF,		/* its server has refused a READ for the flag DF */
};

/**
 * struct nbd_context_id - what this connection's server calls a context
 * @id: the id, opaque
 * @lost: the server no longer has the context
 */
struct nbd_context_id {
	u32 id;
	bool lost;
};

/**
 * struct nbd_orphan - a reply that may still dribble in
 * @cookie: of the command that has failed
 * @left: chunks that may come
 */
struct nbd_orphan {
	u64 cookie;
	u32 left;
};

/**
 * struct nbd_tx - what the sender is sending; only the sender touches it, or where the
 *	socket is used @in_place, the owner of the socket's lock
 * @queue: commands not yet begun
 * @cmd: a command whose payload did not fit in the batch as a whole, or NULL
 * @cursor: how far @cmd has come
 * @sent: commands that need their payload until the batch is out
 * @iter: the unsent rest of the batch
 * @headers: memory for the headers of the batch
 * @vec: the batch
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
 * struct nbd_rx - what the receiver is receiving; only the receiver touches it, or where
 *	the socket is used @in_place, the owner of the socket's lock
 * @reply: the parser
 * @cmd: the command it speaks of
 * @done: requests that have been answered, and are ended together
 * @extents: where descriptors go
 * @orphans: replies to drop, oldest first
 * @whole_buffers: no buffer in the queue of a Unix socket is one that the handshake read a part of
 * @page: memory for what can't go straight to its place
 * @vec: pieces of payload
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
 * @requests: sent; the sender's
 * @bytes_sent: the sender's
 * @replies: ended; the receiver's
 * @errors: of those, with an error; the receiver's
 * @bytes_received: the receiver's
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
 * @ref: the slot has one, which @retire_work takes over, and @fail_work while it is queued
 * @session: it belongs to; the connection holds a reference
 * @index: number of its slot
 * @nth: which reconnect of its slot it is to be, 0 for any
 * @flags: NBD_CONN_*
 * @error: negative errno that ended it; written by the one who set NBD_CONN_REPORTED, or before it
 *	was started
 * @born: which of the session's connections it is
 * @died: how many the session had made when it ended; written with @error
 * @socket: what it sends and receives by
 * @submitted: commands for the sender
 * @waiting: how many those are, about, see nbd_conn_waiting()
 * @send_work: the sender
 * @recv_work: the receiver
 * @fail_work: the session takes the connection down
 * @retire_work: likewise, after another one was put in its place
 * @goodbye: when DISC was ordered, in jiffies
 * @closed: the peer has closed after DISC
 * @tx: the sender's
 * @rx: the receiver's
 * @stats: counters
 * @rcu: to free it
 * @ids: ids of the session's contexts
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
	struct rcu_head rcu;
	struct nbd_context_id ids[];
};

extern struct workqueue_struct *nbd_io_wq;

void nbd_conns_init(void);
void nbd_conns_exit(void);

struct nbd_conn *nbd_conn_alloc(struct nbd_session *session, u32 index, u32 fd,
				const char **why);
void nbd_conn_put(struct nbd_conn *conn);
void nbd_conn_start(struct nbd_conn *conn);
void nbd_conn_fail(struct nbd_conn *conn, int error);
bool nbd_conn_leave(struct nbd_conn *conn);
void nbd_conn_goodbye(struct nbd_conn *conn);
void nbd_conn_close(struct nbd_conn *conn);
void nbd_conn_stop(struct nbd_conn *conn);
bool nbd_conn_socket_usable(struct nbd_conn *conn);

/* send.c */
void nbd_send_init(struct nbd_conn *conn);
void nbd_send_work(struct work_struct *work);
void nbd_conn_submit(struct nbd_conn *conn, struct nbd_cmd *cmd);
u32 nbd_conn_waiting(const struct nbd_conn *conn);
u32 nbd_conn_under_way(const struct nbd_conn *conn);
void nbd_conn_kick(struct nbd_conn *conn);
void nbd_conn_kick_later(struct nbd_conn *conn);
void nbd_conn_kick_idle(struct nbd_conn *conn);
void nbd_conn_answered(struct nbd_conn *conn, bool here);

/* recv.c */
void nbd_recv_work(struct work_struct *work);

static inline bool nbd_conn_failed(const struct nbd_conn *conn)
{
	return test_bit(NBD_CONN_FAILED, &conn->flags);
}

#define NBD_CONN_ENDING	(BIT(NBD_CONN_FAILED) | BIT(NBD_CONN_LEAVING) | BIT(NBD_CONN_CLOSING))

/* May it do anything when its socket has news? */
static inline bool nbd_conn_runs(const struct nbd_conn *conn)
{
	return (READ_ONCE(conn->flags) & (BIT(NBD_CONN_STARTED) | BIT(NBD_CONN_FAILED))) ==
	       BIT(NBD_CONN_STARTED);
}

/* Does it work? */
static inline bool nbd_conn_usable(const struct nbd_conn *conn)
{
	return !(READ_ONCE(conn->flags) & NBD_CONN_ENDING);
}

/* And does it take any command? */
static inline bool nbd_conn_open(const struct nbd_conn *conn)
{
	return !(READ_ONCE(conn->flags) & (NBD_CONN_ENDING | BIT(NBD_CONN_ALONE)));
}

#endif /* NBD_CONN_H */
