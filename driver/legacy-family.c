// SPDX-License-Identifier: GPL-2.0-only
/*
 * The family "nbd". Its validation is as lax as in the kernel's own driver: what is unknown is
 * ignored, and attributes may be longer than their types.
 */
#include "legacy-family.h"

static const struct nla_policy legacy_policy[NBD_ATTR_MAX + 1] = {
	[NBD_ATTR_INDEX] = { .type = NLA_U32 },
	[NBD_ATTR_SIZE_BYTES] = { .type = NLA_U64 },
	[NBD_ATTR_BLOCK_SIZE_BYTES] = { .type = NLA_U64 },
	[NBD_ATTR_TIMEOUT] = { .type = NLA_U64 },
	[NBD_ATTR_SERVER_FLAGS] = { .type = NLA_U64 },
	[NBD_ATTR_CLIENT_FLAGS] = { .type = NLA_U64 },
	[NBD_ATTR_SOCKETS] = { .type = NLA_NESTED },
	[NBD_ATTR_DEAD_CONN_TIMEOUT] = { .type = NLA_U64 },
	[NBD_ATTR_DEVICE_LIST] = { .type = NLA_NESTED },
	[NBD_ATTR_BACKEND_IDENTIFIER] = { .type = NLA_STRING },
};

const struct nla_policy legacy_sock_policy[NBD_SOCK_MAX + 1] = {
	[NBD_SOCK_FD] = { .type = NLA_U32 },
};

static const struct genl_small_ops legacy_ops[] = {
	{
		.cmd = NBD_CMD_CONNECT,
		.validate = GENL_DONT_VALIDATE_STRICT | GENL_DONT_VALIDATE_DUMP,
		.doit = legacy_connect_doit,
	},
	{
		.cmd = NBD_CMD_DISCONNECT,
		.validate = GENL_DONT_VALIDATE_STRICT | GENL_DONT_VALIDATE_DUMP,
		.doit = legacy_disconnect_doit,
	},
	{
		.cmd = NBD_CMD_RECONFIGURE,
		.validate = GENL_DONT_VALIDATE_STRICT | GENL_DONT_VALIDATE_DUMP,
		.doit = legacy_reconfigure_doit,
	},
	{
		.cmd = NBD_CMD_STATUS,
		.validate = GENL_DONT_VALIDATE_STRICT | GENL_DONT_VALIDATE_DUMP,
		.doit = legacy_status_doit,
	},
};

static const struct genl_multicast_group legacy_groups[] = {
	{ .name = NBD_GENL_MCAST_GROUP_NAME },
};

struct genl_family nbd_legacy_family __ro_after_init = {
	.name = NBD_GENL_FAMILY_NAME,
	.version = NBD_GENL_VERSION,
	.netnsok = true,
	.parallel_ops = true,
	.module = THIS_MODULE,
	.maxattr = NBD_ATTR_MAX,
	.policy = legacy_policy,
	.small_ops = legacy_ops,
	.n_small_ops = ARRAY_SIZE(legacy_ops),
	.resv_start_op = NBD_CMD_STATUS + 1,
	.mcgrps = legacy_groups,
	.n_mcgrps = ARRAY_SIZE(legacy_groups),
};
