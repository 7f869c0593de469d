// SPDX-License-Identifier: GPL-2.0-only
/*
 * Block status queries. A query is a driver-private request, so it has a tag and a request timeout
 * and is resent, as a READ is; see "Metadata querying" and "NBD_CMD_BLOCK_STATUS" in the NBD
 * protocol.
 */
#include <linux/blk-mq.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "conn.h"
#include "map.h"
#include "session.h"

static void query_free(struct nbd_private *private)
{
	struct nbd_query *query = container_of(private, struct nbd_query, private);

	kvfree_rcu(query, rcu);
}

/**
 * nbd_query_alloc() - allocate a query, to be started once or several times
 * @session: referenced session whose contexts are queried
 * @first: index of the first context to query
 * @nr: number of contexts to query
 * @cap: most extents to keep for each of them
 *
 * Context: Process context, may sleep.
 * Return: the query, for nbd_query_put(); or NULL.
 */
struct nbd_query *nbd_query_alloc(struct nbd_session *session, u32 first, u32 nr, u32 cap)
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
	nbd_private_init(&query->private, session, query_free);
	query->private.query = query;
	query->first = first;
	query->nr = nr;
	for (i = 0; i < nr_contexts; i++)
		query->extents[i].mask = nbd_context_mask(session->export.contexts[i]);
	for (i = 0; i < nr; i++) {
		query->extents[first + i].list = list + (size_t)i * cap;
		query->extents[first + i].cap = cap;
	}
	return query;
}

void nbd_query_put(struct nbd_query *query)
{
	nbd_private_put(&query->private);
}

/**
 * nbd_query_possible() - check whether a server has the contexts of a query
 * @query: the query
 * @conn: connection to the server, under RCU
 *
 * Context: Any context.
 * Return: false if the server lacks one of the queried contexts.
 */
bool nbd_query_possible(const struct nbd_query *query, const struct nbd_conn *conn)
{
	u32 i;

	for (i = query->first; i < query->first + query->nr; i++)
		if (conn->ids[i].lost)
			return false;
	return true;
}

/**
 * nbd_query_restart() - forget what was received, before a query is sent
 * @query: the query; no server is replying to it
 *
 * Context: Any context.
 */
void nbd_query_restart(struct nbd_query *query)
{
	u32 i;

	for (i = 0; i < query->private.session->export.nr_contexts; i++)
		nbd_extents_reset(&query->extents[i], query->private.req.length);
}

/**
 * nbd_query_answered() - check that a reply is complete
 * @query: the query
 * @conn: connection that the reply came on; the caller is its receiver
 *
 * Context: Any context.
 * Return: true if a chunk has come for each context that the server has.
 */
bool nbd_query_answered(const struct nbd_query *query, const struct nbd_conn *conn)
{
	u32 i;

	for (i = 0; i < query->private.session->export.nr_contexts; i++)
		if (!conn->ids[i].lost && !query->extents[i].seen)
			return false;
	return true;
}

/**
 * nbd_query_context() - find the context of a chunk, and mark it as seen
 * @query: query that the chunk is a reply to
 * @conn: connection that the chunk came on, as ids belong to a connection; the caller is its
 *	receiver
 * @id: id from the chunk
 * @extents: set to where the descriptors go
 *
 * Context: Any context.
 * Return: NULL, or a description of the protocol violation.
 */
const char *nbd_query_context(struct nbd_query *query, const struct nbd_conn *conn, u32 id,
			      struct nbd_extents **extents)
{
	u32 i;

	for (i = 0; i < query->private.session->export.nr_contexts; i++) {
		if (conn->ids[i].lost || conn->ids[i].id != id)
			continue;
		if (query->extents[i].seen)
			return "second block status chunk for one context";
		query->extents[i].seen = true;
		*extents = &query->extents[i];
		return NULL;
	}
	return "block status chunk for a context that was not negotiated";
}

/**
 * nbd_query_start() - send a query
 * @query: the query, not in flight
 * @q: queue of the disk
 * @req: offset and length in bytes, and NBD_CF_REQ_ONE for a single extent per context
 * @wait: wait for a tag, and while the queue is frozen
 *
 * Context: Process context; a fatal signal ends the wait.
 * Return: as nbd_private_start().
 */
int nbd_query_start(struct nbd_query *query, struct request_queue *q, const struct nbd_req *req,
		    bool wait)
{
	u32 i;

	query->private.req = *req;
	query->private.req.type = NBD_BLOCK_STATUS;
	for (i = 0; i < query->private.session->export.nr_contexts; i++)
		query->extents[i].one = req->flags & NBD_CF_REQ_ONE;
	return nbd_private_start(&query->private, q, wait);
}

/**
 * nbd_query_wait() - wait for the reply to a query
 * @query: query that was started
 *
 * Context: Process context, sleeps; a fatal signal ends the wait.
 * Return: as nbd_private_wait() without a limit.
 */
int nbd_query_wait(struct nbd_query *query)
{
	return nbd_private_wait(&query->private, MAX_SCHEDULE_TIMEOUT);
}
