// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a connection: take over a socket, run, fail or close, give the
 * socket back as it was. Sending and receiving are in send.c and recv.c.
 */
#include <linux/file.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <net/inet_connection_sock.h>
#include <net/tcp.h>

#include "../uapi/linux/nbdctl.h"
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

static bool is_tcp(const struct sock *sk)
{
	return (sk->sk_family == AF_INET || sk->sk_family == AF_INET6) &&
	       sk->sk_protocol == IPPROTO_TCP;
}

/* Other sockets have no business below a disk, and some can't be shut down safely */
static u32 transport_of(const struct socket *sock)
{
	if (sock->type != SOCK_STREAM)
		return NBDCTL_TRANSPORT_NONE;
	if (is_tcp(sock->sk))
		return NBDCTL_TRANSPORT_TCP;
	switch (sock->sk->sk_family) {
	case AF_UNIX:
		return NBDCTL_TRANSPORT_UNIX;
	case AF_VSOCK:
		return NBDCTL_TRANSPORT_VSOCK;
	default:
		return NBDCTL_TRANSPORT_NONE;
	}
}

static int check_socket(struct nbd_conn *conn, const char **why)
{
	struct sock *sk = conn->sock->sk;

	conn->transport = transport_of(conn->sock);
	if (conn->transport == NBDCTL_TRANSPORT_NONE) {
		*why = "fd is no TCP, Unix or vsock stream socket";
		return -EPROTOTYPE;
	}
	if (READ_ONCE(sk->sk_state) != TCP_ESTABLISHED || READ_ONCE(sk->sk_shutdown)) {
		*why = "fd is a socket that is not connected";
		return -ENOTCONN;
	}
	return 0;
}

/* Whose socket is it, if that still does anything? Under sk_callback_lock */
static struct nbd_conn *conn_of(const struct sock *sk)
{
	struct nbd_conn *conn = sk->sk_user_data;

	return conn && !nbd_conn_failed(conn) ? conn : NULL;
}

static void data_ready(struct sock *sk)
{
	struct nbd_conn *conn;

	read_lock_bh(&sk->sk_callback_lock);
	conn = conn_of(sk);
	if (conn)
		nbd_conn_data_ready(conn);
	read_unlock_bh(&sk->sk_callback_lock);
}

/* A Unix socket says so for each buffer the peer has done with, missed or not */
static void write_space(struct sock *sk)
{
	struct nbd_conn *conn;

	read_lock_bh(&sk->sk_callback_lock);
	conn = conn_of(sk);
	/* Room first, then the mark; pairs with write_socket() */
	smp_mb();
	if (conn && test_bit(SOCK_NOSPACE, &sk->sk_socket->flags) && sk_stream_is_writeable(sk)) {
		clear_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
		queue_delayed_work(nbd_io_wq, &conn->send_work, 0);
	}
	read_unlock_bh(&sk->sk_callback_lock);
}

/* Whatever has happened to the socket, the receiver will meet it */
static void state_change(struct sock *sk)
{
	struct nbd_conn *conn;

	read_lock_bh(&sk->sk_callback_lock);
	conn = conn_of(sk);
	if (conn)
		queue_work(nbd_io_wq, &conn->recv_work);
	read_unlock_bh(&sk->sk_callback_lock);
}

/* Is there nothing between us and TCP? */
static bool is_plain(const struct nbd_conn *conn)
{
	return conn->transport == NBDCTL_TRANSPORT_TCP &&
	       !inet_csk(conn->sock->sk)->icsk_ulp_ops;
}

/*
 * Sockets below a disk are not those that programs on the disk use; told apart,
 * lockdep sees no circle where there is none. The class stays with the socket,
 * so the module with the keys does, too. Locks that are held keep their class.
 */
static void name_locks(struct sock *sk)
{
#ifdef CONFIG_DEBUG_LOCK_ALLOC
	static struct lock_class_key keys[4];

	if (!sock_allow_reclassification(sk) || !nbd_own_sock(sk))
		return;
	lockdep_set_class_and_name(&sk->sk_lock, &keys[sk->sk_family == AF_INET6], "sk_lock-nbd");
	lockdep_set_class_and_name(&sk->sk_lock.slock, &keys[2 + (sk->sk_family == AF_INET6)],
				   "slock-nbd");
#endif
}

