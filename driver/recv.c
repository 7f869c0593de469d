// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receiver: reads from the socket, feeds the reply parser (reply.c), and executes the steps that it
 * asks for. Bytes are read in the socket's own buffers (TCP without a ULP, AF_UNIX), or else by
 * recvmsg, which puts the data of a READ directly into its pages. Counterpart of send.c.
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/skbuff.h>
#include <net/tcp.h>

#include "blame.h"
#include "compat.h"
#include "dispatch.h"
#include "error.h"
#include "pieces.h"
#include "query.h"
#include "recv.h"
#include "send.h"
#include "session.h"
#include "trace.h"

/* Most reads from the socket in one run of recv_work, before other work items get their turn */
#define RECV_BUDGET	64

/* Most bytes that are zeroed for hole chunks in one call of recv_readable() */
#define SOFTIRQ_ZEROES	SZ_64K

/**
 * struct source - received bytes
 * @skb: socket buffer that has them, or NULL
 * @buf: memory that has them if @skb is NULL
 * @offset: offset of the next byte in @skb or @buf
 * @left: bytes not yet consumed
 * @zeroes: number of bytes that may still be zeroed for hole chunks before recv_work has to
 *	continue; NULL for no limit
 */
struct source {
	struct sk_buff *skb;
	const u8 *buf;
	u32 offset;
	u32 left;
	u32 *zeroes;
};

static void recv_source_skip(struct source *src, u32 n)
{
	src->offset += n;
	src->left -= n;
}

/* Copy @n bytes; -EFAULT if the skb has fewer, which would be a bug */
static int recv_source_copy(struct source *src, void *to, u32 n)
{
	if (src->skb) {
		if (skb_copy_bits(src->skb, src->offset, to, n))
			return -EFAULT;
	} else {
		memcpy(to, src->buf + src->offset, n);
	}
	recv_source_skip(src, n);
	return 0;
}

/*
 * Copy from an skb to the payload. skb_copy_datagram_iter() would map, check and copy page by page;
 * this copies what is contiguous at once. Returns the number of bytes copied.
 */
static u32 recv_source_copy_skb(struct sk_buff *skb, u32 offset, struct nbd_cursor *to, u32 bytes)
{
	struct skb_seq_state seq;
	const u8 *from;
	u32 n, copied, done = 0;

	skb_prepare_seq_read(skb, offset, offset + bytes, &seq);
	do {
		n = min(skb_seq_read(done, &from, &seq), bytes - done);
		copied = nbd_cursor_copy(to, from, n);
		done += copied;
	} while (n && copied == n && done < bytes);
	skb_abort_seq_read(&seq);
	return done;
}

/* Copy @n bytes to the payload; false if the payload or the skb has fewer */
static bool recv_source_copy_payload(struct source *src, struct nbd_cursor *to, u32 n)
{
	u32 done;

	if (src->skb)
		done = recv_source_copy_skb(src->skb, src->offset, to, n);
	else
		done = nbd_cursor_copy(to, src->buf + src->offset, n);
	recv_source_skip(src, n);
	return done == n;
}

/* Record a protocol violation; recv_feed() then returns -EPROTO */
static void recv_violation(struct nbd_conn *conn, const char *rule)
{
	nbd_reply_violation(&conn->rx.reply, rule);
}

/* Record the range of the data or hole that follows, and move the cursor there; false on error */
static bool recv_cover(struct nbd_conn *conn, u32 length)
{
	struct nbd_rx *rx = &conn->rx;

	switch (nbd_cmd_cover(rx->cmd, rx->reply.offset, length)) {
	case 0:
		trace_nbd_chunk(conn, rx->cmd, rx->reply.offset, length);
		if (nbd_cmd_seek(rx->cmd, rx->reply.offset))
			return true;
		fallthrough;
	case -E2BIG:
		recv_violation(conn, "reply to a READ in too many chunks");
		return false;
	case -ENOMEM:
		nbd_conn_fail(conn, -ENOMEM);
		recv_violation(conn, "no memory to track the chunks of a READ");
		return false;
	default:
		recv_violation(conn, "data sent twice");
		return false;
	}
}

