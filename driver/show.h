/* SPDX-License-Identifier: GPL-2.0-only */
/* Descriptions of the driver and of its devices in netlink messages. */
#ifndef NBD_SHOW_H
#define NBD_SHOW_H

#include <linux/skbuff.h>
#include <linux/types.h>

struct nbd_device;

int nbd_show_driver(struct sk_buff *skb);
size_t nbd_show_size(struct nbd_device *dev);
int nbd_show_device(struct sk_buff *skb, struct nbd_device *dev, bool privileged, bool full);

#endif /* NBD_SHOW_H */
