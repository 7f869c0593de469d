/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Attaches as the interfaces of the kernel's own driver describe them, see linux/nbd.h and
 * linux/nbd-netlink.h: sockets after the handshake, simple replies, one block size.
 */
#ifndef NBD_LEGACY_H
#define NBD_LEGACY_H

#include <linux/types.h>

#include "session.h"

struct nbd_conn;
struct pid;
struct socket;

/**
 * struct nbd_legacy - an attach that is being described
 * @size: in bytes
 * @block: block size in bytes
 * @flags: transmission flags
 * @request_timeout: in jiffies, 0 for none
 * @dead_time: as in struct nbd_session
 * @identifier: kmalloc'ed text that says what is attached, or NULL
 * @owner: process that gave the sockets, for ioctls
 * @nr_socks: entries in @socks
 * @socks: the sockets, whose files are referenced
 */
struct nbd_legacy {
	u64 size;
	u32 block;
	u16 flags;
	unsigned long request_timeout;
	u32 dead_time;
	char *identifier;
	struct pid *owner;
	u32 nr_socks;
	struct socket *socks[NBD_MAX_SLOTS];
};

struct nbd_legacy *nbd_legacy_alloc(void);
void nbd_legacy_free(struct nbd_legacy *legacy);
void nbd_legacy_put_sockets(struct nbd_legacy *legacy);
u32 nbd_legacy_block(u64 block);
int nbd_legacy_set_block(struct nbd_legacy *legacy, u64 block);
int nbd_legacy_timeout(u64 seconds, unsigned long *timeout);
int nbd_legacy_add_socket(struct nbd_legacy *legacy, u32 fd, const char **errmsg);
struct nbd_conn **nbd_legacy_conns(struct nbd_legacy *legacy, struct nbd_session *session,
				   const u32 *slots, const char **errmsg);
struct nbd_session *nbd_legacy_session(struct nbd_legacy *legacy, enum nbd_origin origin,
				       struct nbd_conn ***conns, const char **errmsg);

#endif /* NBD_LEGACY_H */
