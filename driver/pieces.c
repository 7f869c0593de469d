// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pieces: TRIM and WRITE_ZEROES have no payload, so one of them may stand for 4 GiB, and a server
 * that writes zeroes out may take minutes for that. Where requests have a deadline, they are sent
 * in pieces, one after the other, as large as the server can do in time: half as large after one
 * that was late, and twice as large again after one that took a quarter of its time. A piece that
 * was answered need not be done again, wherever the next one goes.
 */
#include <linux/log2.h>
#include <linux/sizes.h>

#include "session.h"

/* What a server is expected to do in a second, at first */
#define PIECE_PER_SECOND	SZ_16M
/* More makes a request no faster, less makes it slow */
#define PIECE_MOST		SZ_1G
#define PIECE_LEAST		SZ_1M

/* The session has its deadline and the facts of its export */
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
 * nbd_piece_cut() - let a command be for the first piece of what is left of its request
 * @session: the session
 * @cmd: about to be sent, see nbd_cmd_is_long()
 *
 * Pieces end at multiples of their size, which suits servers that trim whole clusters.
 */
void nbd_piece_cut(const struct nbd_session *session, struct nbd_cmd *cmd)
{
	u32 size = READ_ONCE(session->pieces.size), all = cmd->req.length + cmd->rest;

	if (!size)
		return;
	cmd->req.length = min_t(u32, all, size - (cmd->req.offset & (size - 1)));
	cmd->rest = all - cmd->req.length;
}

/* A piece of almost full size was quick: the next ones may be larger again */
static void enlarge(struct nbd_pieces *pieces, const struct nbd_cmd *cmd, unsigned long quick)
{
	u32 size = READ_ONCE(pieces->size);

	if (size < pieces->most && cmd->req.length > size / 2 &&
	    time_before(jiffies, cmd->started + quick))
		WRITE_ONCE(pieces->size, size * 2);
}

/**
 * nbd_piece_answered() - go on with what is left of a request
 * @session: the session
 * @cmd: the caller's alone; a piece was answered without an error, and there is more
 *
 * What has come so far has killed no connection. Any context.
 */
void nbd_piece_answered(struct nbd_session *session, struct nbd_cmd *cmd)
{
	enlarge(&session->pieces, cmd, session->request_timeout / 4);
	cmd->req.offset += cmd->req.length;
	cmd->req.length = cmd->rest;
	cmd->rest = 0;
	cmd->deaths = 0;
	cmd->late = 0;
	nbd_session_resubmit(session, cmd);
}

/**
 * nbd_piece_late() - a command's connection was given up for being late
 * @session: the session
 * @cmd: the command
 *
 * Several connections may be at the same time, so this makes pieces half of what they were then.
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