static struct nbd_orphan *recv_find_orphan(struct nbd_rx *rx, u64 cookie)
{
	u32 i;

	for (i = 0; i < NBD_ORPHANS; i++)
		if (rx->orphans[i].left && rx->orphans[i].cookie == cookie)
			return &rx->orphans[i];
	return NULL;
}

/* After an error that ends a block status reply, some servers still send the other contexts */
static void recv_expect_orphans(struct nbd_conn *conn)
{
	struct nbd_rx *rx = &conn->rx;
	u32 nr_contexts = conn->session->export.nr_contexts;

	if (rx->cmd->req.type != NBD_CMD_BLOCK_STATUS || nr_contexts < 2)
		return;
	memmove(rx->orphans + 1, rx->orphans, sizeof(rx->orphans) - sizeof(rx->orphans[0]));
	rx->orphans[0] = (struct nbd_orphan){ nbd_cmd_cookie(rx->cmd), nr_contexts - 1 };
}

static void recv_step_find(struct nbd_conn *conn)
{
	struct nbd_rx *rx = &conn->rx;
	struct nbd_orphan *orphan;

	trace_nbd_reply(conn, &rx->reply);
	rx->cmd = nbd_cmd_find(&conn->session->table, conn, rx->reply.cookie);
	if (rx->cmd) {
		trace_nbd_header_received(rx->cmd->rq, rx->reply.cookie);
		return nbd_reply_found(&rx->reply, &rx->cmd->req);
	}
	orphan = recv_find_orphan(rx, rx->reply.cookie);
	if (!orphan)
		return recv_violation(conn, "reply to no request in flight");
	orphan->left--;
	nbd_reply_orphaned(&rx->reply);
}

/* True if DF may be the reason of the error: not supported, or too much data for one chunk */
static bool recv_df_refused(const struct nbd_cmd *cmd)
{
	return (cmd->req.flags & NBD_CMD_FLAG_DF) && cmd->req.type == NBD_CMD_READ &&
	       (cmd->error == NBD_EINVAL || cmd->error == NBD_EOVERFLOW);
}

/* Resend by the same connection; if that ends first, the command moves on with its others */
static void recv_resend_without_df(struct nbd_conn *conn, struct nbd_cmd *cmd)
{
	set_bit(NBD_CONN_NO_DF, &conn->flags);
	nbd_dispatch_to(conn, cmd);
	nbd_send_kick_later(conn);
}

/* A part of a long command has succeeded: send the next one */
static void recv_send_next_part(struct nbd_conn *conn, struct nbd_cmd *cmd)
{
	nbd_piece_next(conn->session, cmd);
	nbd_dispatch_resubmit(conn->session, cmd);
}

/* The reply has ended: check that it was complete, then complete or resend the command */
static void recv_step_end(struct nbd_conn *conn)
{
	struct nbd_rx *rx = &conn->rx;
	struct nbd_cmd *cmd = rx->cmd;

	if (!cmd->error && cmd->req.type == NBD_CMD_READ &&
	    !nbd_cover_full(&cmd->cover, cmd->req.length))
		return recv_violation(conn, "end of a reply with data missing");
	if (!cmd->error && cmd->query && !nbd_query_complete(cmd->query, conn->ids))
		return recv_violation(conn, "end of a block status reply with a context missing");
	trace_nbd_payload_received(cmd->rq, nbd_cmd_cookie(cmd));
	conn->stats.replies++;
	if (cmd->error) {
		conn->stats.errors++;
		recv_expect_orphans(conn);
	}
	rx->cmd = NULL;
	if (cmd->error == NBD_ESHUTDOWN) {
		nbd_blame_refused(conn, cmd);
	} else if (nbd_cmd_clear_pending(cmd, NBD_PENDING_REPLY)) {
		if (recv_df_refused(cmd))
			recv_resend_without_df(conn, cmd);
		else if (unlikely(cmd->rest) && !cmd->error)
			recv_send_next_part(conn, cmd);
		else
			nbd_cmd_complete(cmd, &rx->done);
	}
	nbd_reply_done_step(&rx->reply);
}

