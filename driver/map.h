/* SPDX-License-Identifier: GPL-2.0-only */
/* Block status queries: driver-private requests that ask a server for the status of a range. */
#ifndef NBD_MAP_H
#define NBD_MAP_H

#include <linux/types.h>

#include "extents.h"
#include "private.h"

struct nbd_conn;
struct nbd_session;

/**
 * struct nbd_query - a block status query
 * @private: the driver-private request
 * @first: index of the first queried context
 * @nr: number of queried contexts
 * @rcu: frees the query, also in atomic context
 * @extents: the reply, one entry for each context of the session
 */
struct nbd_query {
	struct nbd_private private;
	u32 first;
	u32 nr;
	struct rcu_head rcu;
	struct nbd_extents extents[];
};

struct nbd_query *nbd_query_alloc(struct nbd_session *session, u32 first, u32 nr, u32 cap);
void nbd_query_put(struct nbd_query *query);
int nbd_query_start(struct nbd_query *query, struct request_queue *q, const struct nbd_req *req,
		    bool wait);
int nbd_query_wait(struct nbd_query *query);

bool nbd_query_possible(const struct nbd_query *query, const struct nbd_conn *conn);
void nbd_query_restart(struct nbd_query *query);
bool nbd_query_answered(const struct nbd_query *query, const struct nbd_conn *conn);
const char *nbd_query_context(struct nbd_query *query, const struct nbd_conn *conn, u32 id,
			      struct nbd_extents **extents);

#endif /* NBD_MAP_H */
