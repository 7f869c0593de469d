// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taking a socket over and giving it back. While it is taken, sk_user_data leads its callbacks to
 * us. A TCP socket that is closed, whoever did it, is given back at once, from a callback: it could
 * be connected to something else next, or listen, and then its children would be born with our
 * callbacks, memory reserves and allocation flags.
 */
#include <linux/file.h>
#include <linux/module.h>
#include <linux/tcp.h>
#include <net/inet_connection_sock.h>
#include <net/tcp.h>

#include "../uapi/linux/nbdctl.h"
#include "socket.h"

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

static int check(const struct nbd_socket *s, const char **why)
{
	if (s->transport == NBDCTL_TRANSPORT_NONE) {
		*why = "fd is no TCP, Unix or vsock stream socket";
		return -EPROTOTYPE;
	}
	if (READ_ONCE(s->sk->sk_state) != TCP_ESTABLISHED || READ_ONCE(s->sk->sk_shutdown)) {
		*why = "fd is a socket that is not connected";
		return -ENOTCONN;
	}
	return 0;
}

/* A socket that is not connected any more does not tell; its end will be noticed soon */
static void note_peer(struct nbd_socket *s)
{
	int length;

	if (s->transport != NBDCTL_TRANSPORT_TCP)
		return;
	length = kernel_getpeername(s->sock, (struct sockaddr *)&s->peer);
	s->peer_length = max(length, 0);
}

/**
 * nbd_socket_get() - find a socket that can be taken over
 * @s: zeroed
 * @fd: descriptor of the socket in the calling process
 * @why: set to a human-readable reason if the socket is refused
 *
 * Return: 0, then @s has a reference to its file; or negative errno.
 */
int nbd_socket_get(struct nbd_socket *s, u32 fd, const char **why)
{
	int err = -EBADF;

	*why = "fd is no socket";
	if (fd <= INT_MAX)
		s->sock = sockfd_lookup(fd, &err);
	if (!s->sock)
		return err;
	s->sk = s->sock->sk;
	s->transport = transport_of(s->sock);
	err = check(s, why);
	if (err)
		nbd_socket_put(s);
	else
		note_peer(s);
	return err;
}

void nbd_socket_put(struct nbd_socket *s)
{
	sockfd_put(s->sock);
}

/**
 * nbd_socket_of() - who has taken a socket?
 * @sk: the socket
 *
 * Under sk_callback_lock, or the caller keeps it from being given back.
 *
 * Return: ours, or NULL.
 */
struct nbd_socket *nbd_socket_of(const struct sock *sk)
{
	uintptr_t data = (uintptr_t)sk->sk_user_data;

	/* Nobody else has exactly this flag who would call us */
	if ((data & ~SK_USER_DATA_PTRMASK) != SK_USER_DATA_NOCOPY)
		return NULL;
	return (struct nbd_socket *)(data & SK_USER_DATA_PTRMASK);
}

static void data_ready(struct sock *sk)
{
	struct nbd_socket *s;

	read_lock_bh(&sk->sk_callback_lock);
	s = nbd_socket_of(sk);
	if (s)
		nbd_socket_readable(s);
	read_unlock_bh(&sk->sk_callback_lock);
}

/* A Unix socket says so for each buffer the peer has done with, missed or not */
static void write_space(struct sock *sk)
{
	struct nbd_socket *s;
	bool missed = false;

	read_lock_bh(&sk->sk_callback_lock);
	s = nbd_socket_of(sk);
	if (!s)
		goto unlock;
	/* Room first, then the mark; pairs with write_socket() */
	smp_mb();
	if (test_bit(SOCK_NOSPACE, &sk->sk_socket->flags) && sk_stream_is_writeable(sk)) {
		clear_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
		missed = true;
	}
	/* TLS may have a record that it could send a part of only */
	s->saved.write_space(sk);
	if (missed)
		nbd_socket_writable(s);
unlock:
	read_unlock_bh(&sk->sk_callback_lock);
}

static void state_change(struct sock *sk);