static void recv_step_error(struct nbd_conn *conn)
{
	struct nbd_reply *r = &conn->rx.reply;

	nbd_cmd_fail(conn->rx.cmd, r->error);
	nbd_reply_done_step(r);
}

static void recv_step_hole(struct nbd_conn *conn)
{
	struct nbd_rx *rx = &conn->rx;

	if (!recv_cover(conn, rx->reply.length))
		return;
	nbd_cursor_zero(&rx->cmd->cursor, rx->reply.length);
	rx->cmd->at += rx->reply.length;
	nbd_reply_done_step(&rx->reply);
}

/* True if @n bytes may be zeroed here: a small chunk may ask for much, so softirqs have a limit */
static bool recv_source_may_zero(struct source *src, u32 n)
{
	if (!src->zeroes)
		return true;
	if (n > *src->zeroes)
		return false;
	*src->zeroes -= n;
	return true;
}

static void recv_step_fill(struct nbd_conn *conn, struct source *src)
{
	struct nbd_reply *r = &conn->rx.reply;
	u32 n = min(r->need - r->have, src->left);

	if (recv_source_copy(src, r->buf + r->have, n))
		return recv_violation(conn, "lost bytes");
	r->have += n;
	if (r->have == r->need)
		nbd_reply_filled(r);
}

/* If payload follows, check that it is data or a context that was missing until now */
static void recv_announced(struct nbd_conn *conn)
{
	struct nbd_rx *rx = &conn->rx;
	const char *rule;

	if (rx->reply.step == NBD_STEP_DATA) {
		recv_cover(conn, rx->reply.left);
	} else if (rx->reply.step == NBD_STEP_STATUS) {
		rule = nbd_query_context(rx->cmd->query, conn->ids, rx->reply.context_id,
					 &rx->extents);
		if (rule)
			recv_violation(conn, rule);
	}
}

static void recv_payload_done(struct nbd_conn *conn, u32 n)
{
	struct nbd_rx *rx = &conn->rx;

	rx->reply.left -= n;
	if (!rx->reply.left)
		nbd_reply_drained(&rx->reply);
}

static void recv_step_data(struct nbd_conn *conn, struct source *src)
{
	struct nbd_rx *rx = &conn->rx;
	u32 n = min(rx->reply.left, src->left);

	if (!recv_source_copy_payload(src, &rx->cmd->cursor, n))
		return recv_violation(conn, "lost bytes");
	rx->cmd->at += n;
	recv_payload_done(conn, n);
}

static void recv_step_status(struct nbd_conn *conn, struct source *src)
{
	struct nbd_rx *rx = &conn->rx;
	u32 n = min3(rx->reply.left, src->left, (u32)PAGE_SIZE);
	const void *buf = src->buf + src->offset;

	if (src->skb) {
		if (skb_copy_bits(src->skb, src->offset, rx->page, n))
			return recv_violation(conn, "lost bytes");
		buf = rx->page;
	}
	recv_source_skip(src, n);
	nbd_extents_feed(rx->extents, buf, n);
	recv_payload_done(conn, n);
}

static void recv_step_skip(struct nbd_conn *conn, struct source *src)
{
	u32 n = min(conn->rx.reply.left, src->left);

	recv_source_skip(src, n);
	recv_payload_done(conn, n);
}

/* True if the next step of the parser needs received bytes */
static bool recv_wants_bytes(const struct nbd_reply *r)
{
	switch (r->step) {
	case NBD_STEP_FILL:
	case NBD_STEP_DATA:
	case NBD_STEP_STATUS:
		return true;
	case NBD_STEP_SKIP:
		return r->left;
	default:
		return false;
	}
}

