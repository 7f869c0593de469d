// SPDX-License-Identifier: GPL-2.0-only
/* What the commands other than attach refuse, where nothing is attached. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>

#include "uapi_refuse.h"

FIXTURE(commands)
{
	struct ground g;
};

FIXTURE_SETUP(commands)
{
	set_up(&self->g);
}

FIXTURE_TEARDOWN(commands)
{
	tear_down(_metadata, &self->g);
}

TEST_F(commands, get)
{
	REFUSE(DEVICE_GET, EINVAL, "index: required", 0, ;);
	REFUSE(DEVICE_GET, ENODEV, "index", NBDCTL_A_DEVICE_INDEX, U32(DEVICE_INDEX, 65000));
	REFUSE(DEVICE_GET, ENODEV, "index", NBDCTL_A_DEVICE_INDEX, U32(DEVICE_INDEX, UINT32_MAX));
	REFUSE(DEVICE_GET, EINVAL, NULL, NBDCTL_A_DEVICE_SIZE, U32(DEVICE_INDEX, INDEX);
	       U64(DEVICE_SIZE, 1));
	REFUSE(DEVICE_GET, EINVAL, NULL, NBDCTL_A_DEVICE_INDEX, U64(DEVICE_INDEX, INDEX));
	REFUSE(DRIVER_GET, EINVAL, NULL, 1, put_u32(m, 1, 0));
	REFUSE(DRIVER_GET, EINVAL, NULL, 2, put_u32(m, 2, 0));
}

TEST_F(commands, idle_device)
{
	REFUSE(DETACH, ENOTCONN, "index", NBDCTL_A_DEVICE_INDEX, U32(DEVICE_INDEX, INDEX));
	REFUSE(DETACH, ENOTCONN, "index", NBDCTL_A_DEVICE_INDEX, U32(DEVICE_INDEX, INDEX);
	       put_flag(m, NBDCTL_A_DEVICE_FORCE));
	REFUSE(RESIZE, ENOTCONN, "index", NBDCTL_A_DEVICE_INDEX, U32(DEVICE_INDEX, INDEX);
	       U64(DEVICE_SIZE, 1 << 20));
	REFUSE(SLOT_REPLACE, ENOTCONN, "index", NBDCTL_A_DEVICE_INDEX, U32(DEVICE_INDEX, INDEX);
	       slot());
}

TEST_F(commands, no_device)
{
	static const uint8_t cmds[] = { NBDCTL_CMD_DETACH, NBDCTL_CMD_RESIZE,
					NBDCTL_CMD_SLOT_REPLACE };
	struct ground *g = &self->g;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		msg_begin(&g->nl, &g->m, cmds[i]);
		refused(_metadata, g, EINVAL, "index: required", 0, "no index");
		msg_begin(&g->nl, &g->m, cmds[i]);
		put_u32(&g->m, NBDCTL_A_DEVICE_INDEX, 65000);
		refused(_metadata, g, ENODEV, "index", NBDCTL_A_DEVICE_INDEX, "index 65000");
		EXPECT_EQ(-1, read_number("/sys/block/nbd65000/size"));
	}
	/* not a command at all */
	msg_begin(&g->nl, &g->m, __NBDCTL_CMD_MAX);
	EXPECT_EQ(EOPNOTSUPP, nl_call(&g->nl, &g->m));
	msg_begin(&g->nl, &g->m, NBDCTL_CMD_ATTACHED_EVENT);
	EXPECT_EQ(EOPNOTSUPP, nl_call(&g->nl, &g->m));
}

TEST_F(commands, strict)
{
	REFUSE(DETACH, EINVAL, NULL, NBDCTL_A_DEVICE_READ_ONLY, U32(DEVICE_INDEX, INDEX);
	       put_flag(m, NBDCTL_A_DEVICE_READ_ONLY));
	REFUSE(DETACH, EINVAL, NULL, NBDCTL_A_DEVICE_SIZE, U32(DEVICE_INDEX, INDEX);
	       U64(DEVICE_SIZE, 1));
	REFUSE(DETACH, ERANGE, NULL, NBDCTL_A_DEVICE_FORCE, U32(DEVICE_INDEX, INDEX);
	       U32(DEVICE_FORCE, 1));
	REFUSE(RESIZE, EINVAL, NULL, NBDCTL_A_DEVICE_SLOT, U32(DEVICE_INDEX, INDEX); slot());
	REFUSE(RESIZE, EINVAL, NULL, NBDCTL_A_DEVICE_SIZE, U32(DEVICE_INDEX, INDEX);
	       U32(DEVICE_SIZE, 1 << 20));
	REFUSE(SLOT_REPLACE, EINVAL, NULL, NBDCTL_A_DEVICE_REQUEST_TIMEOUT,
	       U32(DEVICE_INDEX, INDEX); U32(DEVICE_REQUEST_TIMEOUT, 1));
	REFUSE(SLOT_REPLACE, EINVAL, NULL, 99, U32(DEVICE_INDEX, INDEX); SLOT(put_u32(m, 99, 1)));
}

TEST_HARNESS_MAIN
