/* SPDX-License-Identifier: GPL-2.0-only */
/* Slots: the connections of a session come and go, and with them its states. */
#ifndef NBD_SLOTS_H
#define NBD_SLOTS_H

#include <linux/types.h>

struct nbd_conn;
struct nbd_export;
struct nbd_session;
struct nbd_totals;
struct socket;

struct nbd_conn *nbd_slots_alloc_conn(struct nbd_session *session, u32 index,
				      struct socket *sock, const char **errmsg);
void nbd_session_start(struct nbd_session *session, struct nbd_conn **conns);
int nbd_session_replace(struct nbd_session *session, struct nbd_conn **conns, u32 n,
			const struct nbd_export *export, bool force, const char **errmsg);
void nbd_session_totals(struct nbd_session *session, struct nbd_totals *totals);
void nbd_session_shut(struct nbd_session *session);
void nbd_session_end(struct nbd_session *session, bool orderly);

#endif /* NBD_SLOTS_H */
