/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sockets: a connected socket is taken over from user space, prepared for use below a disk, and
 * given back with its former settings. User space may have kept a descriptor, and may do with it
 * whatever it likes.
 */
#ifndef NBD_SOCKET_H
#define NBD_SOCKET_H

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/net.h>
#include <net/sock.h>

/**
 * struct nbd_lock_class - a lock class of lockdep
 * @key: key that identifies the class
 * @name: name of the class
 */
struct nbd_lock_class {
	struct lock_class_key *key;
	const char *name;
};

struct nbd_socket;

/**
 * struct nbd_socket_ops - handlers of the events of a socket
 * @readable: data has arrived
 * @writable: there is space again, after it was full
 * @changed: its state has changed, or it has an error
 * @over: it was closed with this negative errno, and is given back when the handler returns
 *
 * Context: Process or softirq context, under sk_callback_lock, which nbd_socket_reset() waits for;
 * for TCP also under the socket lock, held as a spinlock or owned.
 */
struct nbd_socket_ops {
	void (*readable)(struct nbd_socket *s);
	void (*writable)(struct nbd_socket *s);
	void (*changed)(struct nbd_socket *s);
	void (*over)(struct nbd_socket *s, int error);
};

/**
 * struct nbd_socket - a socket that was taken over
 * @ops: handlers of its events
 * @sock: the socket, whose file is referenced
 * @sk: network layer part of @sock
 * @transport: enum nbdctl_transport
 * @peer: address of the server, for TCP
 * @peer_length: size of @peer in bytes, 0 if it is not known
 * @in_place: TCP without a ULP (such as TLS) when it was taken over. Requests are sent and replies
 *	read under the socket lock, also by submitters and softirqs; otherwise workers do so by
 *	calls that may sleep
 * @taken: taken over, and not yet given back; written under the socket lock and sk_callback_lock
 * @saved: former values of the fields of @sk
 * @classes: lock classes of the socket lock and of the spinlock in it: the driver's, or while they
 *	are in use the former ones
 */
struct nbd_socket {
	const struct nbd_socket_ops *ops;
	struct socket *sock;
	struct sock *sk;
	u32 transport;
	union {
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} peer;
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

struct socket *nbd_socket_lookup(u32 fd, const char **errmsg);
int nbd_socket_get(struct nbd_socket *s, struct socket *sock, const char **errmsg);
void nbd_socket_put(struct nbd_socket *s);
int nbd_socket_take(struct nbd_socket *s, const struct nbd_socket_ops *ops, const char **errmsg);
void nbd_socket_finish(struct nbd_socket *s);
void nbd_socket_reset(struct nbd_socket *s);
void nbd_socket_return(struct nbd_socket *s);
bool nbd_socket_still_plain(const struct nbd_socket *s);
struct nbd_socket *nbd_socket_of(const struct sock *sk);

#endif /* NBD_SOCKET_H */
