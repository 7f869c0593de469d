/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/nbdctl.yaml */
/* YNL-GEN kernel header */
/* To regenerate run: tools/net/ynl/ynl-regen.sh */

#ifndef _LINUX_NBDCTL_GEN_H
#define _LINUX_NBDCTL_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include <uapi/linux/nbdctl.h>

/* Common nested types */
extern const struct nla_policy nbdctl_context_id_nl_policy[NBDCTL_A_CONTEXT_ID_LOST + 1];
extern const struct nla_policy nbdctl_context_request_nl_policy[NBDCTL_A_CONTEXT_NAME + 1];
extern const struct nla_policy nbdctl_slot_request_nl_policy[NBDCTL_A_SLOT_RECONNECTS + 1];

int nbdctl_device_get_start(struct netlink_callback *cb);

int nbdctl_nl_driver_get_doit(struct sk_buff *skb, struct genl_info *info);
int nbdctl_nl_device_get_doit(struct sk_buff *skb, struct genl_info *info);
int nbdctl_nl_device_get_dumpit(struct sk_buff *skb,
				struct netlink_callback *cb);
int nbdctl_nl_attach_doit(struct sk_buff *skb, struct genl_info *info);
int nbdctl_nl_detach_doit(struct sk_buff *skb, struct genl_info *info);
int nbdctl_nl_slot_replace_doit(struct sk_buff *skb, struct genl_info *info);
int nbdctl_nl_resize_doit(struct sk_buff *skb, struct genl_info *info);
int nbdctl_nl_keep_doit(struct sk_buff *skb, struct genl_info *info);

enum {
	NBDCTL_NLGRP_EVENTS,
};

extern struct genl_family nbdctl_nl_family;

#endif /* _LINUX_NBDCTL_GEN_H */
