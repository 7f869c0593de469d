// SPDX-License-Identifier: GPL-2.0-only
/* What both interfaces of the kernel's own driver have in common: from an attach to a session. */
#include <linux/log2.h>
#include <linux/net.h>
#include <linux/pid.h>
#include <linux/slab.h>

#include "../uapi/linux/nbdctl.h"
#include "compat.h"
#include "conn.h"
#include "legacy.h"
#include "slots.h"
#include "socket.h"

/* Block size if none is given, in bytes */
#define LEGACY_BLOCK	1024u

struct nbd_legacy *nbd_legacy_alloc(void)
{
	struct nbd_legacy *legacy = kzalloc(sizeof(*legacy), GFP_KERNEL);

	if (legacy)
		legacy->block = LEGACY_BLOCK;
	return legacy;
}

void nbd_legacy_put_sockets(struct nbd_legacy *legacy)
{
	while (legacy->nr_socks)
		sockfd_put(legacy->socks[--legacy->nr_socks]);
	put_pid(legacy->owner);
	legacy->owner = NULL;
}

void nbd_legacy_free(struct nbd_legacy *legacy)
{
	if (!legacy)
		return;
	nbd_legacy_put_sockets(legacy);
	kfree(legacy->identifier);
	kfree(legacy);
}

/* The block size that a caller means, who gives 0 for the default; 0 if it is out of range */
u32 nbd_legacy_block(u64 block)
{
	if (!block)
		return LEGACY_BLOCK;
	if (block < SECTOR_SIZE || block > BLK_MAX_BLOCK_SIZE || !is_power_of_2(block))
		return 0;
	return block;
}

/* Set the block size, 0 for the default; -EINVAL if it is out of range */
int nbd_legacy_set_block(struct nbd_legacy *legacy, u64 block)
{
	u32 bytes = nbd_legacy_block(block);

	if (!bytes)
		return -EINVAL;
	legacy->block = bytes;
	return 0;
}

/* Convert a timeout to jiffies; -ERANGE if it is out of range */
int nbd_legacy_timeout(u64 seconds, unsigned long *timeout)
{
	if (seconds > INT_MAX / HZ)
		return -ERANGE;
	*timeout = seconds * HZ;
	return 0;
}

/**
 * nbd_legacy_add_socket() - add a socket to an attach
 * @legacy: the attach
 * @fd: descriptor of the calling process
 * @errmsg: set to a human-readable reason on failure
 *
 * Context: Process context, may sleep.
 * Return: 0; -EINVAL if there are too many, or it cannot be used; -EBADF or -ENOTSOCK.
 */
int nbd_legacy_add_socket(struct nbd_legacy *legacy, u32 fd, const char **errmsg)
{
	struct nbd_socket probe = { 0 };
	struct socket *sock;
	int err;

	*errmsg = "too many sockets";
	if (legacy->nr_socks == ARRAY_SIZE(legacy->socks))
		return -EINVAL;
	*errmsg = "not a file descriptor";
	if (fd > INT_MAX)
		return -EINVAL;
	sock = nbd_socket_lookup(fd, errmsg);
	if (IS_ERR(sock))
		return PTR_ERR(sock);
	err = nbd_socket_get(&probe, sock, errmsg);
	if (err) {
		sockfd_put(sock);
		return err == -EPROTOTYPE ? -EINVAL : err;
	}
	/* The reference of the probe is kept */
	sockfd_put(sock);
	legacy->socks[legacy->nr_socks++] = sock;
	return 0;
}

/**
 * nbd_legacy_conns() - create a connection from each socket
 * @legacy: the attach
 * @session: session that the connections are for
 * @slots: number of the slot of each connection, or NULL for one after the other
 * @errmsg: set to a human-readable reason on failure
 *
 * Context: Process context, may sleep.
 * Return: the connections, for nbd_put_conns(); or an ERR_PTR.
 */
struct nbd_conn **nbd_legacy_conns(struct nbd_legacy *legacy, struct nbd_session *session,
				   const u32 *slots, const char **errmsg)
{
	struct nbd_conn **conns, *conn;
	u32 i;

	*errmsg = NULL;
	conns = kcalloc(legacy->nr_socks, sizeof(*conns), GFP_KERNEL);
	if (!conns)
		return ERR_PTR(-ENOMEM);
	for (i = 0; i < legacy->nr_socks; i++) {
		conn = nbd_slots_alloc_conn(session, slots ? slots[i] : i, legacy->socks[i],
					    errmsg);
		if (IS_ERR(conn)) {
			nbd_put_conns(conns, i);
			return ERR_CAST(conn);
		}
		conns[i] = conn;
	}
	return conns;
}

static void legacy_fill_export(const struct nbd_legacy *legacy, struct nbd_export *export)
{
	export->size = legacy->size;
	export->flags = legacy->flags;
	export->read_only = legacy->flags & NBD_FLAG_READ_ONLY;
	export->min_block = legacy->block;
	export->preferred_block = max(legacy->block, NBD_PREF_BLOCK_DEFAULT);
	export->max_payload = NBD_MAX_PAYLOAD;
}

/**
 * nbd_legacy_session() - create the session of an attach, and its connections
 * @legacy: the attach; its identifier is taken
 * @origin: interface that describes it
 * @conns: set to one connection for each slot, for nbd_put_conns()
 * @errmsg: set to a human-readable reason on failure
 *
 * Context: Process context, may sleep.
 * Return: the session with one reference; or an ERR_PTR.
 */
struct nbd_session *nbd_legacy_session(struct nbd_legacy *legacy, enum nbd_origin origin,
				       struct nbd_conn ***conns, const char **errmsg)
{
	struct nbd_session *session;

	*errmsg = "more than one socket requires NBD_FLAG_CAN_MULTI_CONN";
	if (legacy->nr_socks > 1 && !(legacy->flags & NBD_FLAG_CAN_MULTI_CONN))
		return ERR_PTR(-EINVAL);
	*errmsg = "size: too large";
	if (legacy->size > S64_MAX)
		return ERR_PTR(-EINVAL);
	*errmsg = NULL;
	session = nbd_session_alloc(legacy->nr_socks);
	if (!session)
		return ERR_PTR(-ENOMEM);
	session->origin = origin;
	session->request_timeout = legacy->request_timeout;
	session->dead_time = legacy->dead_time;
	swap(session->identifier, legacy->identifier);
	legacy_fill_export(legacy, &session->export);
	*conns = nbd_legacy_conns(legacy, session, NULL, errmsg);
	if (!IS_ERR(*conns))
		return session;
	nbd_session_put(session);
	return ERR_CAST(*conns);
}
