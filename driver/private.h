/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private requests: what the driver itself asks of a server. They go through
 * the queue like all others, with tags set aside for them.
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
 * struct nbd_private - a private request
 * @ref: the asker has one, and the request while it is under way; so an asker
 *	that is killed can leave
 * @req: what is asked
 * @query: where the answer to block status goes, else NULL
 * @session: who is asked; referenced
 * @counted: it is one of those that the session's semaphore bounds
 * @done: the request has ended
 * @error: how, negative errno or 0
 * @free: frees what this is part of; any context
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
