// SPDX-License-Identifier: GPL-2.0-only
/* Private requests. */
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "cmd.h"
#include "error.h"
#include "private.h"
#include "session.h"

void nbd_private_init(struct nbd_private *private, struct nbd_session *session,
		      void (*free)(struct nbd_private *private))
{
	kref_init(&private->ref);
	nbd_session_get(session);
	private->session = session;
	private->free = free;
}

static void release(struct kref *ref)
{
	struct nbd_private *private = container_of(ref, struct nbd_private, ref);

	nbd_session_put(private->session);
	private->free(private);
}

void nbd_private_put(struct nbd_private *private)
{
	kref_put(&private->ref, release);
}

static enum rq_end_io_ret private_end(NBD_END_IO_ARGS)
{
	const struct nbd_pdu *pdu = blk_mq_rq_to_pdu(rq);
	struct nbd_private *private = rq->end_io_data;

	private->error = pdu->error ? nbd_error_to_errno(pdu->error) : blk_status_to_errno(status);
	if (private->counted)
		up(&private->session->privates);
	complete(&private->done);
	nbd_private_put(private);
	return RQ_END_IO_FREE;
}

/* A request from the reserved tags: there is one for each holder of @privates */
static struct request *alloc_rq(const struct nbd_session *session, struct request_queue *q,
				bool wait)
{
	struct request *rq;

	for (;;) {
		rq = blk_mq_alloc_request(q, REQ_OP_DRV_IN,
					  BLK_MQ_REQ_RESERVED | BLK_MQ_REQ_NOWAIT);
		if (!IS_ERR(rq) || PTR_ERR(rq) != -EAGAIN || !wait)
			return rq;
		/* The queue of a disk that is gone is frozen for good */
		if (READ_ONCE(session->state) == NBDCTL_STATE_DEAD)
			return ERR_PTR(-EIO);
		/* It is frozen for a moment */
		if (schedule_timeout_killable(msecs_to_jiffies(2)) || fatal_signal_pending(current))
			return ERR_PTR(-EINTR);
	}
}

/* The request has a reference until it ends */
static void issue(struct nbd_private *private, struct request *rq)
{
	struct nbd_pdu *pdu = blk_mq_rq_to_pdu(rq);

	init_completion(&private->done);
	kref_get(&private->ref);
	pdu->cmd = NULL;
	pdu->error = 0;
	pdu->private = private;
	rq->end_io = private_end;
	rq->end_io_data = private;
	blk_execute_rq_nowait(rq, false);
}

/**
 * nbd_private_start() - ask the server
 * @private: what; not under way
 * @q: queue of the disk
 * @wait: for a tag, and for a queue that is frozen
 *
 * Process context; a fatal signal ends the wait.
 *
 * Return: 0, then it is under way; -EAGAIN without @wait; -EINTR; -EIO.
 */
int nbd_private_start(struct nbd_private *private, struct request_queue *q, bool wait)
{
	struct request *rq;

	if (down_trylock(&private->session->privates)) {
		if (!wait)
			return -EAGAIN;
		if (down_killable(&private->session->privates))
			return -EINTR;
	}
	rq = alloc_rq(private->session, q, wait);
	if (IS_ERR(rq)) {
		up(&private->session->privates);
		return PTR_ERR(rq);
	}
	private->counted = true;
	issue(private, rq);
	return 0;
}

/**
 * nbd_private_wait() - have the answer
 * @private: was started
 * @timeout: jiffies to wait, MAX_SCHEDULE_TIMEOUT for no end
 *
 * Process context; a fatal signal ends the wait.
 *
 * Return: 0 or what the server said, then it may be started again; -EIO if no
 * server could be asked; -EINTR or -ETIMEDOUT, then it is still under way.
 */
int nbd_private_wait(struct nbd_private *private, unsigned long timeout)
{
	long left;

	left = wait_for_completion_killable_timeout(&private->done, timeout);
	if (left < 0)
		return -EINTR;
	return left ? private->error : -ETIMEDOUT;
}

static void free_flush(struct nbd_private *private)
{
	kfree(private);
}

/**
 * nbd_flush_start() - have the server make stable what was written
 * @session: the server
 * @q: queue of the disk
 *
 * It has a reserved tag that no other private request can have: whatever else
 * the server owes an answer, this is asked. Does not wait.
 *
 * Return: the request, for nbd_private_wait() and nbd_private_put(); -EAGAIN
 * while an earlier one is under way or the queue is frozen; -ENOMEM; -EIO.
 */
struct nbd_private *nbd_flush_start(struct nbd_session *session, struct request_queue *q)
{
	struct nbd_private *private = kzalloc(sizeof(*private), GFP_KERNEL);
	struct request *rq;

	if (!private)
		return ERR_PTR(-ENOMEM);
	nbd_private_init(private, session, free_flush);
	private->req = (struct nbd_req){ .type = NBD_FLUSH };
	rq = alloc_rq(session, q, false);
	if (IS_ERR(rq)) {
		nbd_private_put(private);
		return ERR_CAST(rq);
	}
	issue(private, rq);
	return private;
}
