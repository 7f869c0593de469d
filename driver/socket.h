/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sockets: a socket that somebody has connected is taken over, made fit to be below a disk, and
 * given back as it was. Whoever had it may have kept a descriptor, and do with it what they like.
 */
#ifndef NBD_SOCKET_H
#define NBD_SOCKET_H

#include <linux/net.h>
#include <net/sock.h>

/**
 * struct nbd_lock_class - what lockdep knows a lock by
 * @key: identifies the class
 * @name: of the class
 */
struct nbd_lock_class {
	struct lock_class_key *key;
	const char *name;
};

/**
 * struct nbd_socket - a socket that was taken over
 * @sock: the socket, whose file is referenced
 * @sk: the same, for the network
 * @transport: enum nbdctl_transport
 * @peer: the server's address, of TCP
 * @peer_length: bytes of it, 0 if there is none
 * @in_place: plain TCP, when it was taken. Requests are written and replies are read under the
 *	socket's lock, which is had without sleeping if it is free; else by calls that may sleep
 * @taken: it is ours; under its lock and @sk->sk_callback_lock
 * @saved: what the socket's fields were before
 * @classes: of the socket's lock and the spinlock in it: ours, or while it is taken those before
 */
struct nbd_socket {
	struct socket *sock;
	struct sock *sk;
	u32 transport;
	struct sockaddr_storage peer;
	int peer_length;
	bool in_place;
	bool taken;
	struct {
		void (*data_ready)(struct sock *sk);
		void (*write_space)(struct sock *sk);
		void (*state_change)(struct sock *sk);
		void (*error_report)(struct sock *sk);
		gfp_t allocation;
		bool use_task_frag;
		bool memalloc;
	} saved;
	struct nbd_lock_class classes[2];
};

int nbd_socket_get(struct nbd_socket *s, u32 fd, const char **why);
void nbd_socket_put(struct nbd_socket *s);
int nbd_socket_take(struct nbd_socket *s, const char **why);
void nbd_socket_finish(struct nbd_socket *s);
void nbd_socket_reset(struct nbd_socket *s);
void nbd_socket_return(struct nbd_socket *s);
bool nbd_socket_still_plain(const struct nbd_socket *s);
struct nbd_socket *nbd_socket_of(const struct sock *sk);

/*
 * What has happened: recv.c, send.c. In any context, under the socket's sk_callback_lock, which
 * holds off nbd_socket_reset(); on TCP under the socket's lock, too, as a spinlock or owned.
 */
void nbd_socket_readable(struct nbd_socket *s);
void nbd_socket_writable(struct nbd_socket *s);
void nbd_socket_changed(struct nbd_socket *s);
void nbd_socket_over(struct nbd_socket *s, int error);

#endif /* NBD_SOCKET_H */
