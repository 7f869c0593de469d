// SPDX-License-Identifier: GPL-2.0-only
/* The calls of linux/nbdmap.h, line by line: what they take, and how they fail. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "uapi_map.h"

FIXTURE(call)
{
	struct ground g;
};

FIXTURE_SETUP(call)
{
	set_up(_metadata, &self->g, NULL);
}

FIXTURE_TEARDOWN(call)
{
	tear_down(_metadata, &self->g);
}

TEST_F(call, bad_ranges)
{
	struct ground *g = &self->g;

	EXPECT_EQ(EINVAL, ask(g, 0, 0, 0, 1));
	EXPECT_EQ(EINVAL, ask(g, 0, 1, 512, 1));
	EXPECT_EQ(EINVAL, ask(g, 0, 256, 512, 1));
	EXPECT_EQ(EINVAL, ask(g, 0, 0, 511, 1));
	EXPECT_EQ(EINVAL, ask(g, 0, 512, 513, 1));
	EXPECT_EQ(EINVAL, ask(g, 0, SIZE, 512, 1));
	EXPECT_EQ(EINVAL, ask(g, 0, SIZE - 512, 1024, 1));
	EXPECT_EQ(EINVAL, ask(g, 0, 0, SIZE + 512, 1));
	EXPECT_EQ(EINVAL, ask(g, 0, 512, SIZE, 1));
	EXPECT_EQ(EINVAL, ask(g, 0, 0, UINT64_MAX, 1));
	EXPECT_EQ(EINVAL, ask(g, 0, 0, UINT64_MAX - 511, 1));
	EXPECT_EQ(EINVAL, ask(g, 0, UINT64_MAX - 511, 512, 1));
	EXPECT_EQ(EINVAL, ask(g, 0, UINT64_MAX - 511, 1024, 1));
	EXPECT_EQ(EINVAL, ask(g, 0, 1024, UINT64_MAX - 511, 1));
	EXPECT_EQ(EINVAL, ask(g, 0, 1ull << 63, 1ull << 63, 1));
	EXPECT_EQ(0, server_logged(&g->s, "BLOCK_STATUS"));
}

TEST_F(call, bad_fields)
{
	struct ground *g = &self->g;
	struct nbdmap_status *arg = &g->arg;
	int i;

	EXPECT_EQ(EINVAL, ask(g, 0, 0, SIZE, 0));
	EXPECT_EQ(EINVAL, ask(g, NBDMAP_ALL, 0, SIZE, 0));
	EXPECT_EQ(EINVAL, ask(g, NBDMAP_ALL, 0, SIZE, 1));
	EXPECT_EQ(ENOENT, ask(g, 2, 0, SIZE, 8));
	EXPECT_EQ(ENOENT, ask(g, NBDMAP_BY_NAME, 0, SIZE, 8));
	EXPECT_EQ(ENOENT, ask(g, 1u << 31, 0, SIZE, 8));
	for (i = 0; i < 33; i++) {
		EXPECT_EQ(0, ask(g, 0, 0, BLOCK, 8));
		arg->offset = 0;
		arg->flags = i < 31 ? 2u << i : 0;
		arg->reserved = i == 31 ? 1 : i == 32 ? 1ull << 63 : 0;
		EXPECT_EQ(-1, map_status(g->disk, arg)) TH_LOG("%d", i);
		EXPECT_EQ(EINVAL, errno);
	}
}

/* The call was handed down by a device that is made of this one */
TEST_F(call, other_node)
{
	struct ground *g = &self->g;
	struct nbdmap_context context = { .index = 0 };
	unsigned int bit;

	EXPECT_EQ(0, ask(g, 0, 0, SIZE, 8));
	for (bit = 0; bit < 64; bit++) {
		map_node(g->disk, &context.major, &context.minor);
		*(bit < 32 ? &context.major : &context.minor) ^= 1u << bit % 32;
		g->arg.major = context.major;
		g->arg.minor = context.minor;
		EXPECT_EQ(-1, ioctl(g->disk, NBDMAP_IOC_STATUS, &g->arg)) TH_LOG("bit %u", bit);
		EXPECT_EQ(ENODEV, errno);
		EXPECT_EQ(-1, ioctl(g->disk, NBDMAP_IOC_CONTEXT, &context)) TH_LOG("bit %u", bit);
		EXPECT_EQ(ENODEV, errno);
	}
}

