// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sender: takes commands from a connection's list, and sends as many as possible in one batch, by
 * one sendmsg. It never blocks: if the socket is full it returns, and write_space() queues it
 * again. Counterpart of recv.c.
 *
 * On a socket that is used in place, the socket lock makes sure that there is one sender at a time.
 * A submitter, or a softirq that has received replies, sends a batch itself if the lock is free;
 * everything else is left to send_work, which sends more at once.
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <net/tcp.h>

#include "send.h"
#include "trace.h"

/* Delay until the next try when the network stack is short of memory */
#define RETRY_DELAY	msecs_to_jiffies(20)

/* Most batches in one run of send_work, before other work items get their turn */
#define SEND_BUDGET	16

/*
 * With fewer commands in flight, the server may soon be idle. With more, each reply would only send
 * the few commands queued by then, at the expense of the task that delivers it: a thread of the
 * server, if that runs on the same host.
 */
#define SERVER_NEARLY_IDLE	8u

/*
 * Most bytes that are sent outside of send_work: meanwhile softirqs are off, and the receiver spins
 * for the socket lock. For more, waking a worker costs little compared with the copy.
 */
#define SEND_NOW_BYTES	SZ_128K

/* A queued command counts once per 4 KiB of payload, and at least once */
#define WEIGHT_BYTES	SZ_4K

/**
 * nbd_send_queue() - queue a command for sending
 * @conn: the connection
 * @cmd: command that is prepared and owned by the caller; @conn owns it from now on
 *
 * The sender is started by nbd_send_kick().
 *
 * Context: Any. Under RCU if @conn was found in its slot, else the caller keeps @conn.
 */
void nbd_send_queue(struct nbd_conn *conn, struct nbd_cmd *cmd)
{
	u32 weight = max(nbd_cmd_payload(cmd) / WEIGHT_BYTES, 1u);

	nbd_cmd_start(cmd, conn);
	WRITE_ONCE(conn->waiting, READ_ONCE(conn->waiting) + weight);
	llist_add(&cmd->snode, &conn->submitted);
}

static void send_collect(struct nbd_conn *conn)
{
	struct llist_node *node = llist_reverse_order(llist_del_all(&conn->submitted));
	struct nbd_cmd *cmd, *next;

	WRITE_ONCE(conn->waiting, 0);
	llist_for_each_entry_safe(cmd, next, node, snode)
		list_add_tail(&cmd->list, &conn->tx.queue);
}

static void send_add_header(struct nbd_conn *conn, struct nbd_cmd *cmd, u32 nr_headers,
			    u32 *nr_vecs)
{
	struct nbd_wire_request *wire = &conn->tx.headers[nr_headers];
	struct bio_vec *vec = &conn->tx.vec[*nr_vecs];

	nbd_put_request(wire, &cmd->req, nbd_cmd_cookie(cmd));
	if (trace_nbd_send_request_enabled() && cmd->rq)
		trace_nbd_send_request(wire, conn->session->index, cmd->rq);
	trace_nbd_header_sent(cmd->rq, nbd_cmd_cookie(cmd));
	/* Headers that are adjacent in memory share a bvec */
	if (*nr_vecs && nr_headers &&
	    page_address(vec[-1].bv_page) + vec[-1].bv_offset + vec[-1].bv_len == (void *)wire) {
		vec[-1].bv_len += sizeof(*wire);
		return;
	}
	vec->bv_page = virt_to_page(wire);
	vec->bv_offset = offset_in_page(wire);
	vec->bv_len = sizeof(*wire);
	++*nr_vecs;
}

/* The sender needs nothing of a command without payload once the header is in the batch */
static void send_header_done(struct nbd_cmd *cmd)
{
	if (nbd_cmd_clear_pending(cmd, NBD_PENDING_SEND))
		nbd_cmd_complete(cmd, NULL);
}

/* Add at most @most bytes of payload of tx->cmd; true if these were the last */
static bool send_add_payload(struct nbd_tx *tx, u32 *nr_vecs, u32 *bytes, u32 most)
{
	u32 nr = NBD_TX_VECS - *nr_vecs, n;

	n = nbd_cursor_fill(&tx->cursor, tx->vec + *nr_vecs, &nr, most);
	*nr_vecs += nr;
	*bytes += n;
	if (tx->cursor.bio)
		return false;
	list_add_tail(&tx->cmd->list, &tx->sent);
	tx->cmd = NULL;
	return true;
}

