/* SPDX-License-Identifier: GPL-2.0-only */
/* Receiving of replies on a connection. */
#ifndef NBD_RECV_H
#define NBD_RECV_H

#include "conn.h"

extern const struct nbd_socket_ops nbd_recv_ops;

void nbd_recv_init(struct nbd_conn *conn);

#endif /* NBD_RECV_H */
