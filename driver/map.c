// SPDX-License-Identifier: GPL-2.0-only
/*
 * Maps. A request for block status is a private request of the queue, so it has
 * a tag, a deadline and a replay like reads; see "Metadata querying" and
 * "NBD_CMD_BLOCK_STATUS" in the NBD protocol.
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
 * nbd_query_alloc() - make a query, to be started once or several times
 * @session: whose contexts; referenced
 * @first: first context to ask for
 * @nr: how many
 * @cap: extents to keep of each of them at most
 *
 * Return: the query, or NULL without memory.
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
 * nbd_query_possible() - can this connection's server answer?
 * @query: the query
 * @conn: the connection, under RCU
 */
bool nbd_query_possible(const struct nbd_query *query, const struct nbd_conn *conn)
{
	u32 i;

	for (i = query->first; i < query->first + query->nr; i++)
		if (conn->ids[i].lost)
			return false;
	return true;
}

/* The query goes out, perhaps not for the first time */
void nbd_query_restart(struct nbd_query *query)
{
	u32 i;

	for (i = 0; i < query->private.session->export.nr_contexts; i++)
		nbd_extents_reset(&query->extents[i], query->private.req.length);
}

/* One chunk for each context that the server has? */
bool nbd_query_answered(const struct nbd_query *query, const struct nbd_conn *conn)
{
	u32 i;

	for (i = 0; i < query->private.session->export.nr_contexts; i++)
		if (!conn->ids[i].lost && !query->extents[i].seen)
			return false;
	return true;
}

/**
 * nbd_query_context() - find the context a chunk is for
 * @query: the query it answers
 * @conn: the connection it came on, which alone gives the id a meaning
 * @id: from the chunk
 * @extents: set to where its descriptors go
 *
 * Return: NULL, or which rule the server broke.
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
 * nbd_query_start() - ask a server
 * @query: where the answer goes; not under way
 * @q: queue of the disk
 * @req: offset and length in bytes, and whether one extent for each context is enough
 * @wait: until it can be asked
 *
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

/* Have the answer; as nbd_private_wait() */
int nbd_query_wait(struct nbd_query *query)
{
	return nbd_private_wait(&query->private, MAX_SCHEDULE_TIMEOUT);
}