static struct nbd_cmd *send_next_cmd(struct nbd_conn *conn)
{
	struct nbd_cmd *cmd;

	cmd = list_first_entry_or_null(&conn->tx.queue, struct nbd_cmd, list);
	if (cmd) {
		list_del(&cmd->list);
		conn->stats.requests++;
		trace_nbd_send(conn, cmd);
	}
	return cmd;
}

/*
 * Build the next batch: commands are added while it has fewer than @most bytes, and at most @most
 * bytes of payload of each. False if there is nothing to send.
 */
static bool send_fill_batch(struct nbd_conn *conn, u32 most)
{
	struct nbd_tx *tx = &conn->tx;
	u32 nr_headers = 0, nr_vecs = 0, bytes = 0;

	while (nr_vecs < NBD_TX_VECS && bytes < most) {
		struct nbd_cmd *cmd;

		if (tx->cmd) {
			if (!send_add_payload(tx, &nr_vecs, &bytes, most))
				break;
			continue;
		}
		if (nr_headers == NBD_TX_HEADERS)
			break;
		cmd = send_next_cmd(conn);
		if (!cmd)
			break;
		send_add_header(conn, cmd, nr_headers++, &nr_vecs);
		bytes += sizeof(struct nbd_wire_request);
		if (nbd_cmd_payload(cmd)) {
			nbd_cursor_init(&tx->cursor, cmd->rq, 0);
			tx->cmd = cmd;
		} else {
			send_header_done(cmd);
		}
	}
	if (!nr_vecs)
		return false;
	iov_iter_bvec(&tx->iter, ITER_SOURCE, tx->vec, nr_vecs, bytes);
	return true;
}

static void send_batch_done(struct nbd_tx *tx)
{
	struct nbd_cmd *cmd, *next;

	list_for_each_entry_safe(cmd, next, &tx->sent, list) {
		list_del(&cmd->list);
		trace_nbd_payload_sent(cmd->rq, nbd_cmd_cookie(cmd));
		if (nbd_cmd_clear_pending(cmd, NBD_PENDING_SEND))
			nbd_cmd_complete(cmd, NULL);
	}
}

static int send_write_socket(struct nbd_conn *conn, const struct iov_iter *iter, int flags)
{
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL | flags, .msg_iter = *iter };
	int n;

	if (conn->socket.in_place)
		return tcp_sendmsg_locked(conn->socket.sk, &msg, iov_iter_count(iter));
	n = sock_sendmsg(conn->socket.sock, &msg);
	if (n != -EAGAIN)
		return n;
	set_bit(SOCK_NOSPACE, &conn->socket.sock->flags);
	/* Space freed before SOCK_NOSPACE was set raised no callback: see socket_write_space() */
	smp_mb__after_atomic();
	msg.msg_iter = *iter;
	return sock_sendmsg(conn->socket.sock, &msg);
}

/* Send the rest of the batch. Return: 0 if all of it was sent, or negative errno */
static int send_push_batch(struct nbd_conn *conn)
{
	struct nbd_tx *tx = &conn->tx;
	int flags = tx->cmd || !list_empty(&tx->queue) ? MSG_MORE : 0, n;

	while (iov_iter_count(&tx->iter)) {
		n = send_write_socket(conn, &tx->iter, flags);
		if (n <= 0)
			return n ?: -EIO;
		iov_iter_advance(&tx->iter, n);
		conn->stats.bytes_sent += n;
	}
	send_batch_done(tx);
	return 0;
}

/**
 * send_disc() - send NBD_CMD_DISC, once
 * @conn: connection whose sender is the caller
 *
 * Return: false if it could not be sent, also because a request was sent in part only.
 */
