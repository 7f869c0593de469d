// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sender: takes commands from a connection's list and writes as many of them
 * as will go with one sendmsg. It never waits: when the socket is full it
 * leaves, and the socket's callback brings it back. Mirror of recv.c.
 *
 * On TCP it is the socket's lock that makes one sender at a time. A submitter, or
 * a softirq that has brought replies, sends a batch itself if the lock is free;
 * all else is left to the work, which has more in one go.
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <net/tcp.h>

#include "conn.h"
#include "session.h"
#include "trace.h"

/* How long to wait when the network is short of memory */
#define RETRY_DELAY	msecs_to_jiffies(20)

/* Batches in one run, before other work gets its turn */
#define SEND_BUDGET	16

/*
 * With fewer commands than that the server may soon have none. With more, each reply would send the
 * few that wait by now, at the cost of whoever brought it: a thread of the server, on one machine.
 */
#define SERVER_NEARLY_IDLE	8u

/*
 * A submitter sends no more payload itself: softirqs are off meanwhile, and the receiver spins for
 * the socket's lock. To have the work copy more costs little beside the copy.
 */
#define SEND_NOW_BYTES	SZ_128K

void nbd_send_init(struct nbd_conn *conn)
{
	INIT_DELAYED_WORK(&conn->send_work, nbd_send_work);
	INIT_LIST_HEAD(&conn->tx.queue);
	INIT_LIST_HEAD(&conn->tx.sent);
}

/* What a command weighs among those that wait to be sent: one for each so many bytes of payload */
#define WEIGHT_BYTES	SZ_4K

/**
 * nbd_conn_submit() - queue a command for sending
 * @conn: a connection found in its slot, under RCU
 * @cmd: prepared; @conn owns it now
 *
 * Any context. The sender starts at nbd_conn_kick().
 */
void nbd_conn_submit(struct nbd_conn *conn, struct nbd_cmd *cmd)
{
	u32 weight = max(nbd_cmd_payload(cmd) / WEIGHT_BYTES, 1u);

	nbd_cmd_start(cmd, conn);
	WRITE_ONCE(conn->waiting, READ_ONCE(conn->waiting) + weight);
	llist_add(&cmd->snode, &conn->submitted);
}

static void collect(struct nbd_conn *conn)
{
	struct llist_node *node = llist_reverse_order(llist_del_all(&conn->submitted));
	struct nbd_cmd *cmd, *next;

	WRITE_ONCE(conn->waiting, 0);
	llist_for_each_entry_safe(cmd, next, node, snode)
		list_add_tail(&cmd->list, &conn->tx.queue);
}

static void add_header(struct nbd_conn *conn, struct nbd_cmd *cmd, u32 nr_headers, u32 *nr_vecs)
{
	struct nbd_wire_request *wire = &conn->tx.headers[nr_headers];
	struct bio_vec *vec = &conn->tx.vec[*nr_vecs];

	nbd_put_request(wire, &cmd->req, nbd_cmd_cookie(cmd));
	/* Headers that follow each other in memory are one piece */
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

/*
 * A command without payload is out of the sender's hands as soon as its header
 * is written: nothing of it is needed any more.
 */
static void header_written(struct nbd_cmd *cmd)
{
	if (nbd_cmd_half(cmd, NBD_HALF_SEND))
		nbd_cmd_complete(cmd, NULL);
}

/* Add payload of the current command; false if there is no room for all of it */
static bool add_payload(struct nbd_tx *tx, u32 *nr_vecs, u32 *bytes, u32 most)
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

static struct nbd_cmd *next_cmd(struct nbd_conn *conn)
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
 * Gather the next batch: commands are added while it has less than @most bytes, and of the last
 * one no more than so many. False if there is nothing to send.
 */
static bool fill_batch(struct nbd_conn *conn, u32 most)
{
	struct nbd_tx *tx = &conn->tx;
	u32 nr_headers = 0, nr_vecs = 0, bytes = 0;

	while (nr_vecs < NBD_TX_VECS && bytes < most) {
		struct nbd_cmd *cmd;

		if (tx->cmd) {
			if (!add_payload(tx, &nr_vecs, &bytes, most))
				break;
			continue;
		}
		if (nr_headers == NBD_TX_HEADERS)
			break;
		cmd = next_cmd(conn);
		if (!cmd)
			break;
		add_header(conn, cmd, nr_headers++, &nr_vecs);
		bytes += sizeof(struct nbd_wire_request);
		if (nbd_cmd_payload(cmd)) {
			nbd_cursor_init(&tx->cursor, cmd->rq, 0);
			tx->cmd = cmd;
		} else {
			header_written(cmd);
		}
	}
	if (!nr_vecs)
		return false;
	iov_iter_bvec(&tx->iter, ITER_SOURCE, tx->vec, nr_vecs, bytes);
	return true;
}

static void batch_sent(struct nbd_tx *tx)
{
	struct nbd_cmd *cmd, *next;

	list_for_each_entry_safe(cmd, next, &tx->sent, list) {
		list_del(&cmd->list);
		if (nbd_cmd_half(cmd, NBD_HALF_SEND))
			nbd_cmd_complete(cmd, NULL);
	}
}

static int write_socket(struct nbd_conn *conn, const struct iov_iter *iter, int flags)
{
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL | flags, .msg_iter = *iter };
	int n;

	if (conn->socket.in_place)
		return tcp_sendmsg_locked(conn->socket.sk, &msg, iov_iter_count(iter));
	n = sock_sendmsg(conn->socket.sock, &msg);
	if (n != -EAGAIN)
		return n;
	set_bit(SOCK_NOSPACE, &conn->socket.sock->flags);
	/* Whoever made room before this mark calls nobody back; pairs with write_space() */
	smp_mb__after_atomic();
	msg.msg_iter = *iter;
	return sock_sendmsg(conn->socket.sock, &msg);
}

