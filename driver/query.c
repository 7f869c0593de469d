// SPDX-License-Identifier: GPL-2.0-only
/*
 * Block status queries, as a reply sees them: which contexts it may bring, and where their extents
 * go; see "Metadata querying" and "NBD_CMD_BLOCK_STATUS" in the NBD protocol. map.c makes queries.
 */
#include "query.h"

/**
 * nbd_query_possible() - check whether a server has the contexts of a query
 * @query: the query
 * @ids: ids of the contexts on a connection to the server
 *
 * Context: Any.
 * Return: false if the server lacks one of the queried contexts.
 */
bool nbd_query_possible(const struct nbd_query *query, const struct nbd_context_id *ids)
{
	u32 i;

	for (i = query->first; i < query->first + query->nr; i++)
		if (ids[i].lost)
			return false;
	return true;
}

/**
 * nbd_query_restart() - forget what was received, before a query is sent
 * @query: the query; no server is replying to it
 *
 * Context: Any.
 */
void nbd_query_restart(struct nbd_query *query)
{
	u32 i;

	for (i = 0; i < query->nr_contexts; i++)
		nbd_extents_reset(&query->extents[i], query->req.length);
}

/**
 * nbd_query_complete() - check that a reply is complete
 * @query: the query
 * @ids: ids of the contexts on the connection that the reply came on
 *
 * Context: The receiver of that connection.
 * Return: true if a chunk has come for each context that the server has.
 */
bool nbd_query_complete(const struct nbd_query *query, const struct nbd_context_id *ids)
{
	u32 i;

	for (i = 0; i < query->nr_contexts; i++)
		if (!ids[i].lost && !query->extents[i].seen)
			return false;
	return true;
}

/**
 * nbd_query_context() - find the context of a chunk, and mark it as seen
 * @query: query that the chunk is a reply to
 * @ids: ids of the contexts on the connection that the chunk came on
 * @id: id from the chunk
 * @extents: set to where the descriptors go
 *
 * Context: The receiver of that connection.
 * Return: NULL, or a description of the protocol violation.
 */
const char *nbd_query_context(struct nbd_query *query, const struct nbd_context_id *ids,
			      u32 id, struct nbd_extents **extents)
{
	u32 i;

	for (i = 0; i < query->nr_contexts; i++) {
		if (ids[i].lost || ids[i].id != id)
			continue;
		if (query->extents[i].seen)
			return "second block status chunk for one context";
		query->extents[i].seen = true;
		*extents = &query->extents[i];
		return NULL;
	}
	return "block status chunk for a context that was not negotiated";
}
