// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a connection: take over a socket (socket.c), run, fail or close,
 * give the socket back. Sending and receiving are in send.c and recv.c.
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "conn.h"
#include "session.h"
#include "trace.h"

struct workqueue_struct *nbd_io_wq;

/*
 * The first socket in the system that may use the memory reserves has the kernel
 * patch its code, and so has the last, with processors kept from coming and going.
 * Once a module is enough for that: a processor that comes may be waiting for a disk
 * of ours to have a connection. So sk_set_memalloc() is not for us.
 */
void nbd_conns_init(void)
{
	static_branch_inc(&memalloc_socks_key);
}

void nbd_conns_exit(void)
{
	static_branch_dec(&memalloc_socks_key);
}

static int alloc_buffers(struct nbd_conn *conn)
{
	conn->tx.headers = kmalloc_array(NBD_TX_HEADERS, sizeof(*conn->tx.headers), GFP_KERNEL);
	conn->tx.vec = kmalloc_array(NBD_TX_VECS, sizeof(*conn->tx.vec), GFP_KERNEL);
	conn->rx.page = (void *)__get_free_page(GFP_KERNEL);
	conn->rx.vec = kmalloc_array(NBD_RX_VECS + 1, sizeof(*conn->rx.vec), GFP_KERNEL);
	if (!conn->tx.headers || !conn->tx.vec || !conn->rx.page || !conn->rx.vec)
		return -ENOMEM;
	return 0;
}

static void free_buffers(struct nbd_conn *conn)
{
	kfree(conn->tx.headers);
	kfree(conn->tx.vec);
	kfree(conn->rx.vec);
	free_page((unsigned long)conn->rx.page);
}

/**
 * nbd_conn_alloc() - take over a connected socket
 * @session: it is for; its contexts are known
 * @index: number of the slot it is for
 * @fd: descriptor of the socket in the calling process
 * @why: set to a human-readable reason if the socket is refused
 *
 * The caller fills in the context ids. Nothing is sent or received before
 * nbd_conn_start(). Process context.
 *
 * Return: the connection with one reference, or an ERR_PTR.
 */
struct nbd_conn *nbd_conn_alloc(struct nbd_session *session, u32 index, u32 fd, const char **why)
{
	struct nbd_conn *conn;
	int err;

	conn = kzalloc(struct_size(conn, ids, session->export.nr_contexts), GFP_KERNEL);
	if (!conn)
		return ERR_PTR(-ENOMEM);
	kref_init(&conn->ref);
	conn->index = index;
	init_llist_head(&conn->submitted);
	INIT_WORK(&conn->recv_work, nbd_recv_work);
	INIT_WORK(&conn->fail_work, nbd_session_fail_work);
	INIT_WORK(&conn->retire_work, nbd_session_retire_work);
	init_completion(&conn->closed);
	nbd_send_init(conn);
	nbd_reply_init(&conn->rx.reply, session->export.structured);

	err = nbd_socket_get(&conn->socket, fd, why);
	if (err)
		goto free_conn;
	err = alloc_buffers(conn);
	if (err)
		goto free_buffers;
	err = nbd_socket_take(&conn->socket, why);
	if (err)
		goto free_buffers;
	nbd_session_get(session);
	conn->session = session;
	return conn;

free_buffers:
	free_buffers(conn);
	nbd_socket_put(&conn->socket);
free_conn:
	kfree(conn);
	return ERR_PTR(err);
}

static void conn_free(struct kref *ref)
{
	struct nbd_conn *conn = container_of(ref, struct nbd_conn, ref);

	nbd_socket_return(&conn->socket);
	nbd_socket_put(&conn->socket);
	free_buffers(conn);
	nbd_session_put(conn->session);
	kfree_rcu(conn, rcu);
}

void nbd_conn_put(struct nbd_conn *conn)
{
	kref_put(&conn->ref, conn_free);
}

/*
 * The session takes the connection down from its own work, whose reference is not ours to drop: it
 * might be the last. So the work is queued once.
 */
static void report(struct nbd_conn *conn, int error)
{
	if (!test_bit(NBD_CONN_STARTED, &conn->flags)) {
		conn->error = error;
		return;
	}
	if (test_and_set_bit(NBD_CONN_REPORTED, &conn->flags) || !kref_get_unless_zero(&conn->ref))
		return;
	conn->error = error;
	conn->died = READ_ONCE(conn->session->born);
	queue_work(nbd_ctl_wq, &conn->fail_work);
}

