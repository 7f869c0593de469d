/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Driver-private requests: flushes and block status queries that the driver sends by itself. They
 * pass through the queue as all requests do, with reserved tags.
 */
#ifndef NBD_PRIVATE_H
#define NBD_PRIVATE_H

#include <linux/blk-mq.h>
#include <linux/completion.h>
#include <linux/kref.h>

#include "proto.h"

struct nbd_query;
struct nbd_session;

/**
 * struct nbd_private - a driver-private request
 * @ref: held by the caller, and by the request while it is in flight, so that a caller that is
 *	killed can leave
 * @req: the command to send
 * @query: the query, for a block status; else NULL
 * @session: session to send it in, referenced
 * @counted: it counts against the session's @privates
 * @done: completed when the request has ended
 * @error: negative errno or 0, when @done is completed
 * @free: frees what this is a part of; any context
 */
struct nbd_private {
	struct kref ref;
	struct nbd_req req;
	struct nbd_query *query;
	struct nbd_session *session;
	bool counted;
	struct completion done;
	int error;
	void (*free)(struct nbd_private *private);
};

void nbd_private_init(struct nbd_private *private, struct nbd_session *session,
		      void (*free)(struct nbd_private *private));
void nbd_private_put(struct nbd_private *private);
int nbd_private_start(struct nbd_private *private, struct request_queue *q, bool wait);
int nbd_private_wait(struct nbd_private *private, unsigned long timeout);
struct nbd_private *nbd_flush_start(struct nbd_session *session, struct request_queue *q);

#endif /* NBD_PRIVATE_H */
