// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/nbdctl.yaml */
/* YNL-GEN kernel source */
/* To regenerate run: tools/net/ynl/ynl-regen.sh */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "nbdctl-gen.h"

#include <uapi/linux/nbdctl.h>

/* Integer value ranges */
static const struct netlink_range_validation nbdctl_a_device_header_mode_range = {
	.max	= U32_MAX,
};

/* Common nested types */
const struct nla_policy nbdctl_context_id_nl_policy[NBDCTL_A_CONTEXT_ID_LOST + 1] = {
	[NBDCTL_A_CONTEXT_ID_CONTEXT] = { .type = NLA_U32, },
	[NBDCTL_A_CONTEXT_ID_ID] = { .type = NLA_U32, },
	[NBDCTL_A_CONTEXT_ID_LOST] = { .type = NLA_FLAG, },
};

const struct nla_policy nbdctl_context_request_nl_policy[NBDCTL_A_CONTEXT_NAME + 1] = {
	[NBDCTL_A_CONTEXT_NAME] = { .type = NLA_NUL_STRING, .len = NBDCTL_NAME_MAX, },
};

const struct nla_policy nbdctl_slot_request_nl_policy[NBDCTL_A_SLOT_RECONNECTS + 1] = {
	[NBDCTL_A_SLOT_INDEX] = { .type = NLA_U32, },
	[NBDCTL_A_SLOT_FD] = { .type = NLA_U32, },
	[NBDCTL_A_SLOT_CONTEXT_ID] = NLA_POLICY_NESTED(nbdctl_context_id_nl_policy),
	[NBDCTL_A_SLOT_RECONNECTS] = { .type = NLA_U32, },
};

/* NBDCTL_CMD_DEVICE_GET - do */
static const struct nla_policy nbdctl_device_get_do_nl_policy[NBDCTL_A_DEVICE_INDEX + 1] = {
	[NBDCTL_A_DEVICE_INDEX] = { .type = NLA_U32, },
};

/* NBDCTL_CMD_DEVICE_GET - dump */
static const struct nla_policy nbdctl_device_get_dump_nl_policy[NBDCTL_A_DEVICE_INDEX + 1] = {
	[NBDCTL_A_DEVICE_INDEX] = { .type = NLA_U32, },
};

/* NBDCTL_CMD_ATTACH - do */
static const struct nla_policy nbdctl_attach_nl_policy[NBDCTL_A_DEVICE_DISPLAY + 1] = {
	[NBDCTL_A_DEVICE_INDEX] = { .type = NLA_U32, },
	[NBDCTL_A_DEVICE_SIZE] = { .type = NLA_U64, },
	[NBDCTL_A_DEVICE_TRANSMISSION_FLAGS] = { .type = NLA_U16, },
	[NBDCTL_A_DEVICE_HEADER_MODE] = NLA_POLICY_FULL_RANGE(NLA_U32, &nbdctl_a_device_header_mode_range),
	[NBDCTL_A_DEVICE_MIN_BLOCK_SIZE] = { .type = NLA_U32, },
	[NBDCTL_A_DEVICE_PREFERRED_BLOCK_SIZE] = { .type = NLA_U32, },
	[NBDCTL_A_DEVICE_MAX_PAYLOAD] = { .type = NLA_U32, },
	[NBDCTL_A_DEVICE_CONTEXT] = NLA_POLICY_NESTED(nbdctl_context_request_nl_policy),
	[NBDCTL_A_DEVICE_SLOT] = NLA_POLICY_NESTED(nbdctl_slot_request_nl_policy),
	[NBDCTL_A_DEVICE_REQUEST_TIMEOUT] = { .type = NLA_U32, },
	[NBDCTL_A_DEVICE_DEAD_TIME] = { .type = NLA_U32, },
	[NBDCTL_A_DEVICE_QUEUE_DEPTH] = { .type = NLA_U32, },
	[NBDCTL_A_DEVICE_READ_ONLY] = { .type = NLA_FLAG, },
	[NBDCTL_A_DEVICE_IDENTIFIER] = { .type = NLA_NUL_STRING, .len = NBDCTL_IDENTIFIER_MAX, },
	[NBDCTL_A_DEVICE_DISPLAY] = { .type = NLA_NUL_STRING, .len = NBDCTL_NAME_MAX, },
};

/* NBDCTL_CMD_DETACH - do */
static const struct nla_policy nbdctl_detach_nl_policy[NBDCTL_A_DEVICE_DETACH_TIMEOUT + 1] = {
	[NBDCTL_A_DEVICE_INDEX] = { .type = NLA_U32, },
	[NBDCTL_A_DEVICE_SESSION] = { .type = NLA_U64, },
	[NBDCTL_A_DEVICE_FORCE] = { .type = NLA_FLAG, },
	[NBDCTL_A_DEVICE_DETACH_TIMEOUT] = { .type = NLA_U32, },
};

