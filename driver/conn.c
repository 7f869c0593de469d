// SPDX-License-Identifier: GPL-2.0-only
/*
 * Life cycle of connections: take over a socket (socket.c), start, fail or close, and give the
 * socket back. Sending and receiving are in send.c and recv.c.
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "conn.h"
#include "session.h"
#include "trace.h"

struct workqueue_struct *nbd_io_wq;

/*
 * sk_set_memalloc() takes cpus_read_lock(), to enable a static key. CPU hotplug may be waiting for
 * one of our disks, and the disk for the connection that is being made: a deadlock. So the key is
 * enabled as long as the module is loaded, and sockets just get the flags.
 */
void nbd_conns_init(void)
{
	static_branch_inc(&memalloc_socks_key);
}

void nbd_conns_exit(void)
{
	static_branch_dec(&memalloc_socks_key);
}

static int conn_alloc_buffers(struct nbd_conn *conn)
{
	conn->tx.headers = kmalloc_array(NBD_TX_HEADERS, sizeof(*conn->tx.headers), GFP_KERNEL);
	conn->tx.vec = kmalloc_array(NBD_TX_VECS, sizeof(*conn->tx.vec), GFP_KERNEL);
	conn->rx.page = (void *)__get_free_page(GFP_KERNEL);
	conn->rx.vec = kmalloc_array(NBD_RX_VECS + 1, sizeof(*conn->rx.vec), GFP_KERNEL);
	if (!conn->tx.headers || !conn->tx.vec || !conn->rx.page || !conn->rx.vec)
		return -ENOMEM;
	return 0;
}

static void conn_free_buffers(struct nbd_conn *conn)
{
	kfree(conn->tx.headers);
	kfree(conn->tx.vec);
	kfree(conn->rx.vec);
	free_page((unsigned long)conn->rx.page);
}

/**
 * nbd_conn_alloc() - allocate a connection and take over its socket
 * @session: its session, with the contexts set
 * @index: number of its slot
 * @sock: the connected socket, whose file is referenced by the caller
 * @ops: handlers of the events of the socket; those that come before nbd_conn_start() find
 *	nbd_conn_runs() false
 * @errmsg: set to a human-readable reason if the socket is refused; has no meaning for -ENOMEM
 *
 * The caller fills in the work items and the context ids. Nothing is sent or received before
 * nbd_conn_start().
 *
 * Context: Process context, may sleep. Takes the socket lock.
 * Return: the connection with one reference, or an ERR_PTR.
 */
struct nbd_conn *nbd_conn_alloc(struct nbd_session *session, u32 index, struct socket *sock,
				const struct nbd_socket_ops *ops, const char **errmsg)
{
	struct nbd_conn *conn;
	int err;

	conn = kzalloc(struct_size(conn, ids, session->export.nr_contexts), GFP_KERNEL);
	if (!conn)
		return ERR_PTR(-ENOMEM);
	kref_init(&conn->ref);
	conn->index = index;
	init_llist_head(&conn->submitted);
	init_completion(&conn->closed);

	err = nbd_socket_get(&conn->socket, sock, errmsg);
	if (err)
		goto free_conn;
	err = conn_alloc_buffers(conn);
	if (err)
		goto free_buffers;
	err = nbd_socket_take(&conn->socket, ops, errmsg);
	if (err)
		goto free_buffers;
	nbd_session_get(session);
	conn->session = session;
	return conn;

free_buffers:
	conn_free_buffers(conn);
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
	conn_free_buffers(conn);
	nbd_session_put(conn->session);
	kfree_rcu(conn, rcu);
}

/* Drop a reference. Process context: the last one takes the socket lock, and may sleep. */
void nbd_conn_put(struct nbd_conn *conn)
{
	kref_put(&conn->ref, conn_free);
}

/* Drop the references of an array of connections, and free it. Context as of nbd_conn_put(). */
void nbd_put_conns(struct nbd_conn **conns, u32 n)
{
	while (n)
		nbd_conn_put(conns[--n]);
	kfree(conns);
}

/*
 * Queue fail_work, which gets a reference and drops it: that may be the last one, and dropping it
 * sleeps. So fail_work is queued only once, as a second reference could not be dropped here.
 */
static void conn_report(struct nbd_conn *conn, int error)
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
 * nbd_conn_start() - let a connection send and receive
 * @conn: in its slot
 *
 * Queues the receiver once, for events of the socket that came before NBD_CONN_STARTED was set.
 *
 * Context: Process context, under the session's lock. Does not sleep.
 */
