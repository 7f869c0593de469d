/* SPDX-License-Identifier: GPL-2.0-only */
/* The family "nbd" of linux/nbd-netlink.h: its commands and attributes. */
#ifndef NBD_LEGACY_FAMILY_H
#define NBD_LEGACY_FAMILY_H

#include <linux/nbd-netlink.h>
#include <net/genetlink.h>

/* NBD_ATTR_CLIENT_FLAGS, see linux/nbd.h: that header and proto.h define the same names */
#define LEGACY_DESTROY_ON_DISCONNECT	(1u << 0)
#define LEGACY_DISCONNECT_ON_CLOSE	(1u << 1)

extern const struct nla_policy legacy_sock_policy[NBD_SOCK_MAX + 1];
extern struct genl_family nbd_legacy_family;

int legacy_connect_doit(struct sk_buff *skb, struct genl_info *info);
int legacy_disconnect_doit(struct sk_buff *skb, struct genl_info *info);
int legacy_reconfigure_doit(struct sk_buff *skb, struct genl_info *info);
int legacy_status_doit(struct sk_buff *skb, struct genl_info *info);

#endif /* NBD_LEGACY_FAMILY_H */
