// SPDX-License-Identifier: GPL-2.0-only
/*
 * Making of block status queries. A query is sent as a driver-private request: it passes through
 * the queue as all requests do, with a reserved tag and the request timeout, and is resent as a
 * READ is. query.c handles the reply.
 */
#include <linux/blk-mq.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "cmd.h"
#include "compat.h"
#include "error.h"
#include "map.h"
#include "session.h"

/**
 * nbd_map_alloc() - allocate a query, to be started once or several times
 * @session: referenced session whose contexts are queried
 * @first: index of the first context to query
 * @nr: number of contexts to query
 * @cap: most extents to keep for each of them
 *
 * Context: Process context, may sleep.
 * Return: the query, for nbd_map_put(); or NULL.
 */
struct nbd_query *nbd_map_alloc(struct nbd_session *session, u32 first, u32 nr, u32 cap)
{
	u32 nr_contexts = session->export.nr_contexts, i;
	struct nbd_extent *list;
	struct nbd_query *query;
	size_t head = ALIGN(struct_size(query, extents, nr_contexts), sizeof(u64));

	query = kvmalloc(size_add(head, array3_size(cap, nr, sizeof(*list))), GFP_KERNEL);
	if (!query)
		return NULL;
	memset(query, 0, head);
	list = (void *)query + head;
	kref_init(&query->ref);
	nbd_session_get(session);
	query->session = session;
	query->first = first;
	query->nr = nr;
	query->nr_contexts = nr_contexts;
	for (i = 0; i < nr_contexts; i++)
		query->extents[i].mask = nbd_context_mask(session->export.contexts[i]);
	for (i = 0; i < nr; i++) {
		query->extents[first + i].list = list + (size_t)i * cap;
		query->extents[first + i].cap = cap;
	}
	return query;
}

static void map_free(struct kref *ref)
{
	struct nbd_query *query = container_of(ref, struct nbd_query, ref);

	nbd_session_put(query->session);
	kvfree_rcu(query, rcu);
}

void nbd_map_put(struct nbd_query *query)
{
	kref_put(&query->ref, map_free);
}

static enum rq_end_io_ret map_end(NBD_END_IO_ARGS)
{
	const struct nbd_pdu *pdu = blk_mq_rq_to_pdu(rq);
	struct nbd_query *query = rq->end_io_data;

	query->error = pdu->error ? nbd_error_to_errno(pdu->error) : blk_status_to_errno(status);
	up(&query->session->queries);
	complete(&query->done);
	nbd_map_put(query);
	return RQ_END_IO_FREE;
}

/* Allocate a request with a reserved tag: there is one for each holder of @queries */
static struct request *map_alloc_rq(const struct nbd_session *session, struct request_queue *q,
				    bool wait)
{
	struct request *rq;

	for (;;) {
		rq = blk_mq_alloc_request(q, REQ_OP_DRV_IN,
					  BLK_MQ_REQ_RESERVED | BLK_MQ_REQ_NOWAIT);
		if (!IS_ERR(rq) || PTR_ERR(rq) != -EAGAIN || !wait)
			return rq;
		/* The queue of a removed disk stays frozen */
		if (nbd_session_is_ended(session))
			return ERR_PTR(-EIO);
		/* The queue is frozen for a moment */
		if (schedule_timeout_killable(msecs_to_jiffies(2)) || fatal_signal_pending(current))
			return ERR_PTR(-EINTR);
	}
}

/* Submit a request; it holds a reference until it ends */
static void map_issue(struct nbd_query *query, struct request *rq)
{
	struct nbd_pdu *pdu = blk_mq_rq_to_pdu(rq);

	init_completion(&query->done);
	kref_get(&query->ref);
	pdu->cmd = NULL;
	pdu->error = 0;
	pdu->query = query;
	rq->end_io = map_end;
	rq->end_io_data = query;
	blk_execute_rq_nowait(rq, false);
}

/**
 * nbd_map_start() - send a query
 * @query: the query, not in flight
 * @q: queue of the disk
 * @req: offset and length in bytes, and NBD_CMD_FLAG_REQ_ONE for a single extent per context
 * @wait: wait for a tag, and while the queue is frozen
 *
 * Context: Process context; a fatal signal ends the wait.
 * Return: 0 if it is in flight; -EAGAIN if it would have to wait; -EINTR after a fatal signal; -EIO
 * if it waited until the session had ended.
 */
int nbd_map_start(struct nbd_query *query, struct request_queue *q, const struct nbd_req *req,
		  bool wait)
{
	struct semaphore *queries = &query->session->queries;
	struct request *rq;
	u32 i;

	query->req = *req;
	query->req.type = NBD_CMD_BLOCK_STATUS;
	for (i = 0; i < query->nr_contexts; i++)
		query->extents[i].one = req->flags & NBD_CMD_FLAG_REQ_ONE;
	if (down_trylock(queries)) {
		if (!wait)
			return -EAGAIN;
		if (down_killable(queries))
			return -EINTR;
	}
	rq = map_alloc_rq(query->session, q, wait);
	if (IS_ERR(rq)) {
		up(queries);
		return PTR_ERR(rq);
	}
	map_issue(query, rq);
	return 0;
}

/**
 * nbd_map_wait() - wait for the reply to a query
 * @query: query that was started
 *
 * Context: Process context, sleeps; a fatal signal ends the wait.
 * Return: 0, or how it failed: the error of the server, or -EIO if no server replied. After that it
 * may be started again. -EINTR after a fatal signal: it is still in flight.
 */
int nbd_map_wait(struct nbd_query *query)
{
	return wait_for_completion_killable(&query->done) ? -EINTR : query->error;
}
