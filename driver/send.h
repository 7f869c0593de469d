/* SPDX-License-Identifier: GPL-2.0-only */
/* Sending of commands over a connection. */
#ifndef NBD_SEND_H
#define NBD_SEND_H

#include "conn.h"

void nbd_send_init(struct nbd_conn *conn);
void nbd_send_queue(struct nbd_conn *conn, struct nbd_cmd *cmd);
u32 nbd_send_queued(const struct nbd_conn *conn);
u32 nbd_send_inflight(const struct nbd_conn *conn);
void nbd_send_kick(struct nbd_conn *conn);
void nbd_send_kick_later(struct nbd_conn *conn);
void nbd_send_kick_idle(struct nbd_conn *conn);
void nbd_send_kick_idle_locked(struct nbd_conn *conn);
void nbd_send_writable(struct nbd_conn *conn);

#endif /* NBD_SEND_H */