void nbd_conn_start(struct nbd_conn *conn)
{
	set_bit(NBD_CONN_STARTED, &conn->flags);
	/* Either this sees FAILED, or conn_report() sees STARTED; pairs with nbd_conn_fail() */
	smp_mb__after_atomic();
	if (nbd_conn_failed(conn))
		conn_report(conn, conn->error ?: -ECONNABORTED);
	queue_work(nbd_io_wq, &conn->recv_work);
}

/**
 * nbd_conn_fail() - end a connection because of an error
 * @conn: the connection
 * @error: negative errno; only the first one that is reported counts
 *
 * Context: Any. Under RCU, or the caller holds a reference.
 */
void nbd_conn_fail(struct nbd_conn *conn, int error)
{
	if (!test_and_set_bit(NBD_CONN_FAILED, &conn->flags))
		conn_report(conn, error);
}

/**
 * nbd_conn_drain() - end a connection because its server shuts down
 * @conn: the connection
 *
 * It gets no more commands. The session waits for the replies to those in flight, and ends it by a
 * soft disconnect.
 *
 * Context: Any. Under RCU, or the caller holds a reference.
 * Return: false if it was called before.
 */
bool nbd_conn_drain(struct nbd_conn *conn)
{
	if (test_and_set_bit(NBD_CONN_DRAINING, &conn->flags))
		return false;
	conn_report(conn, -ESHUTDOWN);
	return true;
}

/* How long a server may take to close the connection after DISC */
#define CLOSE_TIME	(2 * HZ)

/**
 * nbd_conn_disconnect() - start a soft disconnect
 * @conn: without commands in flight; it must not get new ones
 *
 * See "Terminating the transmission phase" in the NBD protocol: DISC has no reply, the server
 * closes the connection.
 *
 * Context: Any. The caller keeps @conn from being freed.
 */
void nbd_conn_disconnect(struct nbd_conn *conn)
{
	if (test_and_set_bit(NBD_CONN_CLOSING, &conn->flags))
		return;
	conn->goodbye = jiffies;
	queue_delayed_work(nbd_io_wq, &conn->send_work, 0);
}

/**
 * nbd_conn_close() - complete a soft disconnect, which is started if necessary
 * @conn: without commands in flight, out of its slot
 *
 * Waits until the server closes, the connection fails, or the detach is forced; for CLOSE_TIME from
 * the start at most.
 *
 * Context: Process context, sleeps.
 */
void nbd_conn_close(struct nbd_conn *conn)
{
	unsigned long end;

	nbd_conn_disconnect(conn);
	end = conn->goodbye + CLOSE_TIME;
	while (READ_ONCE(conn->session->state) != NBD_SESSION_ABORTED && !nbd_conn_failed(conn) &&
	       time_before(jiffies, end))
		if (wait_for_completion_timeout(&conn->closed, msecs_to_jiffies(20)))
			break;
}

/**
 * nbd_conn_stop() - end all activity of a connection, and give its socket back
 * @conn: out of its slot for an RCU grace period, so that no submitter uses it
 *
 * A TCP socket is reset, not shut down: what is in its buffers must never reach the server after
 * the same commands, or later ones, went over another connection. Data that the server's host has
 * received, with Unix and vsock all that was sent, cannot be taken back. When this returns, sender
 * and receiver are joined, and the caller owns the commands of @conn.
 *
 * Context: Process context, sleeps. The caller must not hold a lock that a worker takes.
 */
void nbd_conn_stop(struct nbd_conn *conn)
{
	unsigned int noio = memalloc_noio_save();

	set_bit(NBD_CONN_FAILED, &conn->flags);
	/* Waits for callbacks that began before FAILED was set; later ones queue no worker */
	nbd_socket_reset(&conn->socket);
	/* In this order: the receiver queues the sender, but not vice versa */
	cancel_work_sync(&conn->recv_work);
	cancel_delayed_work_sync(&conn->send_work);
	nbd_socket_return(&conn->socket);
	memalloc_noio_restore(noio);
}

/**
 * nbd_conn_socket_usable() - check that a connection may send and receive now
 * @conn: the connection
 *
 * A process that kept a descriptor may have attached a ULP such as TLS to a socket that is used in
 * place. That fails the connection. A socket that has been given back was closed, which its
 * connection knows: after DISC it is not a failure.
 *
 * Context: Any. The caller holds the socket lock, if nbd_socket.in_place.
 * Return: true if @conn has not failed, and its socket is still there.
 */
bool nbd_conn_socket_usable(struct nbd_conn *conn)
{
	if (conn->socket.in_place && unlikely(!nbd_socket_still_plain(&conn->socket))) {
		if (conn->socket.taken)
			nbd_conn_fail(conn, -EBUSY);
		return false;
	}
	return !nbd_conn_failed(conn);
}
