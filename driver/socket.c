// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taking a socket over and giving it back. In between, the callbacks find the driver's data by
 * sk_user_data. A TCP socket that is closed, by either peer or another process, is given back at
 * once, in a callback: it could next be connected to something else, or listen, and the sockets
 * that it accepts would inherit our callbacks, the memory reserves and the allocation flags.
 */
#include <linux/file.h>
#include <linux/module.h>
#include <linux/tcp.h>
#include <net/inet_connection_sock.h>
#include <net/tcp.h>

#include "../uapi/linux/nbdctl.h"
#include "compat.h"
#include "socket.h"

static bool socket_is_tcp(const struct sock *sk)
{
	return (sk->sk_family == AF_INET || sk->sk_family == AF_INET6) &&
	       sk->sk_protocol == IPPROTO_TCP;
}

/* Other sockets are not supported, as some cannot be shut down safely */
static u32 socket_transport(const struct socket *sock)
{
	if (sock->type != SOCK_STREAM)
		return NBDCTL_TRANSPORT_NONE;
	if (socket_is_tcp(sock->sk))
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

static int socket_check(const struct nbd_socket *s, const char **errmsg)
{
	if (s->transport == NBDCTL_TRANSPORT_NONE) {
		*errmsg = "fd: not a TCP, Unix or vsock stream socket";
		return -EPROTOTYPE;
	}
	if (READ_ONCE(s->sk->sk_state) != TCP_ESTABLISHED || READ_ONCE(s->sk->sk_shutdown)) {
		*errmsg = "fd: not connected";
		return -ENOTCONN;
	}
	return 0;
}

/* The address is not available if the connection has just ended, which the receiver will notice */
static void socket_note_peer(struct nbd_socket *s)
{
	int length;

	if (s->transport != NBDCTL_TRANSPORT_TCP)
		return;
	length = kernel_getpeername(s->sock, (struct sockaddr *)&s->peer);
	s->peer_length = max(length, 0);
}

/**
 * nbd_socket_lookup() - look up a socket by its descriptor
 * @fd: descriptor in the calling process
 * @errmsg: set to a human-readable reason on failure
 *
 * Context: Process context, may sleep.
 * Return: the socket with a reference to its file, for sockfd_put(); or an ERR_PTR.
 */
struct socket *nbd_socket_lookup(u32 fd, const char **errmsg)
{
	struct socket *sock = NULL;
	int err = -EBADF;

	*errmsg = "fd: not a socket";
	if (fd <= INT_MAX)
		sock = sockfd_lookup(fd, &err);
	return sock ?: ERR_PTR(err);
}

/**
 * nbd_socket_get() - check that a socket can be taken over, and reference it
 * @s: structure to fill, zeroed
 * @sock: socket whose file is referenced by the caller
 * @errmsg: set to a human-readable reason on failure
 *
 * Context: Process context, may sleep.
 * Return: 0 and a reference to the file in @s, for nbd_socket_put(); or negative errno.
 */
int nbd_socket_get(struct nbd_socket *s, struct socket *sock, const char **errmsg)
{
	int err;

	s->sock = sock;
	s->sk = sock->sk;
	s->transport = socket_transport(sock);
	err = socket_check(s, errmsg);
	if (err)
		return err;
	get_file(sock->file);
	socket_note_peer(s);
	return 0;
}

void nbd_socket_put(struct nbd_socket *s)
{
	sockfd_put(s->sock);
}

/**
 * nbd_socket_of() - find the driver's data of a socket
 * @sk: the socket
 *
 * Context: Any. Under sk_callback_lock, or the caller keeps the socket from being given back.
 * Return: the data, or NULL if the driver has not taken @sk over, or has given it back.
 */
struct nbd_socket *nbd_socket_of(const struct sock *sk)
{
	uintptr_t data = (uintptr_t)sk->sk_user_data;

	/* No other user of sk_user_data with exactly this flag calls our callbacks */
	if ((data & ~SK_USER_DATA_PTRMASK) != SK_USER_DATA_NOCOPY)
		return NULL;
	return (struct nbd_socket *)(data & SK_USER_DATA_PTRMASK);
}

static void socket_data_ready(struct sock *sk)
{
	struct nbd_socket *s;

	read_lock_bh(&sk->sk_callback_lock);
	s = nbd_socket_of(sk);
	if (s)
		s->ops->readable(s);
	read_unlock_bh(&sk->sk_callback_lock);
}

/* AF_UNIX calls this for each skb that the peer has consumed, even if there was space before */
static void socket_write_space(struct sock *sk)
{
	struct nbd_socket *s;
	bool missed = false;

	read_lock_bh(&sk->sk_callback_lock);
	s = nbd_socket_of(sk);
	if (!s)
		goto unlock;
	/* Space is freed before SOCK_NOSPACE is tested; pairs with send_write_socket() */
	smp_mb();
	if (test_bit(SOCK_NOSPACE, &sk->sk_socket->flags) && sk_stream_is_writeable(sk)) {
		clear_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
		missed = true;
	}
	/* The former callback may be that of TLS, which sends the rest of a record */
	s->saved.write_space(sk);
	if (missed)
		s->ops->writable(s);
unlock:
	read_unlock_bh(&sk->sk_callback_lock);
}

static void socket_state_change(struct sock *sk);

static bool socket_restore_callback(void (**at)(struct sock *sk), void (*ours)(struct sock *sk),
				    void (*saved)(struct sock *sk))
{
	if (*at == ours)
		WRITE_ONCE(*at, saved);
	return *at == saved;
}

/*
 * Restore all of the socket except for its lock classes. The caller holds the socket lock and
 * sk_callback_lock. A user such as TLS that has put its callbacks above ours since keeps calling
 * ours, so the module must never be unloaded.
 */
static void socket_restore(struct nbd_socket *s)
{
	struct sock *sk = s->sk;
	bool alone = nbd_socket_of(sk) == s;

	s->taken = false;
	alone &= socket_restore_callback(&sk->sk_data_ready, socket_data_ready,
					 s->saved.data_ready);
	alone &= socket_restore_callback(&sk->sk_write_space, socket_write_space,
					 s->saved.write_space);
	alone &= socket_restore_callback(&sk->sk_state_change, socket_state_change,
					 s->saved.state_change);
	alone &= socket_restore_callback(&sk->sk_error_report, socket_state_change,
					 s->saved.error_report);
	sk->sk_allocation = s->saved.allocation;
	nbd_set_task_frag(sk, s->saved.use_task_frag);
	sock_valbool_flag(sk, SOCK_MEMALLOC, s->saved.memalloc);
	if (nbd_socket_of(sk) == s)
		rcu_assign_sk_user_data(sk, NULL);
	if (!alone) {
		__module_get(THIS_MODULE);
		pr_warn("nbd: the socket of a disk got another user, the module cannot be unloaded\n");
	}
}

/*
 * True if a TCP connection has ended. Every end leads to TCP_CLOSE, and TCP calls
 * socket_state_change() before anyone else can get the socket lock.
 */
static bool socket_is_closed(const struct nbd_socket *s)
{
	return s->transport == NBDCTL_TRANSPORT_TCP && s->sk->sk_state == TCP_CLOSE;
}

static void socket_state_change(struct sock *sk)
{
	struct nbd_socket *s;

	write_lock_bh(&sk->sk_callback_lock);
	s = nbd_socket_of(sk);
	if (s && socket_is_closed(s)) {
		s->ops->over(s, sk->sk_err ? -sk->sk_err : -ECONNABORTED);
		socket_restore(s);
	} else if (s) {
		s->ops->changed(s);
	}
	write_unlock_bh(&sk->sk_callback_lock);
}

/* True for TCP without a ULP, such as TLS */
static bool socket_is_plain(const struct nbd_socket *s)
{
	return s->transport == NBDCTL_TRANSPORT_TCP && !inet_csk(s->sk)->icsk_ulp_ops;
}

/**
 * nbd_socket_still_plain() - check that a socket may still be used in place
 * @s: socket with @in_place
 *
 * A process that kept a descriptor may have attached a ULP, such as TLS.
 *
 * Context: Any, under the socket lock.
 * Return: true if the socket was not given back, and has no ULP.
 */
bool nbd_socket_still_plain(const struct nbd_socket *s)
{
	return s->taken && socket_is_plain(s);
}

#ifdef CONFIG_DEBUG_LOCK_ALLOC

static void socket_swap_class(struct lockdep_map *map, struct nbd_lock_class *class)
{
	struct nbd_lock_class old = { map->key, map->name };

	lock_set_class(map, class->name, class->key, 0, _THIS_IP_);
	*class = old;
}

/*
 * Give the socket's locks separate classes: together with the sockets of programs that use the
 * disk, lockdep would see a cycle where there is none. As other tasks may wait for the locks, their
 * classes can only be changed while they are held. The caller holds the socket lock.
 */
static void socket_swap_classes(struct nbd_socket *s)
{
	if (s->transport != NBDCTL_TRANSPORT_TCP)
		return;
	socket_swap_class(&s->sk->sk_lock.dep_map, &s->classes[0]);
	spin_lock_bh(&s->sk->sk_lock.slock);
	socket_swap_class(&s->sk->sk_lock.slock.dep_map, &s->classes[1]);
	spin_unlock_bh(&s->sk->sk_lock.slock);
}

static void socket_take_classes(struct nbd_socket *s)
{
	static struct lock_class_key keys[2];

	s->classes[0] = (struct nbd_lock_class){ &keys[0], "sk_lock-nbd" };
	s->classes[1] = (struct nbd_lock_class){ &keys[1], "slock-nbd" };
	socket_swap_classes(s);
}

static void socket_return_classes(struct nbd_socket *s)
{
	if (s->classes[0].key)
		socket_swap_classes(s);
	s->classes[0].key = NULL;
}

#else

static void socket_take_classes(struct nbd_socket *s) { }
static void socket_return_classes(struct nbd_socket *s) { }

#endif

static void socket_replace_callbacks(struct nbd_socket *s)
{
	struct sock *sk = s->sk;

	s->saved.data_ready = sk->sk_data_ready;
	s->saved.write_space = sk->sk_write_space;
	s->saved.state_change = sk->sk_state_change;
	s->saved.error_report = sk->sk_error_report;
	s->saved.allocation = sk->sk_allocation;
	s->saved.use_task_frag = nbd_get_task_frag(sk);
	s->saved.memalloc = sock_flag(sk, SOCK_MEMALLOC);
	/* Sockets that are cloned from this one must not inherit it */
	__rcu_assign_sk_user_data_with_flags(sk, s, SK_USER_DATA_NOCOPY);
	sock_set_flag(sk, SOCK_MEMALLOC);
	sk->sk_allocation = GFP_NOIO | __GFP_MEMALLOC;
	nbd_set_task_frag(sk, false);
	WRITE_ONCE(sk->sk_data_ready, socket_data_ready);
	WRITE_ONCE(sk->sk_write_space, socket_write_space);
	WRITE_ONCE(sk->sk_state_change, socket_state_change);
	/* vsock reports a reset of the transport by this callback only */
	WRITE_ONCE(sk->sk_error_report, socket_state_change);
	s->in_place = socket_is_plain(s);
	s->taken = true;
}

/**
 * nbd_socket_take() - take a socket over, and prepare it for use during memory reclaim
 * @s: filled by nbd_socket_get()
 * @ops: handlers of its events
 * @errmsg: set to a human-readable reason on failure
 *
 * Context: Process context, may sleep. Takes the socket lock.
 * Return: 0, then the handlers may be called until nbd_socket_return(); or negative errno.
 */
int nbd_socket_take(struct nbd_socket *s, const struct nbd_socket_ops *ops, const char **errmsg)
{
	struct sock *sk = s->sk;
	int err;

	s->ops = ops;
	lock_sock(sk);
	write_lock_bh(&sk->sk_callback_lock);
	/* It may have been closed or disconnected since nbd_socket_get() */
	err = socket_check(s, errmsg);
	if (!err && sk->sk_user_data) {
		*errmsg = "fd: in use by another part of the kernel";
		err = -EBUSY;
	}
	if (!err)
		socket_replace_callbacks(s);
	write_unlock_bh(&sk->sk_callback_lock);
	if (!err)
		socket_take_classes(s);
	release_sock(sk);
	if (!err && s->transport == NBDCTL_TRANSPORT_TCP)
		tcp_sock_set_nodelay(sk);
	return err;
}

/**
 * nbd_socket_finish() - shut down the sending direction of a socket
 * @s: socket that was taken over
 *
 * The peer reads EOF after what is in the socket's buffers, and may still send.
 *
 * Context: Process context, may sleep. Takes the socket lock.
 */
void nbd_socket_finish(struct nbd_socket *s)
{
	/* A socket that was closed was given back, and may have another use by now */
	if (READ_ONCE(s->taken))
		kernel_sock_shutdown(s->sock, SHUT_WR);
}

/**
 * nbd_socket_reset() - end the connection of a socket
 * @s: socket that was taken over, whose handlers no longer queue work
 *
 * A TCP connection is reset, so that nothing in its buffers reaches the peer. When this returns,
 * callbacks that began before have returned.
 *
 * Context: Process context, may sleep. Takes the socket lock.
 */
void nbd_socket_reset(struct nbd_socket *s)
{
	struct sock *sk = s->sk;

	/* A socket that was closed was given back, and may have another use by now */
	if (READ_ONCE(s->taken)) {
		if (s->transport == NBDCTL_TRANSPORT_TCP)
			tcp_abort(sk, ECONNRESET);
		kernel_sock_shutdown(s->sock, SHUT_RDWR);
	}
	write_lock_bh(&sk->sk_callback_lock);
	write_unlock_bh(&sk->sk_callback_lock);
}

/**
 * nbd_socket_return() - give a socket back with its former settings
 * @s: socket that was taken over; it may have been given back since
 *
 * From now on nbd_socket_of() does not find @s.
 *
 * Context: Process context, may sleep. Takes the socket lock.
 */
void nbd_socket_return(struct nbd_socket *s)
{
	struct sock *sk = s->sk;

	/* Also waits for a callback that is giving the socket back */
	lock_sock(sk);
	socket_return_classes(s);
	write_lock_bh(&sk->sk_callback_lock);
	if (s->taken)
		socket_restore(s);
	write_unlock_bh(&sk->sk_callback_lock);
	release_sock(sk);
}