/* Write what is left of the batch: 0 when all of it is out, or negative errno */
static int push_batch(struct nbd_conn *conn)
{
	struct nbd_tx *tx = &conn->tx;
	int flags = tx->cmd || !list_empty(&tx->queue) ? MSG_MORE : 0, n;

	while (iov_iter_count(&tx->iter)) {
		n = write_socket(conn, &tx->iter, flags);
		if (n <= 0)
			return n ?: -EIO;
		iov_iter_advance(&tx->iter, n);
		conn->stats.bytes_sent += n;
	}
	batch_sent(tx);
	return 0;
}

/**
 * send_disc() - say that no more will come
 * @conn: the caller is its sender
 *
 * Return: false if it could not be sent, or a request is only half sent, so that
 * nothing may follow.
 */
static bool send_disc(struct nbd_conn *conn)
{
	struct kvec vec = { conn->tx.headers, sizeof(*conn->tx.headers) };
	struct nbd_req req = { .type = NBD_DISC };
	struct iov_iter iter;

	if (conn->tx.cmd || iov_iter_count(&conn->tx.iter))
		return false;
	if (test_and_set_bit(NBD_CONN_DISC, &conn->flags))
		return true;
	nbd_put_request(conn->tx.headers, &req, 0);
	iov_iter_kvec(&iter, ITER_SOURCE, &vec, 1, vec.iov_len);
	return write_socket(conn, &iter, 0) == vec.iov_len;
}

/* Was it no room in the socket that TCP meant, but no memory? Nobody calls back for that */
static bool lacked_memory(const struct nbd_conn *conn)
{
	return conn->socket.transport == NBDCTL_TRANSPORT_TCP &&
	       sk_stream_is_writeable(conn->socket.sk);
}

/*
 * If its queue is empty, TCP has called back by itself, and the work is queued though there is no
 * memory yet. Under TCP's lock that is all it can be queued for; elsewhere room may have been made.
 */
static void retry_later(struct nbd_conn *conn)
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
		/* The socket's callback starts us again */
		if (!lacked_memory(conn))
			break;
		fallthrough;
	case -ENOMEM:
	case -ENOBUFS:
		retry_later(conn);
		break;
	default:
		nbd_conn_fail(conn, err);
	}
}

/* Nothing is left to send: so be it, or it was all there will ever be */
static void all_sent(struct nbd_conn *conn)
{
	if (test_bit(NBD_CONN_CLOSING, &conn->flags) && !send_disc(conn))
		nbd_conn_fail(conn, -EPIPE);
}

/*
 * Send so many batches, of so many bytes each; what is left is the work's. The
 * caller is the only sender.
 */
static void send_batches(struct nbd_conn *conn, int budget, u32 most)
{
	int err;

	while (nbd_conn_socket_usable(conn)) {
		collect(conn);
		if (!iov_iter_count(&conn->tx.iter) && !fill_batch(conn, most))
			return all_sent(conn);
		if (!budget--) {
			queue_delayed_work(nbd_io_wq, &conn->send_work, 0);
			return;
		}
		err = push_batch(conn);
		if (err)
			return send_failed(conn, err);
	}
}

