/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Block status queries: a query asks a server for the status of a range in one or all contexts of
 * the session.
 */
#ifndef NBD_QUERY_H
#define NBD_QUERY_H

#include <linux/completion.h>
#include <linux/kref.h>
#include <linux/types.h>

#include "extents.h"
#include "proto.h"

struct nbd_session;

/**
 * struct nbd_context_id - id of a metadata context on one connection
 * @id: the id, chosen by the server
 * @lost: the server no longer has the context, and @id is not valid
 */
struct nbd_context_id {
	u32 id;
	bool lost;
};

/**
 * struct nbd_query - a block status query
 * @ref: held by the caller, and by the request while it is in flight, so that a caller that is
 *	killed can leave
 * @session: session whose contexts are queried, referenced
 * @req: the command to send
 * @done: completed when the request has ended
 * @error: negative errno or 0, when @done is completed
 * @first: index of the first queried context
 * @nr: number of queried contexts
 * @nr_contexts: number of contexts of the session
 * @rcu: frees the query, also in atomic context
 * @extents: the reply, one entry for each context of the session
 */
struct nbd_query {
	struct kref ref;
	struct nbd_session *session;
	struct nbd_req req;
	struct completion done;
	int error;
	u32 first;
	u32 nr;
	u32 nr_contexts;
	struct rcu_head rcu;
	struct nbd_extents extents[];
};

bool nbd_query_possible(const struct nbd_query *query, const struct nbd_context_id *ids);
void nbd_query_restart(struct nbd_query *query);
bool nbd_query_complete(const struct nbd_query *query, const struct nbd_context_id *ids);
const char *nbd_query_context(struct nbd_query *query, const struct nbd_context_id *ids,
			      u32 id, struct nbd_extents **extents);

#endif /* NBD_QUERY_H */