/*
 * Execute the steps of the parser until all bytes are consumed. Return: 0; -EPROTO after a protocol
 * violation; -EINPROGRESS if recv_work has to continue.
 */
static int recv_feed(struct nbd_conn *conn, struct source *src)
{
	struct nbd_reply *r = &conn->rx.reply;

	while (src->left || !recv_wants_bytes(r)) {
		switch (r->step) {
		case NBD_STEP_FILL:
			recv_step_fill(conn, src);
			recv_announced(conn);
			break;
		case NBD_STEP_FIND:
			recv_step_find(conn);
			recv_announced(conn);
			break;
		case NBD_STEP_DATA:
			recv_step_data(conn, src);
			break;
		case NBD_STEP_HOLE:
			if (!recv_source_may_zero(src, r->length))
				return -EINPROGRESS;
			recv_step_hole(conn);
			break;
		case NBD_STEP_STATUS:
			recv_step_status(conn, src);
			break;
		case NBD_STEP_SKIP:
			recv_step_skip(conn, src);
			break;
		case NBD_STEP_ERROR:
			recv_step_error(conn);
			break;
		case NBD_STEP_END:
			recv_step_end(conn);
			break;
		case NBD_STEP_VIOLATION:
			return -EPROTO;
		}
	}
	return 0;
}

/**
 * struct reading - argument of recv_sock_actor()
 * @conn: connection that is read from
 * @zeroes: value for source.zeroes
 */
struct reading {
	struct nbd_conn *conn;
	u32 *zeroes;
};

static int recv_sock_actor(read_descriptor_t *desc, struct sk_buff *skb, unsigned int offset,
			   size_t len)
{
	const struct reading *r = desc->arg.data;
	struct source src = { .skb = skb, .offset = offset, .left = len, .zeroes = r->zeroes };

	desc->error = recv_feed(r->conn, &src);
	if (desc->error)
		desc->count = 0;
	return desc->error == -EPROTO ? -EPROTO : len - src.left;
}

/*
 * Read all that the socket has in its buffers; see struct source for @zeroes. The caller holds the
 * socket lock.
 *
 * Return: bytes read; 0 at EOF; -EAGAIN if there are none, or the connection has failed; -EPROTO or
 * -EINPROGRESS as recv_feed(); other negative errno.
 */
static int recv_in_place(struct nbd_conn *conn, u32 *zeroes)
{
	struct reading reading = { .conn = conn, .zeroes = zeroes };
	read_descriptor_t desc = { .arg.data = &reading, .count = 1 };
	struct source none = { .zeroes = zeroes };
	struct sock *sk = conn->socket.sk;
	int n;

	if (!nbd_conn_socket_usable(conn))
		return -EAGAIN;
	/* Finish the step that a softirq has left */
	desc.error = recv_feed(conn, &none);
	if (desc.error)
		goto out;
	n = tcp_read_sock(sk, &desc, recv_sock_actor);
	if (n > 0)
		conn->stats.bytes_received += n;
out:
	nbd_cmds_end(&conn->rx.done);
	if (!desc.error && unlikely(tcp_sk(sk)->urg_data)) {
		/* tcp_read_sock() would never get beyond it */
		recv_violation(conn, "urgent data");
		desc.error = -EPROTO;
	}
	if (desc.error)
		return desc.error;
	if (n == 0 && sk->sk_err)
		return -sk->sk_err;
	if (n == 0 && !(sk->sk_shutdown & RCV_SHUTDOWN) && sk->sk_state != TCP_CLOSE)
		return -EAGAIN;
	return n;
}