/* There is room in a socket that was full */
void nbd_socket_writable(struct nbd_socket *s)
{
	struct nbd_conn *conn = container_of(s, struct nbd_conn, socket);

	if (nbd_conn_runs(conn))
		queue_delayed_work(nbd_io_wq, &conn->send_work, 0);
}

/* The sender's work. At most one runs for a connection at any time. */
void nbd_send_work(struct work_struct *work)
{
	struct nbd_conn *conn = container_of(to_delayed_work(work), struct nbd_conn, send_work);
	unsigned int noreclaim = memalloc_noreclaim_save();

	if (conn->socket.in_place)
		lock_sock(conn->socket.sk);
	send_batches(conn, SEND_BUDGET, NBD_TX_BYTES);
	if (conn->socket.in_place)
		release_sock(conn->socket.sk);
	/* A server that reads in several threads closes when all have found the end */
	if (test_bit(NBD_CONN_DISC, &conn->flags))
		nbd_socket_finish(&conn->socket);
	memalloc_noreclaim_restore(noreclaim);
}

/* Is there more to send than should be with softirqs off? */
static bool is_much(const struct nbd_tx *tx)
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

/* With the socket's spinlock, under which nothing may sleep, and no owner */
static void send_here(struct nbd_conn *conn)
{
	struct sock *sk = conn->socket.sk;
	gfp_t allocation = sk->sk_allocation;

	collect(conn);
	if (is_much(&conn->tx)) {
		queue_delayed_work(nbd_io_wq, &conn->send_work, 0);
		return;
	}
	sk->sk_allocation = GFP_ATOMIC | __GFP_MEMALLOC | __GFP_NOWARN;
	send_batches(conn, 1, SEND_NOW_BYTES);
	sk->sk_allocation = allocation;
}

/*
 * Send from here, if that takes no waiting. The spinlock may be held below us, by
 * a receiver whose completion made this submission.
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
 * nbd_conn_waiting() - how much waits for the sender?
 * @conn: the connection
 *
 * Any context. About so many commands, where those with much payload count for as many as would
 * carry it by 4 KiB; 0 is certain.
 */
u32 nbd_conn_waiting(const struct nbd_conn *conn)
{
	return llist_empty(&conn->submitted) ? 0 : max(READ_ONCE(conn->waiting), 1u);
}

/* And how many are sent, and not answered? About so many; any context */
u32 nbd_conn_under_way(const struct nbd_conn *conn)
{
	u64 replies = READ_ONCE(conn->stats.replies);

	return READ_ONCE(conn->stats.requests) - replies;
}

/**
 * nbd_conn_kick() - send what waits, from here if it can be
 * @conn: the connection
 *
 * Any context but hard interrupts; under RCU, or the caller keeps @conn.
 */
void nbd_conn_kick(struct nbd_conn *conn)
{
	if (!llist_empty(&conn->submitted) && !send_now(conn))
		queue_delayed_work(nbd_io_wq, &conn->send_work, 0);
}

/* Likewise, hard interrupts too */
void nbd_conn_kick_later(struct nbd_conn *conn)
{
	if (!llist_empty(&conn->submitted))
		queue_delayed_work(nbd_io_wq, &conn->send_work, 0);
}

/* Does something wait for a sender, while the server has little left to do? */
static bool server_waits(const struct nbd_conn *conn)
{
	return !llist_empty(&conn->submitted) && nbd_conn_under_way(conn) < SERVER_NEARLY_IDLE;
}

/* Send what waits, rather than let the server wait, too; as nbd_conn_kick() */
void nbd_conn_kick_idle(struct nbd_conn *conn)
{
	if (server_waits(conn))
		nbd_conn_kick(conn);
}

/**
 * nbd_conn_answered() - replies have come, so send what waits for more to come
 * @conn: the caller is its receiver
 * @here: it has the socket's spinlock
 *
 * Here, and on its neighbours: who waits for answers may have filled this connection first.
 * Not while the server has enough to do.
 */
void nbd_conn_answered(struct nbd_conn *conn, bool here)
{
	if (!here)
		nbd_conn_kick_idle(conn);
	else if (server_waits(conn))
		send_here(conn);
	if (conn->session->nr_slots > 1)
		nbd_session_answered(conn->session, conn);
}
