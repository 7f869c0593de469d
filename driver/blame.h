/* SPDX-License-Identifier: GPL-2.0-only */
/* What becomes of the commands of a connection that is lost, or whose server shuts down. */
#ifndef NBD_BLAME_H
#define NBD_BLAME_H

struct nbd_cmd;
struct nbd_conn;
struct nbd_session;

void nbd_blame_init(struct nbd_session *session);
void nbd_blame_refused(struct nbd_conn *conn, struct nbd_cmd *cmd);
void nbd_blame_redistribute(struct nbd_conn *conn);

#endif /* NBD_BLAME_H */