static bool put_back_callback(void (**at)(struct sock *sk), void (*ours)(struct sock *sk),
			      void (*saved)(struct sock *sk))
{
	if (*at == ours)
		WRITE_ONCE(*at, saved);
	return *at == saved;
}

/*
 * Give the socket back as it was, but its locks' classes; under both of its locks. Who has put
 * callbacks of their own above ours since, say TLS, goes on calling ours, so these have to stay.
 */
static void put_back(struct nbd_socket *s)
{
	struct sock *sk = s->sk;
	bool alone = nbd_socket_of(sk) == s;

	s->taken = false;
	alone &= put_back_callback(&sk->sk_data_ready, data_ready, s->saved.data_ready);
	alone &= put_back_callback(&sk->sk_write_space, write_space, s->saved.write_space);
	alone &= put_back_callback(&sk->sk_state_change, state_change, s->saved.state_change);
	alone &= put_back_callback(&sk->sk_error_report, state_change, s->saved.error_report);
	sk->sk_allocation = s->saved.allocation;
	nbd_set_task_frag(sk, s->saved.use_task_frag);
	sock_valbool_flag(sk, SOCK_MEMALLOC, s->saved.memalloc);
	if (nbd_socket_of(sk) == s)
		rcu_assign_sk_user_data(sk, NULL);
	if (!alone) {
		__module_get(THIS_MODULE);
		pr_warn("nbd: a socket got another user while it was below a disk: the module stays\n");
	}
}

/*
 * A connection that ends, in any way, gets to this state, and state_change() is called before
 * anybody else has the socket's lock.
 */
static bool is_closed(const struct nbd_socket *s)
{
	return s->transport == NBDCTL_TRANSPORT_TCP && s->sk->sk_state == TCP_CLOSE;
}

static void state_change(struct sock *sk)
{
	struct nbd_socket *s;

	write_lock_bh(&sk->sk_callback_lock);
	s = nbd_socket_of(sk);
	if (s && is_closed(s)) {
		nbd_socket_over(s, sk->sk_err ? -sk->sk_err : -ECONNABORTED);
		put_back(s);
	} else if (s) {
		nbd_socket_changed(s);
	}
	write_unlock_bh(&sk->sk_callback_lock);
}

/* Is there nothing between us and TCP? */
static bool is_plain(const struct nbd_socket *s)
{
	return s->transport == NBDCTL_TRANSPORT_TCP && !inet_csk(s->sk)->icsk_ulp_ops;
}

/*
 * Is a socket still ours, and plain TCP? It was (@in_place), and the caller has its lock. Whoever
 * kept a descriptor can have put TLS above it.
 */
bool nbd_socket_still_plain(const struct nbd_socket *s)
{
	return s->taken && is_plain(s);
}

#ifdef CONFIG_DEBUG_LOCK_ALLOC

static void swap_class(struct lockdep_map *map, struct nbd_lock_class *class)
{
	struct nbd_lock_class old = { map->key, map->name };

	lock_set_class(map, class->name, class->key, 0, _THIS_IP_);
	*class = old;
}

/*
 * Sockets below a disk are not those that programs on the disk use; told apart, lockdep sees no
 * circle where there is none. Others may wait for these locks, so the classes change as those of
 * locks that are held. The caller has the socket's.
 */
static void swap_classes(struct nbd_socket *s)
{
	if (s->transport != NBDCTL_TRANSPORT_TCP)
		return;
	swap_class(&s->sk->sk_lock.dep_map, &s->classes[0]);
	spin_lock_bh(&s->sk->sk_lock.slock);
	swap_class(&s->sk->sk_lock.slock.dep_map, &s->classes[1]);
	spin_unlock_bh(&s->sk->sk_lock.slock);
}

static void take_classes(struct nbd_socket *s)
{
	static struct lock_class_key keys[2];

	s->classes[0] = (struct nbd_lock_class){ &keys[0], "sk_lock-nbd" };
	s->classes[1] = (struct nbd_lock_class){ &keys[1], "slock-nbd" };
	swap_classes(s);
}

static void return_classes(struct nbd_socket *s)
{
	if (s->classes[0].key)
		swap_classes(s);
	s->classes[0].key = NULL;
}

#else

