/* SPDX-License-Identifier: GPL-2.0-only */
/* Which connection sends a command, and what waits while there is none. */
#ifndef NBD_DISPATCH_H
#define NBD_DISPATCH_H

#include <linux/types.h>

struct nbd_cmd;
struct nbd_conn;
struct nbd_session;

void nbd_dispatch_init(struct nbd_session *session);
void nbd_dispatch_stop(struct nbd_session *session);

void nbd_dispatch(struct nbd_session *session, struct nbd_cmd *cmd, u32 queue, bool kick);
void nbd_dispatch_resubmit(struct nbd_session *session, struct nbd_cmd *cmd);
void nbd_dispatch_to(struct nbd_conn *conn, struct nbd_cmd *cmd);
void nbd_dispatch_kick(struct nbd_session *session, u32 queue);
void nbd_dispatch_replied(struct nbd_conn *conn, bool locked);
void nbd_dispatch_timeout(struct nbd_session *session, struct nbd_cmd *cmd);

void nbd_dispatch_run_parked(struct nbd_session *session);
void nbd_dispatch_fail_parked(struct nbd_session *session);

bool nbd_dispatch_end_flush(struct nbd_session *session);
void nbd_dispatch_flush(struct nbd_session *session);
void nbd_dispatch_time_flush(struct nbd_session *session);
int nbd_dispatch_wait_flushed(struct nbd_session *session, unsigned long timeout);

#endif /* NBD_DISPATCH_H */