/* Owns @skb; nbd_conn_stop() joins this worker before sk_user_data changes */
static int recv_skb_actor(struct sock *sk, struct sk_buff *skb)
{
	struct nbd_conn *conn = container_of(nbd_socket_of(sk), struct nbd_conn, socket);
	struct source src = { .skb = skb, .left = skb->len };
	u32 n = src.left;
	int err;

	conn->stats.bytes_received += n;
	err = recv_feed(conn, &src);
	consume_skb(skb);
	return err ?: n;
}

/* Read an skb of a Unix socket. Return: as recv_in_place() */
static int recv_buffer(struct nbd_conn *conn)
{
	struct sock *sk = conn->socket.sk;
	/* Pairs with the peer's locks: what it sent before the shutdown is in the queue by now */
	bool ended = smp_load_acquire(&sk->sk_shutdown) & RCV_SHUTDOWN;
	int n;

	/*
	 * read_skb() returns an error of the socket once, before data that came earlier, and
	 * -EAGAIN for an out-of-band byte, which it drops. No callback follows for what is behind.
	 */
	do {
		n = conn->socket.sock->ops->read_skb(sk, recv_skb_actor);
	} while ((n == -ECONNRESET || n == -EAGAIN) &&
		 !skb_queue_empty_lockless(&sk->sk_receive_queue));
	nbd_cmds_end(&conn->rx.done);
	return n == -EAGAIN && ended ? 0 : n;
}

/* Receive data into the payload, and what follows it into rx.page. Return: as recv_in_place() */
static int recv_message(struct nbd_conn *conn)
{
	struct nbd_rx *rx = &conn->rx;
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL };
	struct source src = { .buf = rx->page };
	u32 nr = 0, content = 0, room = 0;
	int n, err;

	if (rx->reply.step == NBD_STEP_DATA) {
		struct nbd_cursor past = rx->cmd->cursor;

		nr = NBD_RX_VECS;
		content = nbd_cursor_fill(&past, rx->vec, &nr, rx->reply.left);
	}
	if (!nr || content == rx->reply.left) {
		room = PAGE_SIZE;
		bvec_set_page(&rx->vec[nr++], virt_to_page(rx->page), room, 0);
	}
	iov_iter_bvec(&msg.msg_iter, ITER_DEST, rx->vec, nr, content + room);
	n = sock_recvmsg(conn->socket.sock, &msg, msg.msg_flags);
	if (n <= 0)
		return n;
	conn->stats.bytes_received += n;
	if (content) {
		u32 m = min_t(u32, content, n);

		nbd_cursor_advance(&rx->cmd->cursor, m);
		rx->cmd->at += m;
		recv_payload_done(conn, m);
		src.left = n - m;
	} else {
		src.left = n;
	}
	err = recv_feed(conn, &src);
	nbd_cmds_end(&conn->rx.done);
	return err ?: n;
}

static void recv_log_violation(struct nbd_conn *conn)
{
	static const struct nbd_req none;
	const struct nbd_req *req = conn->rx.cmd ? &conn->rx.cmd->req : &none;

	if (__ratelimit(&conn->session->ratelimit))
		pr_err("nbd%u: conn %u: protocol violation: %s (%s %llu+%u)\n",
		       conn->session->index, conn->index, conn->rx.reply.broken,
		       conn->rx.cmd ? nbd_type_name(req->type) : "no request", req->offset,
		       req->length);
}

static void recv_ended(struct nbd_conn *conn, int err)
{
	if (test_bit(NBD_CONN_CLOSING, &conn->flags)) {
		complete(&conn->closed);
		return;
	}
	if (err == -EPROTO && !nbd_conn_failed(conn))
		recv_log_violation(conn);
	nbd_conn_fail(conn, err ?: -ECONNABORTED);
}

/*
 * True if a Unix socket has neither data nor EOF left, to avoid a read that returns -EAGAIN. EOF
 * has to be found by a read, since recv_work may have been queued once for data and EOF.
 */
