// SPDX-License-Identifier: GPL-2.0-only
/* Driver-private requests: how they are sent and waited for. */
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

/*
 * Allocate a request with a reserved tag. There is one for each holder of the session's @privates,
 * and one for a flush.
 */
static struct request *alloc_rq(const struct nbd_session *session, struct request_queue *q,
				bool wait)
{
	struct request *rq;

	for (;;) {
		rq = blk_mq_alloc_request(q, REQ_OP_DRV_IN,
					  BLK_MQ_REQ_RESERVED | BLK_MQ_REQ_NOWAIT);
		if (!IS_ERR(rq) || PTR_ERR(rq) != -EAGAIN || !wait)
			return rq;
		/* The queue of a removed disk stays frozen */
		if (READ_ONCE(session->state) == NBDCTL_STATE_DEAD)
			return ERR_PTR(-EIO);
		/* The queue is frozen for a moment */
		if (schedule_timeout_killable(msecs_to_jiffies(2)) || fatal_signal_pending(current))
			return ERR_PTR(-EINTR);
	}
}

/* Submit a request; it holds a reference until it ends */
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
 * nbd_private_start() - queue a driver-private request
 * @private: what to send, not in flight
 * @q: queue of the disk
 * @wait: wait for a tag, and while the queue is frozen
 *
 * Context: Process context; a fatal signal ends the wait.
 * Return: 0 if it is in flight; -EAGAIN if it would have to wait; -EINTR after a fatal signal; -EIO
 * if it waited until the session had ended.
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
 * nbd_private_wait() - wait until a driver-private request has ended
 * @private: request that was started
 * @timeout: in jiffies, MAX_SCHEDULE_TIMEOUT for no limit
 *
 * Context: Process context, sleeps; a fatal signal ends the wait.
 * Return: 0, or how it failed: the error of the server, or -EIO if no server replied. After that it
 * may be started again. -ETIMEDOUT, or -EINTR after a fatal signal: it is still in flight.
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
 * nbd_flush_start() - queue a flush of all that was written
 * @session: session to flush
 * @q: queue of the disk
 *
 * Queries leave a reserved tag free for it, so it does not wait for their replies.
 *
 * Context: Process context, may sleep.
 * Return: the request, for nbd_private_wait() and nbd_private_put(); or an ERR_PTR: -EAGAIN if an
 * earlier flush has the tag or the queue is frozen, -ENOMEM.
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