/* NBDCTL_CMD_SLOT_REPLACE - do */
static const struct nla_policy nbdctl_slot_replace_nl_policy[NBDCTL_A_DEVICE_SESSION + 1] = {
	[NBDCTL_A_DEVICE_INDEX] = { .type = NLA_U32, },
	[NBDCTL_A_DEVICE_SESSION] = { .type = NLA_U64, },
	[NBDCTL_A_DEVICE_SIZE] = { .type = NLA_U64, },
	[NBDCTL_A_DEVICE_TRANSMISSION_FLAGS] = { .type = NLA_U16, },
	[NBDCTL_A_DEVICE_HEADER_MODE] = NLA_POLICY_FULL_RANGE(NLA_U32, &nbdctl_a_device_header_mode_range),
	[NBDCTL_A_DEVICE_MIN_BLOCK_SIZE] = { .type = NLA_U32, },
	[NBDCTL_A_DEVICE_PREFERRED_BLOCK_SIZE] = { .type = NLA_U32, },
	[NBDCTL_A_DEVICE_MAX_PAYLOAD] = { .type = NLA_U32, },
	[NBDCTL_A_DEVICE_DEAD_TIME] = { .type = NLA_U32, },
	[NBDCTL_A_DEVICE_SLOT] = NLA_POLICY_NESTED(nbdctl_slot_request_nl_policy),
	[NBDCTL_A_DEVICE_DISPLAY] = { .type = NLA_NUL_STRING, .len = NBDCTL_NAME_MAX, },
	[NBDCTL_A_DEVICE_FORCE] = { .type = NLA_FLAG, },
};

/* NBDCTL_CMD_RESIZE - do */
static const struct nla_policy nbdctl_resize_nl_policy[NBDCTL_A_DEVICE_SESSION + 1] = {
	[NBDCTL_A_DEVICE_INDEX] = { .type = NLA_U32, },
	[NBDCTL_A_DEVICE_SESSION] = { .type = NLA_U64, },
	[NBDCTL_A_DEVICE_SIZE] = { .type = NLA_U64, },
};

/* NBDCTL_CMD_KEEP - do */
static const struct nla_policy nbdctl_keep_nl_policy[NBDCTL_A_DEVICE_SESSION + 1] = {
	[NBDCTL_A_DEVICE_INDEX] = { .type = NLA_U32, },
	[NBDCTL_A_DEVICE_SESSION] = { .type = NLA_U64, },
};

/* Ops table for nbdctl */
static const struct genl_split_ops nbdctl_nl_ops[] = {
	{
		.cmd	= NBDCTL_CMD_DRIVER_GET,
		.doit	= nbdctl_nl_driver_get_doit,
		.flags	= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= NBDCTL_CMD_DEVICE_GET,
		.doit		= nbdctl_nl_device_get_doit,
		.policy		= nbdctl_device_get_do_nl_policy,
		.maxattr	= NBDCTL_A_DEVICE_INDEX,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= NBDCTL_CMD_DEVICE_GET,
		.start		= nbdctl_device_get_start,
		.dumpit		= nbdctl_nl_device_get_dumpit,
		.policy		= nbdctl_device_get_dump_nl_policy,
		.maxattr	= NBDCTL_A_DEVICE_INDEX,
		.flags		= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= NBDCTL_CMD_ATTACH,
		.doit		= nbdctl_nl_attach_doit,
		.policy		= nbdctl_attach_nl_policy,
		.maxattr	= NBDCTL_A_DEVICE_DISPLAY,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= NBDCTL_CMD_DETACH,
		.doit		= nbdctl_nl_detach_doit,
		.policy		= nbdctl_detach_nl_policy,
		.maxattr	= NBDCTL_A_DEVICE_DETACH_TIMEOUT,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= NBDCTL_CMD_SLOT_REPLACE,
		.doit		= nbdctl_nl_slot_replace_doit,
		.policy		= nbdctl_slot_replace_nl_policy,
		.maxattr	= NBDCTL_A_DEVICE_SESSION,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= NBDCTL_CMD_RESIZE,
		.doit		= nbdctl_nl_resize_doit,
		.policy		= nbdctl_resize_nl_policy,
		.maxattr	= NBDCTL_A_DEVICE_SESSION,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= NBDCTL_CMD_KEEP,
		.doit		= nbdctl_nl_keep_doit,
		.policy		= nbdctl_keep_nl_policy,
		.maxattr	= NBDCTL_A_DEVICE_SESSION,
		.flags		= GENL_CMD_CAP_DO,
	},
};

static const struct genl_multicast_group nbdctl_nl_mcgrps[] = {
	[NBDCTL_NLGRP_EVENTS] = { "events", },
};

struct genl_family nbdctl_nl_family __ro_after_init = {
	.name		= NBDCTL_FAMILY_NAME,
	.version	= NBDCTL_FAMILY_VERSION,
	.netnsok	= true,
	.parallel_ops	= true,
	.module		= THIS_MODULE,
	.split_ops	= nbdctl_nl_ops,
	.n_split_ops	= ARRAY_SIZE(nbdctl_nl_ops),
	.mcgrps		= nbdctl_nl_mcgrps,
	.n_mcgrps	= ARRAY_SIZE(nbdctl_nl_mcgrps),
};