static bool recv_is_drained(const struct nbd_conn *conn)
{
	const struct sock *sk = conn->socket.sk;

	return conn->socket.transport == NBDCTL_TRANSPORT_UNIX &&
	       skb_queue_empty_lockless(&sk->sk_receive_queue) &&
	       !(READ_ONCE(sk->sk_shutdown) & RCV_SHUTDOWN);
}

/*
 * The handshake may have read the first part of an skb, and read_skb() does not report how much.
 * Once the queue was empty, later skbs are whole, as only the driver reads from the socket.
 */
static int recv_unix(struct nbd_conn *conn)
{
	int n;

	if (conn->rx.whole_buffers)
		return recv_buffer(conn);
	n = recv_message(conn);
	conn->rx.whole_buffers = skb_queue_empty_lockless(&conn->socket.sk->sk_receive_queue);
	return n;
}

static int recv_some(struct nbd_conn *conn)
{
	struct sock *sk = conn->socket.sk;
	int n;

	if (!conn->socket.in_place) {
		if (NBD_READ_SKB && conn->socket.transport == NBDCTL_TRANSPORT_UNIX)
			n = recv_unix(conn);
		else
			n = recv_message(conn);
		return n > 0 && recv_is_drained(conn) ? -EAGAIN : n;
	}
	lock_sock(sk);
	n = recv_in_place(conn, NULL);
	release_sock(sk);
	return n;
}

/* The receiver's work item. The workqueue runs it once at a time for each connection. */
static void recv_work(struct work_struct *work)
{
	struct nbd_conn *conn = container_of(work, struct nbd_conn, recv_work);
	unsigned int noreclaim = memalloc_noreclaim_save();
	int budget = RECV_BUDGET, n;

	do {
		if (nbd_conn_failed(conn))
			goto out;
		n = recv_some(conn);
	} while (n > 0 && --budget);

	nbd_dispatch_replied(conn, false);
	if (n > 0)
		queue_work(nbd_io_wq, &conn->recv_work);
	else if (n != -EAGAIN)
		recv_ended(conn, n);
out:
	memalloc_noreclaim_restore(noreclaim);
}

/*
 * Data has arrived. A socket that is used in place is read here, unless a task owns it: the caller
 * is a softirq with the socket's spinlock, which excludes recv_work. That excludes softirqs by
 * owning the socket.
 */
static void recv_readable(struct nbd_socket *s)
{
	struct nbd_conn *conn = container_of(s, struct nbd_conn, socket);
	u32 zeroes = SOFTIRQ_ZEROES;
	int n = -EINPROGRESS;

	if (!nbd_conn_runs(conn))
		return;
	if (s->in_place && !sock_owned_by_user_nocheck(s->sk))
		n = recv_in_place(conn, &zeroes);
	if (n > 0)
		nbd_dispatch_replied(conn, true);
	else if (n == -EPROTO)
		recv_ended(conn, n);
	else if (n != -EAGAIN)
		queue_work(nbd_io_wq, &conn->recv_work);
}

static void recv_writable(struct nbd_socket *s)
{
	nbd_send_writable(container_of(s, struct nbd_conn, socket));
}

/* The receiver will find out by reading */
static void recv_changed(struct nbd_socket *s)
{
	struct nbd_conn *conn = container_of(s, struct nbd_conn, socket);

	if (nbd_conn_runs(conn))
		queue_work(nbd_io_wq, &conn->recv_work);
}

/* The socket is being given back, so the receiver must not read from it any more */
static void recv_over(struct nbd_socket *s, int error)
{
	recv_ended(container_of(s, struct nbd_conn, socket), error);
}

const struct nbd_socket_ops nbd_recv_ops = {
	.readable = recv_readable,
	.writable = recv_writable,
	.changed = recv_changed,
	.over = recv_over,
};

/* Set up the receiver of a connection that is not in its slot yet */
void nbd_recv_init(struct nbd_conn *conn)
{
	INIT_WORK(&conn->recv_work, recv_work);
	nbd_reply_init(&conn->rx.reply, conn->session->export.structured);
}