/* Make the socket fit for the write-back path, and ours */
static int take_socket(struct nbd_conn *conn, const char **why)
{
	struct sock *sk = conn->sock->sk;
	int err = 0;

	lock_sock(sk);
	write_lock_bh(&sk->sk_callback_lock);
	if (sk->sk_user_data) {
		*why = "fd is a socket that another part of the kernel uses";
		err = -EBUSY;
		goto unlock;
	}
	conn->saved.data_ready = sk->sk_data_ready;
	conn->saved.write_space = sk->sk_write_space;
	conn->saved.state_change = sk->sk_state_change;
	conn->saved.error_report = sk->sk_error_report;
	conn->saved.allocation = sk->sk_allocation;
	conn->saved.use_task_frag = nbd_get_task_frag(sk);
	conn->saved.memalloc = sock_flag(sk, SOCK_MEMALLOC);
	sk->sk_user_data = conn;
	sock_set_flag(sk, SOCK_MEMALLOC);
	sk->sk_allocation = GFP_NOIO | __GFP_MEMALLOC;
	nbd_set_task_frag(sk, false);
unlock:
	write_unlock_bh(&sk->sk_callback_lock);
	release_sock(sk);
	if (err)
		return err;
	conn->in_place = is_plain(conn);
	if (conn->transport == NBDCTL_TRANSPORT_TCP) {
		name_locks(sk);
		tcp_sock_set_nodelay(sk);
	}
	return 0;
}

/* Give the socket back as it was; from now on its callbacks don't know us */
static void return_socket(struct nbd_conn *conn)
{
	struct sock *sk = conn->sock->sk;

	lock_sock(sk);
	write_lock_bh(&sk->sk_callback_lock);
	if (sk->sk_user_data != conn)
		goto unlock;
	sk->sk_user_data = NULL;
	sk->sk_data_ready = conn->saved.data_ready;
	sk->sk_write_space = conn->saved.write_space;
	sk->sk_state_change = conn->saved.state_change;
	sk->sk_error_report = conn->saved.error_report;
	sk->sk_allocation = conn->saved.allocation;
	nbd_set_task_frag(sk, conn->saved.use_task_frag);
	sock_valbool_flag(sk, SOCK_MEMALLOC, conn->saved.memalloc);
unlock:
	write_unlock_bh(&sk->sk_callback_lock);
	release_sock(sk);
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
	int err = -EBADF;

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

	*why = "fd is no socket";
	if (fd <= INT_MAX)
		conn->sock = sockfd_lookup(fd, &err);
	if (!conn->sock)
		goto free_conn;
	err = check_socket(conn, why);
	if (err)
		goto put_sock;
	err = alloc_buffers(conn);
	if (err)
		goto free_buffers;
	err = take_socket(conn, why);
	if (err)
		goto free_buffers;
	nbd_session_get(session);
	conn->session = session;
	return conn;

free_buffers:
	free_buffers(conn);
put_sock:
	sockfd_put(conn->sock);
free_conn:
	kfree(conn);
	return ERR_PTR(err);
}

static void conn_free(struct kref *ref)
{
	struct nbd_conn *conn = container_of(ref, struct nbd_conn, ref);

	return_socket(conn);
	sockfd_put(conn->sock);
	free_buffers(conn);
	nbd_session_put(conn->session);
	kfree_rcu(conn, rcu);
}

void nbd_conn_put(struct nbd_conn *conn)
{
	kref_put(&conn->ref, conn_free);
}

/**
 * nbd_conn_start() - begin to receive
 * @conn: in its slot
 *
 * Cannot fail. Events of the socket since it was taken over are made up for.
 */
void nbd_conn_start(struct nbd_conn *conn)
{
	struct sock *sk = conn->sock->sk;

	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_data_ready = data_ready;
	sk->sk_write_space = write_space;
	sk->sk_state_change = state_change;
	/* All that is called when the host of a vsock's peer goes */
	sk->sk_error_report = state_change;
	write_unlock_bh(&sk->sk_callback_lock);
	queue_work(nbd_io_wq, &conn->recv_work);
}

/*
 * The session takes the connection down from its own work, whose reference is not ours to drop: it
 * might be the last. So the work is queued once.
 */
static void report(struct nbd_conn *conn, int error)
{
	if (test_and_set_bit(NBD_CONN_REPORTED, &conn->flags) || !kref_get_unless_zero(&conn->ref))
		return;
	conn->error = error;
	conn->died = READ_ONCE(conn->session->born);
	queue_work(nbd_ctl_wq, &conn->fail_work);
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
	struct sock *sk = conn->sock->sk;
	unsigned int noio = memalloc_noio_save();

	set_bit(NBD_CONN_FAILED, &conn->flags);
	if (conn->transport == NBDCTL_TRANSPORT_TCP)
		tcp_abort(sk, ECONNRESET);
	kernel_sock_shutdown(conn->sock, SHUT_RDWR);
	/* Let those callbacks end that have not seen the mark; the others queue no worker */
	write_lock_bh(&sk->sk_callback_lock);
	write_unlock_bh(&sk->sk_callback_lock);
	/* In this order: the receiver starts the sender, and not the other way round */
	cancel_work_sync(&conn->recv_work);
	cancel_delayed_work_sync(&conn->send_work);
	return_socket(conn);
	memalloc_noio_restore(noio);
}
