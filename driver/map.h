/* SPDX-License-Identifier: GPL-2.0-only */
/* Making of block status queries: allocating, starting and waiting. */
#ifndef NBD_MAP_H
#define NBD_MAP_H

#include <linux/blk-mq.h>

#include "query.h"

struct nbd_query *nbd_map_alloc(struct nbd_session *session, u32 first, u32 nr, u32 cap);
void nbd_map_put(struct nbd_query *query);
int nbd_map_start(struct nbd_query *query, struct request_queue *q, const struct nbd_req *req,
		  bool wait);
int nbd_map_wait(struct nbd_query *query);

#endif /* NBD_MAP_H */
