/* SPDX-License-Identifier: GPL-2.0-only */
/* The life of an attach: a session is given to a device, is detached, and ends. */
#ifndef NBD_DEVICE_H
#define NBD_DEVICE_H

#include <linux/types.h>

struct nbd_conn;
struct nbd_device;
struct nbd_session;

/* Timeout of a detach: none while servers reply to anything */
#define NBD_DETACH_WHILE_ANSWERED	0

/**
 * struct nbd_attach - an attach
 * @index: in: number of the device, unless @any; out: number of the device that was attached
 * @any: attach any idle device
 * @depth: requests in flight per hardware queue, 0 for the default
 * @errmsg: out: human-readable reason of a failure, or NULL
 * @no_device: out: it failed because that device is not available
 */
struct nbd_attach {
	u32 index;
	bool any;
	u32 depth;
	const char *errmsg;
	bool no_device;
};

/**
 * struct nbd_drop_call - call when a device is done with its session
 * @node: in the session's list
 * @func: called once, in process context, without a lock; it may free this
 */
struct nbd_drop_call {
	struct list_head node;
	void (*func)(struct nbd_drop_call *call);
};

int nbd_device_attach(struct nbd_attach *attach, struct nbd_session *session,
		      struct nbd_conn **conns);
int nbd_device_attach_open(struct nbd_device *dev, struct nbd_session *session,
			   struct nbd_conn **conns, const char **errmsg);
int nbd_device_detach(struct nbd_device *dev, u32 timeout, const char **errmsg);
void nbd_device_detach_now(struct nbd_device *dev, struct nbd_session *session);
void nbd_device_disconnect(struct nbd_device *dev);
int nbd_device_wait_dropped(struct nbd_session *session);
void nbd_device_call_dropped(struct nbd_device *dev, struct nbd_drop_call *call);
void nbd_device_closed(struct nbd_device *dev);
int nbd_device_resize(struct nbd_device *dev, u64 size);
void nbd_device_set_timeout(struct nbd_device *dev, unsigned long timeout);

#endif /* NBD_DEVICE_H */