static bool send_disc(struct nbd_conn *conn)
{
	struct kvec vec = { conn->tx.headers, sizeof(*conn->tx.headers) };
	struct nbd_req req = { .type = NBD_CMD_DISC };
	struct iov_iter iter;

	if (conn->tx.cmd || iov_iter_count(&conn->tx.iter))
		return false;
	if (test_and_set_bit(NBD_CONN_DISC, &conn->flags))
		return true;
	nbd_put_request(conn->tx.headers, &req, 0);
	iov_iter_kvec(&iter, ITER_SOURCE, &vec, 1, vec.iov_len);
	return send_write_socket(conn, &iter, 0) == vec.iov_len;
}

/* True if -EAGAIN means no memory, not no space: then no callback follows */
static bool send_lacked_memory(const struct nbd_conn *conn)
{
	return conn->socket.transport == NBDCTL_TRANSPORT_TCP &&
	       sk_stream_is_writeable(conn->socket.sk);
}

/*
 * If its queues are empty, TCP calls write_space() itself when it returns -EAGAIN, which queues
 * send_work at once. Under the socket lock no space is freed meanwhile, so that can be delayed;
 * without it send_work may be queued for space that was freed.
 */
static void send_retry_later(struct nbd_conn *conn)
{
	if (conn->socket.in_place)
		mod_delayed_work(nbd_io_wq, &conn->send_work, RETRY_DELAY);
	else
		queue_delayed_work(nbd_io_wq, &conn->send_work, RETRY_DELAY);
}

static void send_failed(struct nbd_conn *conn, int err)
{
	switch (err) {
	case -EAGAIN:
		/* No space: write_space() will queue send_work */
		if (!send_lacked_memory(conn))
			break;
		fallthrough;
	case -ENOMEM:
	case -ENOBUFS:
		send_retry_later(conn);
		break;
	default:
		nbd_conn_fail(conn, err);
	}
}

/* Nothing is left to send: send DISC if the connection is being closed */
static void send_all_done(struct nbd_conn *conn)
{
	if (test_bit(NBD_CONN_CLOSING, &conn->flags) && !send_disc(conn))
		nbd_conn_fail(conn, -EPIPE);
}

/*
 * Send up to @budget batches, see send_fill_batch() for @most; queue send_work for the rest. The
 * caller is the only sender.
 */
static void send_batches(struct nbd_conn *conn, int budget, u32 most)
{
	int err;

	while (nbd_conn_socket_usable(conn)) {
		send_collect(conn);
		if (!iov_iter_count(&conn->tx.iter) && !send_fill_batch(conn, most))
			return send_all_done(conn);
		if (!budget--) {
			queue_delayed_work(nbd_io_wq, &conn->send_work, 0);
			return;
		}
		err = send_push_batch(conn);
		if (err)
			return send_failed(conn, err);
	}
}

/* The sender's work item. The workqueue runs it once at a time for each connection. */
static void send_work(struct work_struct *work)
{
	struct nbd_conn *conn = container_of(to_delayed_work(work), struct nbd_conn, send_work);
	unsigned int noreclaim = memalloc_noreclaim_save();

	if (conn->socket.in_place)
		lock_sock(conn->socket.sk);
	send_batches(conn, SEND_BUDGET, NBD_TX_BYTES);
	if (conn->socket.in_place)
		release_sock(conn->socket.sk);
	/* A server that reads in several threads closes when each has seen EOF */
	if (test_bit(NBD_CONN_DISC, &conn->flags))
		nbd_socket_finish(&conn->socket);
	memalloc_noreclaim_restore(noreclaim);
}

/* True if there is more to send than should be sent with softirqs off */
static bool send_is_much(const struct nbd_tx *tx)
{
	const struct nbd_cmd *cmd;
	u32 bytes = iov_iter_count(&tx->iter);

	if (tx->cmd)
		return true;
	list_for_each_entry(cmd, &tx->queue, list) {
		bytes += nbd_cmd_payload(cmd);
		if (bytes > SEND_NOW_BYTES)
			return true;
	}
	return false;
}

/* Send under the socket's spinlock, with no task owning the socket: must not sleep */
static void send_here(struct nbd_conn *conn)
{
	struct sock *sk = conn->socket.sk;
	gfp_t allocation = sk->sk_allocation;

	send_collect(conn);
	if (send_is_much(&conn->tx)) {
		queue_delayed_work(nbd_io_wq, &conn->send_work, 0);
		return;
	}
	sk->sk_allocation = GFP_ATOMIC | __GFP_MEMALLOC | __GFP_NOWARN;
	send_batches(conn, 1, SEND_NOW_BYTES);
	sk->sk_allocation = allocation;
}