TEST_F(call, names)
{
	struct ground *g = &self->g;
	char name[64] = "test:b";
	struct nbdmap_context arg = { .index = NBDMAP_BY_NAME, .name_size = 6,
				      .name = (uintptr_t)name };
	unsigned int i;

	ASSERT_EQ(0, map_context(g->disk, &arg));
	EXPECT_EQ(1u, arg.index);
	EXPECT_EQ(2u, arg.count);
	for (i = 0; i < NAMES; i++) {
		memset(name, '#', sizeof(name));
		arg = (struct nbdmap_context){ .index = i, .name_size = 64,
					       .name = (uintptr_t)name };
		ASSERT_EQ(0, map_context(g->disk, &arg));
		EXPECT_EQ(strlen(g->x.names[i]), arg.name_size);
		EXPECT_EQ(0, memcmp(name, g->x.names[i], arg.name_size));
		EXPECT_EQ('#', name[arg.name_size]);
		EXPECT_EQ(2u, arg.count);
	}
	/* without room the length is told, and no more is written than there is room for */
	memset(name, '#', sizeof(name));
	arg = (struct nbdmap_context){ .index = 0, .name_size = 4, .name = (uintptr_t)name };
	ASSERT_EQ(0, map_context(g->disk, &arg));
	EXPECT_EQ(15u, arg.name_size);
	EXPECT_EQ(0, memcmp(name, "base####", 8));
	arg = (struct nbdmap_context){ .index = 0 };
	ASSERT_EQ(0, map_context(g->disk, &arg));
	EXPECT_EQ(15u, arg.name_size);
}

static int context_error(int fd, unsigned int index, const char *name, unsigned int size,
			 unsigned int reserved)
{
	struct nbdmap_context arg = { index, 0, size, 0, 0, reserved, (uintptr_t)name };

	return map_context(fd, &arg) ? errno : 0;
}

TEST_F(call, no_such_name)
{
	struct ground *g = &self->g;
	static char text[5000] = "test:b";

	EXPECT_EQ(ENOENT, context_error(g->disk, 2, text, 0, 0));
	EXPECT_EQ(ENOENT, context_error(g->disk, NBDMAP_ALL, text, 0, 0));
	EXPECT_EQ(ENOENT, context_error(g->disk, NBDMAP_BY_NAME, text, 0, 0));
	EXPECT_EQ(ENOENT, context_error(g->disk, NBDMAP_BY_NAME, text, 5, 0));
	EXPECT_EQ(ENOENT, context_error(g->disk, NBDMAP_BY_NAME, text, 7, 0));
	EXPECT_EQ(ENOENT, context_error(g->disk, NBDMAP_BY_NAME, text, 4096, 0));
	EXPECT_EQ(ENOENT, context_error(g->disk, NBDMAP_BY_NAME, text, 4097, 0));
	EXPECT_EQ(ENOENT, context_error(g->disk, NBDMAP_BY_NAME, text, UINT32_MAX, 0));
	EXPECT_EQ(EINVAL, context_error(g->disk, NBDMAP_BY_NAME, text, 6, 1));
	EXPECT_EQ(EINVAL, context_error(g->disk, 0, text, 64, 1u << 31));
	EXPECT_EQ(0, context_error(g->disk, NBDMAP_BY_NAME, text, 6, 0));
}

TEST_F(call, unknown_ioctl)
{
	struct ground *g = &self->g;
	static const unsigned long unknown[] = {
		_IO(0xab, 0x40), _IO(0xab, 0x41), _IO(0xab, 0x42), _IO(0xab, 0x7f), _IO(0xab, 0xff),
		_IOWR(0xab, 0x42, struct nbdmap_status), _IOR(0xab, 0x41, struct nbdmap_status),
		_IOWR(0xab, 0x41, struct nbdmap_context), _IOWR(0xab, 0x40, struct nbdmap_status),
		_IOWR(0xac, 0x41, struct nbdmap_status),
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(unknown); i++) {
		EXPECT_EQ(-1, ioctl(g->disk, unknown[i], &g->arg)) TH_LOG("%zu", i);
		EXPECT_EQ(ENOTTY, errno) TH_LOG("%zu", i);
	}
}