/**
 * nbd_conn_start() - begin to receive
 * @conn: in its slot
 *
 * Cannot fail. Events of the socket since it was taken over are made up for.
 */
void nbd_conn_start(struct nbd_conn *conn)
{
	set_bit(NBD_CONN_STARTED, &conn->flags);
	/* Either this sees that it has failed, or report() sees that it was started */
	smp_mb__after_atomic();
	if (nbd_conn_failed(conn))
		report(conn, conn->error ?: -ECONNABORTED);
	queue_work(nbd_io_wq, &conn->recv_work);
}

/**
 * nbd_conn_fail() - the connection is over
 * @conn: the connection
 * @error: negative errno
 *
 * Any context, under RCU or with a reference. The first caller's reason counts.
 */
void nbd_conn_fail(struct nbd_conn *conn, int error)
{
	if (!test_and_set_bit(NBD_CONN_FAILED, &conn->flags))
		report(conn, error);
}

/**
 * nbd_conn_leave() - the server is going away
 * @conn: the connection
 *
 * It gets no more commands, may answer those it has, and is then closed in
 * order. Context as nbd_conn_fail().
 *
 * Return: false if that is known.
 */
bool nbd_conn_leave(struct nbd_conn *conn)
{
	if (test_and_set_bit(NBD_CONN_LEAVING, &conn->flags))
		return false;
	report(conn, -ESHUTDOWN);
	return true;
}

/* How long a server may take to close after DISC */
#define CLOSE_TIME	(2 * HZ)

/**
 * nbd_conn_goodbye() - begin to end the transmission phase in order
 * @conn: with nothing in flight, and nothing to come
 *
 * See "Terminating the transmission phase" in the NBD protocol: DISC has no
 * reply, the server closes.
 */
void nbd_conn_goodbye(struct nbd_conn *conn)
{
	if (test_and_set_bit(NBD_CONN_CLOSING, &conn->flags))
		return;
	conn->goodbye = jiffies;
	queue_delayed_work(nbd_io_wq, &conn->send_work, 0);
}

/* Say goodbye, if that was not done yet, and wait for the server, for a bounded time since then */
void nbd_conn_close(struct nbd_conn *conn)
{
	unsigned long end;

	nbd_conn_goodbye(conn);
	end = conn->goodbye + CLOSE_TIME;
	while (!READ_ONCE(conn->session->abrupt) && !nbd_conn_failed(conn) &&
	       time_before(jiffies, end))
		if (wait_for_completion_timeout(&conn->closed, msecs_to_jiffies(20)))
			break;
}

/**
 * nbd_conn_stop() - make sure the connection does nothing any more
 * @conn: no longer in its slot, and out of reach of new submitters
 *
 * A TCP socket is reset, not shut down: what is in its buffers must never reach
 * the server after the same commands, or later ones, went over another
 * connection. What the server has received, which on Unix and vsock is all, can't
 * be taken back. When this returns, both workers are joined and the commands that
 * name this connection are the caller's. Process context, no lock that a
 * worker takes.
 */
void nbd_conn_stop(struct nbd_conn *conn)
{
	unsigned int noio = memalloc_noio_save();

	set_bit(NBD_CONN_FAILED, &conn->flags);
	/* Lets those callbacks end that have not seen the mark; the others queue no worker */
	nbd_socket_reset(&conn->socket);
	/* In this order: the receiver starts the sender, and not the other way round */
	cancel_work_sync(&conn->recv_work);
	cancel_delayed_work_sync(&conn->send_work);
	nbd_socket_return(&conn->socket);
	memalloc_noio_restore(noio);
}

/**
 * nbd_conn_socket_usable() - may something be sent or received now?
 * @conn: the connection. The caller has the lock of a socket that is used in place
 *
 * Whoever kept a descriptor may have changed what the socket leads to, which ends the connection.
 */
bool nbd_conn_socket_usable(struct nbd_conn *conn)
{
	if (conn->socket.in_place && unlikely(!nbd_socket_still_plain(&conn->socket)))
		nbd_conn_fail(conn, -EBUSY);
	return !nbd_conn_failed(conn);
}
