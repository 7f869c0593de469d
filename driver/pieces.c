// SPDX-License-Identifier: GPL-2.0-only
/*
 * Splitting of TRIM and WRITE_ZEROES: without payload, one request may be for 4 GiB, and a server
 * that has to write zeroes may take minutes for that. If there is a request timeout, such requests
 * are sent in parts, one after the other, of a size that the server can handle in time: it is
 * halved after a timeout, and doubled again after a large part that took less than a quarter of the
 * timeout. A part that has succeeded is not repeated, whichever connection gets the next one.
 */
#include <linux/log2.h>
#include <linux/sizes.h>

#include "pieces.h"
#include "session.h"

/* Bytes that a server is assumed to handle in a second, at first */
#define PIECE_PER_SECOND	SZ_16M
/* Limits of the size: larger parts are not faster, smaller ones are slow */
#define PIECE_MOST		SZ_1G
#define PIECE_LEAST		SZ_1M

/* Set the limits of a session, once it has its request timeout and negotiated parameters */
void nbd_pieces_init(struct nbd_session *session)
{
	const struct nbd_export *export = &session->export;
	struct nbd_pieces *pieces = &session->pieces;
	unsigned long seconds = session->request_timeout / HZ;

	if (!session->request_timeout)
		return;
	seconds = clamp(seconds, 1ul, (unsigned long)(PIECE_MOST / PIECE_PER_SECOND));
	pieces->least = max3(PIECE_LEAST, export->min_block, export->preferred_block);
	pieces->most = max_t(u32, rounddown_pow_of_two(seconds) * PIECE_PER_SECOND, pieces->least);
	pieces->size = pieces->most;
}

/**
 * nbd_piece_cut() - reduce a command to the next part of its request
 * @session: the session
 * @cmd: command about to be sent, owned by the caller, with nbd_cmd_is_long()
 *
 * Parts end at multiples of their size, since some servers can only trim whole clusters.
 *
 * Context: Any.
 */
void nbd_piece_cut(const struct nbd_session *session, struct nbd_cmd *cmd)
{
	u32 size = READ_ONCE(session->pieces.size), all = cmd->req.length + cmd->rest;

	if (!size)
		return;
	cmd->req.length = min_t(u32, all, size - (cmd->req.offset & (size - 1)));
	cmd->rest = all - cmd->req.length;
}

/* Double the size if a part of more than half of it took less than @quick jiffies */
static void pieces_enlarge(struct nbd_pieces *pieces, const struct nbd_cmd *cmd,
			   unsigned long quick)
{
	u32 size = READ_ONCE(pieces->size);

	if (size < pieces->most && cmd->req.length > size / 2 &&
	    time_before(jiffies, cmd->started + quick))
		WRITE_ONCE(pieces->size, size * 2);
}

/**
 * nbd_piece_next() - proceed to the next part of a request
 * @session: the session
 * @cmd: command owned by the caller; a part of its request has succeeded, and bytes are left
 *
 * Earlier losses of a connection do not count for the next part. The caller submits it.
 *
 * Context: Any.
 */
void nbd_piece_next(struct nbd_session *session, struct nbd_cmd *cmd)
{
	pieces_enlarge(&session->pieces, cmd, READ_ONCE(session->request_timeout) / 4);
	cmd->req.offset += cmd->req.length;
	cmd->req.length = cmd->rest;
	cmd->rest = 0;
	cmd->deaths = 0;
	cmd->late = 0;
}

/**
 * nbd_piece_late() - reduce the size of parts after a timeout
 * @session: the session
 * @cmd: command of a connection that has ended with -ETIMEDOUT
 *
 * To half of what @cmd had, not of the current size: several connections may time out at once.
 *
 * Context: Any.
 */
void nbd_piece_late(struct nbd_session *session, const struct nbd_cmd *cmd)
{
	struct nbd_pieces *pieces = &session->pieces;
	u32 size = READ_ONCE(pieces->size), half;

	if (!size || !nbd_cmd_is_long(cmd) || cmd->req.length <= size / 2)
		return;
	half = max_t(u32, roundup_pow_of_two(cmd->req.length) / 2, pieces->least);
	if (half < size)
		WRITE_ONCE(pieces->size, half);
}
