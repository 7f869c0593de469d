// SPDX-License-Identifier: GPL-2.0-only
/* A resize is seen. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "uapi_session.h"

FIXTURE(resize)
{
	struct ground g;
};

FIXTURE_SETUP(resize)
{
	set_up(&self->g);
}

FIXTURE_TEARDOWN(resize)
{
	tear_down(_metadata, &self->g);
}

static int resize(struct ground *g, uint64_t size)
{
	msg_begin(&g->nl, &g->m, NBDCTL_CMD_RESIZE);
	put_u32(&g->m, NBDCTL_A_DEVICE_INDEX, INDEX);
	put_u64(&g->m, NBDCTL_A_DEVICE_SIZE, size);
	return nl_call(&g->nl, &g->m);
}

/* The kernel's uevent of our disk with RESIZE=1 */
static bool hear_resize(int fd)
{
	long long end = now_ms() + 5000;
	char buf[4096];
	ssize_t n;

	while (now_ms() < end) {
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n < 0)
			usleep(10000);
		else if (memmem(buf, n, "/nbd8", 6) && memmem(buf, n, "RESIZE=1", 9))
			return true;
	}
	return false;
}

TEST_F(resize, is_seen)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	struct ground *g = &self->g;
	int64_t bytes = 0;
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT);

	ASSERT_EQ(0, attach(g, 1, 0, 0));
	g->disk = open_disk(INDEX, O_RDONLY | O_DIRECT);
	ASSERT_EQ(0, bind(fd, (void *)&addr, sizeof(addr)));
	ASSERT_EQ(0, resize(g, 8 << 20));
	EXPECT_EQ(0, ioctl(g->disk, BLKGETSIZE64, &bytes));
	EXPECT_EQ(8 << 20, bytes);
	EXPECT_TRUE(hear_resize(fd));
	EXPECT_EQ(ENODATA, read_disk(g->disk, 8 << 20));
	EXPECT_EQ(0, read_disk(g->disk, (8 << 20) - 4096));
	/* a size of part blocks shows the whole ones; the fact stays as it was given */
	ASSERT_EQ(0, resize(g, (10 << 20) + 700));
	EXPECT_EQ((10 << 20) / 512 + 1, read_number("/sys/block/nbd%d/size", INDEX));
	state_of(&g->nl, INDEX);
	EXPECT_EQ((10 << 20) + 700, get_u64(reply_attrs(&g->nl), NBDCTL_A_DEVICE_SIZE));
	ASSERT_EQ(0, resize(g, SIZE));
	EXPECT_TRUE(hear_resize(fd));
	EXPECT_EQ(0, read_disk(g->disk, SIZE - 4096));
	close(fd);
}

TEST_HARNESS_MAIN
