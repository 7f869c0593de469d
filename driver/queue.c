// SPDX-License-Identifier: GPL-2.0-only
/* Interface to blk-mq: dispatch, completion and timeouts of requests. Nothing here sleeps. */
#include <linux/blk-mq.h>

#include "cmd.h"
#include "disk.h"
#include "dispatch.h"
#include "query.h"
#include "queue.h"
#include "session.h"

/* True unless @rq is a driver-private request of another session, whose contexts may differ */
static bool queue_is_for(const struct nbd_session *session, struct request *rq)
{
	const struct nbd_pdu *pdu = blk_mq_rq_to_pdu(rq);

	return !blk_rq_is_passthrough(rq) || pdu->query->session == session;
}

static blk_status_t queue_rq(struct blk_mq_hw_ctx *hctx, const struct blk_mq_queue_data *bd)
{
	struct nbd_device *dev = hctx->queue->queuedata;
	struct nbd_session *session;
	struct nbd_cmd *cmd;
	blk_status_t status;

	/* A session is dropped only after a freeze of the queue, or when its commands have ended */
	rcu_read_lock();
	session = rcu_dereference(dev->session);
	cmd = session && queue_is_for(session, bd->rq) ? nbd_cmd_of(&session->table, bd->rq) : NULL;
	status = cmd ? nbd_cmd_prepare(cmd, bd->rq, &session->export) : BLK_STS_IOERR;
	if (status == BLK_STS_OK) {
		blk_mq_start_request(bd->rq);
		nbd_dispatch(session, cmd, hctx->queue_num, bd->last);
	}
	rcu_read_unlock();
	return status;
}

static void queue_commit_rqs(struct blk_mq_hw_ctx *hctx)
{
	struct nbd_device *dev = hctx->queue->queuedata;
	struct nbd_session *session;

	rcu_read_lock();
	session = rcu_dereference(dev->session);
	if (session)
		nbd_dispatch_kick(session, hctx->queue_num);
	rcu_read_unlock();
}

static void queue_complete_rq(struct request *rq)
{
	struct nbd_pdu *pdu = blk_mq_rq_to_pdu(rq);

	blk_mq_end_request(rq, pdu->status);
}

/* nbd_dispatch_timeout() may fail the connection, whose tear-down then resends the request */
static enum blk_eh_timer_return queue_timeout(struct request *rq)
{
	struct nbd_device *dev = rq->q->queuedata;
	struct nbd_pdu *pdu = blk_mq_rq_to_pdu(rq);
	struct nbd_session *session;
	struct nbd_cmd *cmd;

	rcu_read_lock();
	session = rcu_dereference(dev->session);
	cmd = READ_ONCE(pdu->cmd);
	/* A forced detach may have ended the request: only look at commands of this session */
	if (session && nbd_cmd_is_of(&session->table, cmd))
		nbd_dispatch_timeout(session, cmd);
	rcu_read_unlock();
	return BLK_EH_RESET_TIMER;
}

const struct blk_mq_ops nbd_mq_ops = {
	.queue_rq = queue_rq,
	.commit_rqs = queue_commit_rqs,
	.complete = queue_complete_rq,
	.timeout = queue_timeout,
};