/*
 * Send in this context, if nobody holds the socket lock; false if somebody does. That may be a
 * receiver up the call chain, whose completion led to this submission.
 */
static bool send_now(struct nbd_conn *conn)
{
	struct sock *sk = conn->socket.sk;
	bool free;

	if (!conn->socket.in_place || !spin_trylock_bh(&sk->sk_lock.slock))
		return false;
	free = !sock_owned_by_user(sk);
	if (free)
		send_here(conn);
	spin_unlock_bh(&sk->sk_lock.slock);
	return free;
}

/**
 * nbd_send_queued() - get the weight of the commands that are queued for the sender
 * @conn: the connection
 *
 * Context: Any. Under RCU, or the caller keeps @conn.
 * Return: approximate number of commands, each counted once per 4 KiB of payload; 0 only if none is
 * queued.
 */
u32 nbd_send_queued(const struct nbd_conn *conn)
{
	return llist_empty(&conn->submitted) ? 0 : max(READ_ONCE(conn->waiting), 1u);
}

/**
 * nbd_send_inflight() - get the number of commands that were sent and have no reply yet
 * @conn: the connection
 *
 * Context: Any. Under RCU, or the caller keeps @conn.
 * Return: approximate number of commands.
 */
u32 nbd_send_inflight(const struct nbd_conn *conn)
{
	u64 replies = READ_ONCE(conn->stats.replies);

	return READ_ONCE(conn->stats.requests) - replies;
}

/**
 * nbd_send_kick() - send queued commands, in this context if the socket lock is free
 * @conn: the connection
 *
 * Context: Any except hard interrupts. Under RCU, or the caller keeps @conn. Does not sleep.
 */
void nbd_send_kick(struct nbd_conn *conn)
{
	if (!llist_empty(&conn->submitted) && !send_now(conn))
		queue_delayed_work(nbd_io_wq, &conn->send_work, 0);
}

/**
 * nbd_send_kick_later() - let send_work send queued commands
 * @conn: the connection
 *
 * Context: Any. Under RCU, or the caller keeps @conn.
 */
void nbd_send_kick_later(struct nbd_conn *conn)
{
	if (!llist_empty(&conn->submitted))
		queue_delayed_work(nbd_io_wq, &conn->send_work, 0);
}

/* True if commands are queued, and the server may soon be idle */
static bool send_server_waits(const struct nbd_conn *conn)
{
	return !llist_empty(&conn->submitted) && nbd_send_inflight(conn) < SERVER_NEARLY_IDLE;
}

/**
 * nbd_send_kick_idle() - send queued commands if the server may soon be idle
 * @conn: the connection
 *
 * Context: As nbd_send_kick().
 */
void nbd_send_kick_idle(struct nbd_conn *conn)
{
	if (send_server_waits(conn))
		nbd_send_kick(conn);
}

/**
 * nbd_send_kick_idle_locked() - as nbd_send_kick_idle(), for a caller that has the socket lock
 * @conn: the connection
 *
 * Context: Softirq or process context. The caller holds the spinlock of the socket, which is used
 * in place and which no task owns. Does not sleep.
 */
void nbd_send_kick_idle_locked(struct nbd_conn *conn)
{
	if (send_server_waits(conn))
		send_here(conn);
}

/**
 * nbd_send_writable() - continue after the socket was full
 * @conn: the connection
 *
 * Context: Any. The caller keeps @conn.
 */
void nbd_send_writable(struct nbd_conn *conn)
{
	if (nbd_conn_runs(conn))
		queue_delayed_work(nbd_io_wq, &conn->send_work, 0);
}

/* Set up the sender of a connection that is not in its slot yet */
void nbd_send_init(struct nbd_conn *conn)
{
	INIT_DELAYED_WORK(&conn->send_work, send_work);
	INIT_LIST_HEAD(&conn->tx.queue);
	INIT_LIST_HEAD(&conn->tx.sent);
}