static void take_classes(struct nbd_socket *s) { }
static void return_classes(struct nbd_socket *s) { }

#endif

static void take(struct nbd_socket *s)
{
	struct sock *sk = s->sk;

	s->saved.data_ready = sk->sk_data_ready;
	s->saved.write_space = sk->sk_write_space;
	s->saved.state_change = sk->sk_state_change;
	s->saved.error_report = sk->sk_error_report;
	s->saved.allocation = sk->sk_allocation;
	s->saved.use_task_frag = nbd_get_task_frag(sk);
	s->saved.memalloc = sock_flag(sk, SOCK_MEMALLOC);
	/* Children must not have it */
	__rcu_assign_sk_user_data_with_flags(sk, s, SK_USER_DATA_NOCOPY);
	sock_set_flag(sk, SOCK_MEMALLOC);
	sk->sk_allocation = GFP_NOIO | __GFP_MEMALLOC;
	nbd_set_task_frag(sk, false);
	WRITE_ONCE(sk->sk_data_ready, data_ready);
	WRITE_ONCE(sk->sk_write_space, write_space);
	WRITE_ONCE(sk->sk_state_change, state_change);
	/* All that is called when the host of a vsock's peer goes */
	WRITE_ONCE(sk->sk_error_report, state_change);
	s->in_place = is_plain(s);
	s->taken = true;
}

/**
 * nbd_socket_take() - make a socket fit for the write-back path, and ours
 * @s: was got
 * @why: set to a human-readable reason if the socket is refused
 *
 * Sleeps.
 *
 * Return: 0, then @s is told what happens, and the socket has to be given back; or negative errno.
 */
int nbd_socket_take(struct nbd_socket *s, const char **why)
{
	struct sock *sk = s->sk;
	int err;

	lock_sock(sk);
	write_lock_bh(&sk->sk_callback_lock);
	/* It may have been closed, or disconnected, meanwhile */
	err = check(s, why);
	if (!err && sk->sk_user_data) {
		*why = "fd is a socket that another part of the kernel uses";
		err = -EBUSY;
	}
	if (!err)
		take(s);
	write_unlock_bh(&sk->sk_callback_lock);
	if (!err)
		take_classes(s);
	release_sock(sk);
	if (!err && s->transport == NBDCTL_TRANSPORT_TCP)
		tcp_sock_set_nodelay(sk);
	return err;
}

/**
 * nbd_socket_finish() - say that nothing more will be sent
 * @s: was taken
 *
 * The peer finds the end of the stream behind what is in the socket's buffers, and may still send.
 * Sleeps.
 */
void nbd_socket_finish(struct nbd_socket *s)
{
	/* One that was closed may be something else by now */
	if (READ_ONCE(s->taken))
		kernel_sock_shutdown(s->sock, SHUT_WR);
}

/**
 * nbd_socket_reset() - end the connection
 * @s: was taken; its user does nothing any more when told of something
 *
 * A TCP connection is reset, so that nothing in its buffers reaches the peer. When this returns, no
 * callback is under way that began before. Sleeps.
 */
void nbd_socket_reset(struct nbd_socket *s)
{
	struct sock *sk = s->sk;

	/* One that was closed may be something else by now */
	if (READ_ONCE(s->taken)) {
		if (s->transport == NBDCTL_TRANSPORT_TCP)
			tcp_abort(sk, ECONNRESET);
		kernel_sock_shutdown(s->sock, SHUT_RDWR);
	}
	write_lock_bh(&sk->sk_callback_lock);
	write_unlock_bh(&sk->sk_callback_lock);
}

/**
 * nbd_socket_return() - give a socket back as it was
 * @s: was taken; it may have been given back since
 *
 * From now on its callbacks don't know us. Sleeps.
 */
void nbd_socket_return(struct nbd_socket *s)
{
	struct sock *sk = s->sk;

	/* Also lets a callback end that gives it back itself */
	lock_sock(sk);
	return_classes(s);
	write_lock_bh(&sk->sk_callback_lock);
	if (s->taken)
		put_back(s);
	write_unlock_bh(&sk->sk_callback_lock);
	release_sock(sk);
}