/* Two pages, of which only the first is there */
static char *edge(void)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(page + 4096, 4096, PROT_NONE);
	return page + 4096;
}

TEST_F(call, bad_pointers)
{
	struct ground *g = &self->g;
	char *end = edge();
	struct nbdmap_status *arg;

	EXPECT_EQ(-1, ioctl(g->disk, NBDMAP_IOC_STATUS, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(g->disk, NBDMAP_IOC_CONTEXT, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(g->disk, NBDMAP_IOC_STATUS, end - 40));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(g->disk, NBDMAP_IOC_STATUS, (void *)(1ull << 63)));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(EFAULT, context_error(g->disk, 0, NULL, 64, 0));
	EXPECT_EQ(EFAULT, context_error(g->disk, 0, end - 4, 64, 0));
	EXPECT_EQ(EFAULT, context_error(g->disk, NBDMAP_BY_NAME, NULL, 6, 0));
	EXPECT_EQ(EFAULT, context_error(g->disk, NBDMAP_BY_NAME, end - 4, 6, 0));
	/* the array: none, of the kernel, and part of one */
	arg = (void *)(end - sizeof(*arg));
	*arg = (struct nbdmap_status){ .length = SIZE, .context = 0, .capacity = 64 };
	EXPECT_EQ(-1, map_status(g->disk, arg));
	EXPECT_EQ(EFAULT, errno);
	arg->extents = UINT64_MAX - 4095;
	EXPECT_EQ(-1, ioctl(g->disk, NBDMAP_IOC_STATUS, arg));
	EXPECT_EQ(EFAULT, errno);
	end = edge();
	arg->extents = (uintptr_t)(end - 2 * sizeof(struct nbdmap_extent));
	EXPECT_EQ(-1, ioctl(g->disk, NBDMAP_IOC_STATUS, arg));
	EXPECT_EQ(EFAULT, errno);
	/* where the answer fits in what is there, nothing behind it is touched */
	arg->capacity = 2;
	EXPECT_EQ(0, ioctl(g->disk, NBDMAP_IOC_STATUS, arg));
	EXPECT_EQ(2u, arg->count);
	/* an argument that can't be written */
	mprotect((char *)((uintptr_t)arg & ~4095ul), 4096, PROT_READ);
	EXPECT_EQ(-1, ioctl(g->disk, NBDMAP_IOC_STATUS, arg));
	EXPECT_EQ(EFAULT, errno);
}

/* ---- 32-bit callers ---- */

TEST_F(call, compat)
{
	struct ground *g = &self->g;
	struct nbdmap_status *arg = mmap(NULL, 65536, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	struct nbdmap_context *c = (void *)(arg + 1);
	char *name = (char *)arg + 1024;

	if (!has_ioctl32())
		SKIP(return, "this kernel runs no 32-bit programs");
	*arg = (struct nbdmap_status){ .length = SIZE, .context = NBDMAP_ALL, .capacity = 512,
				       .extents = (uintptr_t)arg + 4096 };
	map_node(g->disk, &arg->major, &arg->minor);
	ASSERT_EQ(0, ioctl32(g->disk, NBDMAP_IOC_STATUS, (uintptr_t)arg));
	g->arg = *arg;
	memcpy(g->list, (char *)arg + 4096, arg->count * sizeof(g->list[0]));
	take(_metadata, g, 0);
	EXPECT_EQ(SIZE, g->arg.covered);
	same(_metadata, g, 0, 0, SIZE);
	same(_metadata, g, 1, 0, SIZE);
	*c = (struct nbdmap_context){ .index = 1, .name_size = 64, .name = (uintptr_t)name };
	map_node(g->disk, &c->major, &c->minor);
	ASSERT_EQ(0, ioctl32(g->disk, NBDMAP_IOC_CONTEXT, (uintptr_t)c));
	EXPECT_STREQ("test:b", name);
	EXPECT_EQ(-ENOTTY, ioctl32(g->disk, _IO(0xab, 0x42), (uintptr_t)arg));
	EXPECT_EQ(-EFAULT, ioctl32(g->disk, NBDMAP_IOC_STATUS, 4096));
	arg->capacity = 0;
	EXPECT_EQ(-EINVAL, ioctl32(g->disk, NBDMAP_IOC_STATUS, (uintptr_t)arg));
}

/* ---- when the server is not there ---- */

TEST_F(call, killable)
{
	struct ground *g = &self->g;
	long long begin;
	int status;
	pid_t pid;

	server_pause(&g->s);
	pid = fork();
	if (!pid)
		_exit(ask(g, NBDMAP_ALL, 0, SIZE, MAX));
	usleep(300000);
	ASSERT_EQ(0, waitpid(pid, &status, WNOHANG));
	begin = now_ms();
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_LT(now_ms() - begin, 20000);
	begin = now_ms();
	EXPECT_EQ(0, detach(&g->nl, INDEX, true));
	EXPECT_LT(now_ms() - begin, 20000);
	/* until nobody has it open */
	EXPECT_EQ(NBDCTL_STATE_DEAD, state_of(&g->nl, INDEX));
	/* for the end of the test */
	server_resume(&g->s);
	close(g->disk);
	ASSERT_EQ(0, attach_to(g)) TH_LOG("%s", g->nl.text);
}

TEST_F(call, lost)
{
	struct ground *g = &self->g;

	kill(g->s.pid, SIGKILL);
	ASSERT_TRUE(wait_state(&g->nl, INDEX, NBDCTL_STATE_WAITING, 20000));
	EXPECT_EQ(EIO, ask(g, NBDMAP_ALL, 0, SIZE, MAX));
}

/* A disk whose user has forcibly detached it, and one that nobody has attached */
TEST_F(call, not_attached)
{
	struct ground *g = &self->g;
	int idle = open_disk(INDEX + 1, O_RDONLY);

	EXPECT_EQ(ENOTCONN, context_error(idle, 0, NULL, 0, 0));
	EXPECT_EQ(-1, ioctl(idle, _IO(0xab, 0x42)));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(0, detach(&g->nl, INDEX, true));
	EXPECT_EQ(ENOTCONN, ask(g, NBDMAP_ALL, 0, SIZE, MAX));
	EXPECT_EQ(ENOTCONN, context_error(g->disk, 0, NULL, 0, 0));
	close(g->disk);
	close(idle);
	ASSERT_EQ(0, attach_to(g)) TH_LOG("%s", g->nl.text);
}

TEST_F(call, no_contexts)
{
	struct ground *g = &self->g;

	close(g->disk);
	EXPECT_EQ(0, detach(&g->nl, INDEX, true));
	g->x.nr = 0;
	ASSERT_EQ(0, attach_to(g)) TH_LOG("%s", g->nl.text);
	EXPECT_EQ(EOPNOTSUPP, ask(g, NBDMAP_ALL, 0, SIZE, MAX));
	EXPECT_EQ(EOPNOTSUPP, ask(g, 0, 0, SIZE, 1));
	EXPECT_EQ(EOPNOTSUPP, context_error(g->disk, 0, NULL, 0, 0));
	EXPECT_EQ(EOPNOTSUPP, context_error(g->disk, NBDMAP_BY_NAME, "a:b", 3, 0));
}

/* What the server says is what the caller gets, and the disk lives on */
TEST_F(call, server_error)
{
	struct ground *g = &self->g;
	static const struct {
		const char *evil;
		int error;
	} rows[] = {
		{ "status-eio", EIO }, { "status-einval", EINVAL },
		{ "status-eoverflow", EOVERFLOW },
		{ "status-error-0", EIO }, { "status-simple-einval", EINVAL },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		close(g->disk);
		EXPECT_EQ(0, detach(&g->nl, INDEX, true));
		server_stop(&g->s);
		server_start(&g->s, "--size", "16M", "--context", "base:allocation", "--context",
			     "test:b", "--evil", rows[i].evil, "--at", "0", NULL);
		ASSERT_EQ(0, attach_to(g)) TH_LOG("%s", g->nl.text);
		EXPECT_EQ(rows[i].error, ask(g, 0, 0, SIZE, 8)) TH_LOG("%s", rows[i].evil);
		EXPECT_EQ(1, server_logged(&g->s, "EVIL"));
		EXPECT_EQ(0, ask(g, 0, 0, SIZE, 8));
		EXPECT_EQ(NBDCTL_STATE_LIVE, state_of(&g->nl, INDEX));
	}
}

TEST_HARNESS_MAIN
