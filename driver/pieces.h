/* SPDX-License-Identifier: GPL-2.0-only */
/* Parts in which a long TRIM or WRITE_ZEROES is sent. */
#ifndef NBD_PIECES_H
#define NBD_PIECES_H

struct nbd_cmd;
struct nbd_session;

void nbd_pieces_init(struct nbd_session *session);
void nbd_piece_cut(const struct nbd_session *session, struct nbd_cmd *cmd);
void nbd_piece_next(struct nbd_session *session, struct nbd_cmd *cmd);
void nbd_piece_late(struct nbd_session *session, const struct nbd_cmd *cmd);

#endif /* NBD_PIECES_H */
