/* SPDX-License-Identifier: GPL-2.0-only */
/* Descriptions of the driver and of its devices in netlink messages. */
#ifndef NBD_FILL_H
#define NBD_FILL_H

#include <linux/skbuff.h>
#include <linux/types.h>

struct nbd_device;

int nbd_fill_driver(struct sk_buff *skb);
size_t nbd_fill_size(struct nbd_device *dev);
int nbd_fill_device(struct sk_buff *skb, struct nbd_device *dev, bool privileged, bool full);

#endif /* NBD_FILL_H */
