// SPDX-License-Identifier: GPL-2.0-only
/*
 * linux/nbdmap.h, line by line. What the server says is a fixed layout, written
 * down here; the extents must be that, however the server and the caller cut
 * them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <linux/blkpg.h>
#include <linux/nbdmap.h>

#include "kselftest_harness.h"
#include "uapi.h"

#define INDEX		7
#define SIZE		(16u << 20)
#define BLOCK		512u
#define BLOCKS		(SIZE / BLOCK)
#define NAMES		2
#define MAX		4096

struct run {
	unsigned int offset, length;
	int status;
};

/* Ascending; between them the status is 0. Of base: only two bits have a meaning. */
static const struct run layout_a[] = {
	{ 0, 65536, 3 }, { 65536, 512, 1 }, { 66048, 512, 5 }, { 1 << 20, 1 << 20, 2 },
	{ 2 << 20, 1 << 20, 6 }, { 5 << 20, 4096, 3 }, { (5 << 20) + 8192, 4096, 3 },
	{ (5 << 20) + 16384, 4096, 3 }, { 9 << 20, 3 << 20, 1 }, { SIZE - 512, 512, 3 },
};

static const struct run layout_b[] = {
	{ 512, 512, 1 }, { 1536, 512, 0x12345678 }, { 3 << 20, 4 << 20, 0x7fffffff },
	{ (5 << 20) + (2 << 20), 512, 9 }, { 12 << 20, 4 << 20, 1 },
};

/* A disk, and what its server says of it */
struct ground {
	struct nl nl;
	struct msg m;
	struct server s;
	struct export x;
	char files[NAMES][64];
	/* what the server says of each block, and what came */
	unsigned int model[NAMES][BLOCKS];
	unsigned int got[NAMES][BLOCKS];
	struct nbdmap_extent list[MAX];
	struct nbdmap_status arg;
	int disk;
};

static void lay_out(struct ground *g, int c, const struct run *runs, size_t n)
{
	unsigned int mask = c ? UINT32_MAX : NBDMAP_BASE_HOLE | NBDMAP_BASE_ZERO;
	unsigned int b;
	FILE *f;
	size_t i;

	sprintf(g->files[c], "/tmp/uapi-%d-layout-%d", getpid(), c);
	f = fopen(g->files[c], "w");
	for (i = 0; i < n; i++) {
		fprintf(f, "%u %u %d\n", runs[i].offset, runs[i].length, runs[i].status);
		for (b = 0; b < runs[i].length / BLOCK; b++)
			g->model[c][runs[i].offset / BLOCK + b] = runs[i].status & mask;
	}
	fclose(f);
}

static int attach_to(struct ground *g)
{
	int fd = server_connect(&g->s, &g->x), error;

	msg_begin(&g->nl, &g->m, NBDCTL_CMD_ATTACH);
	put_facts(&g->m, &g->x, INDEX, 0);
	put_u32(&g->m, NBDCTL_A_DEVICE_MIN_BLOCK_SIZE, BLOCK);
	put_slot(&g->m, 0, fd, &g->x);
	error = nl_call(&g->nl, &g->m);
	close(fd);
	g->disk = open_disk(INDEX, O_RDONLY);
	return error;
}

static void set_up(struct __test_metadata *_metadata, struct ground *g, const char *answers)
{
	static char contexts[NAMES][128];

	nl_open(&g->nl);
	detach(&g->nl, INDEX, true);
	lay_out(g, 0, layout_a, ARRAY_SIZE(layout_a));
	lay_out(g, 1, layout_b, ARRAY_SIZE(layout_b));
	g->x.nr = NAMES;
	strcpy(g->x.names[0], "base:allocation");
	strcpy(g->x.names[1], "test:b");
	sprintf(contexts[0], "base:allocation=file:%s", g->files[0]);
	sprintf(contexts[1], "test:b=file:%s", g->files[1]);
	server_start(&g->s, "--size", "16M", "--context", contexts[0], "--context", contexts[1],
		     "--block-size", "512:4096:33554432", answers ? "--status" : NULL, answers,
		     NULL);
	ASSERT_EQ(0, attach_to(g)) TH_LOG("%s", g->nl.text);
	ASSERT_GE(g->disk, 0);
}

static void tear_down(struct __test_metadata *_metadata, struct ground *g)
{
	close(g->disk);
	EXPECT_EQ(0, detach(&g->nl, INDEX, true)) TH_LOG("%s", g->nl.text);
	EXPECT_EQ(0, server_logged(&g->s, "VIOLATION"));
	server_stop(&g->s);
	unlink(g->files[0]);
	unlink(g->files[1]);
}

/* A call. Return: 0 or a positive errno */
static int ask(struct ground *g, unsigned int context, uint64_t offset, uint64_t length,
	       unsigned int capacity)
{
	g->arg = (struct nbdmap_status){
		.offset = offset,
		.length = length,
		.context = context,
		.capacity = capacity,
		.extents = (uintptr_t)g->list,
	};
	return ioctl(g->disk, NBDMAP_IOC_STATUS, &g->arg) ? errno : 0;
}

/*
 * What came of a call: extents in the range asked for, each context's in order
 * and without gaps, as far as the call says; each block has its status. The
 * node begins at @base on the disk.
 */
static void take(struct __test_metadata *_metadata, struct ground *g, unsigned int base)
{
	uint64_t end[NAMES] = { g->arg.offset, g->arg.offset };
	unsigned int last[NAMES] = { UINT32_MAX, UINT32_MAX }, i, b;
	const struct nbdmap_extent *e;

	ASSERT_LE(g->arg.count, g->arg.capacity);
	ASSERT_LE(g->arg.covered, g->arg.length);
	ASSERT_GT(g->arg.covered, 0u);
	for (i = 0; i < g->arg.count; i++) {
		e = &g->list[i];
		ASSERT_LT(e->context, (unsigned int)NAMES);
		ASSERT_EQ(0u, e->reserved);
		ASSERT_EQ(end[e->context], e->offset);
		ASSERT_GT(e->length, 0u);
		/* neighbours of equal status are one */
		ASSERT_TRUE(last[e->context] == UINT32_MAX || last[e->context] != e->status);
		last[e->context] = e->status;
		end[e->context] += e->length;
		for (b = e->offset / BLOCK; b < end[e->context] / BLOCK; b++)
			g->got[e->context][base / BLOCK + b] = e->status;
	}
	for (i = 0; i < NAMES; i++) {
		bool asked = g->arg.context == NBDMAP_ALL || g->arg.context == i;

		ASSERT_EQ(g->arg.offset + (asked ? g->arg.covered : 0), end[i]);
	}
}

static void same(struct __test_metadata *_metadata, struct ground *g, unsigned int context,
		 unsigned int from, unsigned int length)
{
	unsigned int b;

	for (b = from / BLOCK; b < (from + length) / BLOCK; b++)
		ASSERT_EQ(g->model[context][b], g->got[context][b]) TH_LOG("block %u", b);
}

/* All of a range, with an array of this size. Return: how many calls it took */
static int walk(struct __test_metadata *_metadata, struct ground *g, unsigned int context,
		unsigned int from, unsigned int length, unsigned int capacity)
{
	unsigned int done = 0;
	int calls = 0;

	memset(g->got, 0xee, sizeof(g->got));
	while (done < length) {
		EXPECT_EQ(0, ask(g, context, from + done, length - done, capacity));
		take(_metadata, g, 0);
		if (!g->arg.covered)
			break;
		done += g->arg.covered;
		calls++;
	}
	if (context != 1)
		same(_metadata, g, 0, from, length);
	if (context != 0)
		same(_metadata, g, 1, from, length);
	return calls;
}

/* ---- what the server says, and how ---- */

FIXTURE(map)
{
	struct ground g;
};

FIXTURE_VARIANT(map)
{
	const char *answers;
};

FIXTURE_VARIANT_ADD(map, plain) { NULL };
FIXTURE_VARIANT_ADD(map, shuffled) { "shuffle,split" };
FIXTURE_VARIANT_ADD(map, different_lengths) { "short,differ" };
FIXTURE_VARIANT_ADD(map, overshooting) { "overshoot" };

FIXTURE_SETUP(map)
{
	set_up(_metadata, &self->g, variant->answers);
}

FIXTURE_TEARDOWN(map)
{
	tear_down(_metadata, &self->g);
}

static void whole(struct __test_metadata *_metadata, struct ground *g)
{
	unsigned int b, runs = 1;

	EXPECT_EQ(1, walk(_metadata, g, NBDMAP_ALL, 0, SIZE, MAX));
	EXPECT_EQ(1, walk(_metadata, g, 0, 0, SIZE, MAX));
	/* joined, there are as many as the layout has */
	for (b = 1; b < BLOCKS; b++)
		runs += g->model[0][b] != g->model[0][b - 1];
	EXPECT_EQ(runs, g->arg.count);
	EXPECT_EQ(1, walk(_metadata, g, 1, 0, SIZE, MAX));
}

static void ranges(struct __test_metadata *_metadata, struct ground *g)
{
	static const struct {
		unsigned int from, length;
	} ranges[] = {
		{ 0, 512 }, { 512, 512 }, { 65536, 1024 }, { 65024, 2048 }, { SIZE - 512, 512 },
		{ SIZE - 1024, 1024 }, { (1 << 20) + 512, 3 << 20 }, { (5 << 20) + 4096, 8192 },
		{ (5 << 20) + 512, 512 }, { 7 << 20, 5 << 20 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		walk(_metadata, g, NBDMAP_ALL, ranges[i].from, ranges[i].length, 64);
		walk(_metadata, g, 0, ranges[i].from, ranges[i].length, 1);
	}
}

/* Whatever the room, the calls joined say the same */
static void small_capacity(struct __test_metadata *_metadata, struct ground *g)
{
	EXPECT_GT(walk(_metadata, g, 0, 0, SIZE, 1), 10);
	walk(_metadata, g, 0, 0, SIZE, 2);
	walk(_metadata, g, 1, 0, SIZE, 7);
	EXPECT_GT(walk(_metadata, g, NBDMAP_ALL, 0, SIZE, 2), 10);
	walk(_metadata, g, NBDMAP_ALL, 0, SIZE, 3);
	walk(_metadata, g, NBDMAP_ALL, 0, SIZE, 7);
}

static void one(struct __test_metadata *_metadata, struct ground *g)
{
	struct nbdmap_status *arg = &g->arg;
	unsigned int c;

	for (c = 0; c < NAMES; c++) {
		*arg = (struct nbdmap_status){
			.offset = 1 << 20, .length = 4 << 20, .context = c, .capacity = 8,
			.flags = NBDMAP_REQ_ONE, .extents = (uintptr_t)g->list,
		};
		ASSERT_EQ(0, ioctl(g->disk, NBDMAP_IOC_STATUS, arg));
		EXPECT_EQ(1u, arg->count);
		take(_metadata, g, 0);
		same(_metadata, g, c, 1 << 20, arg->covered / BLOCK * BLOCK);
	}
	*arg = (struct nbdmap_status){
		.offset = 1 << 20, .length = 4 << 20, .context = NBDMAP_ALL, .capacity = 8,
		.flags = NBDMAP_REQ_ONE, .extents = (uintptr_t)g->list,
	};
	ASSERT_EQ(0, ioctl(g->disk, NBDMAP_IOC_STATUS, arg));
	EXPECT_EQ(2u, arg->count);
	take(_metadata, g, 0);
	EXPECT_GE(server_logged(&g->s, "BLOCK_STATUS"), 3);
	EXPECT_GE(server_logged(&g->s, "req_one"), 3);
}

/* Offsets are the partition's, and it ends where it ends */
static void partition(struct __test_metadata *_metadata, struct ground *g)
{
	static const unsigned int start = (5 << 20) + 512, size = (3 << 20) + 1024;
	struct blkpg_partition p = { .start = start, .length = size, .pno = 1 };
	struct blkpg_ioctl_arg add = { .op = BLKPG_ADD_PARTITION, .data = &p,
				       .datalen = sizeof(p) };
	int whole = g->disk, tries = 100;
	char path[32];

	ASSERT_EQ(0, ioctl(whole, BLKPG, &add));
	sprintf(path, "/dev/nbd%dp1", INDEX);
	do
		g->disk = open(path, O_RDONLY | O_CLOEXEC);
	while (g->disk < 0 && --tries && !usleep(20000));
	ASSERT_GE(g->disk, 0);
	memset(g->got, 0xee, sizeof(g->got));
	EXPECT_EQ(0, ask(g, NBDMAP_ALL, 0, size, MAX));
	EXPECT_EQ(size, g->arg.covered);
	take(_metadata, g, start);
	same(_metadata, g, 0, start, size);
	same(_metadata, g, 1, start, size);
	EXPECT_EQ(0, ask(g, 0, size - 512, 512, 1));
	EXPECT_EQ(EINVAL, ask(g, 0, size - 512, 1024, 1));
	EXPECT_EQ(EINVAL, ask(g, 0, size, 512, 1));
	close(g->disk);
	g->disk = whole;
	add.op = BLKPG_DEL_PARTITION;
	for (tries = 100; ioctl(whole, BLKPG, &add) && --tries;)
		usleep(50000);
	EXPECT_GT(tries, 0);
}

TEST_F_TIMEOUT(map, extents, 120)
{
	struct ground *g = &self->g;

	whole(_metadata, g);
	ranges(_metadata, g);
	small_capacity(_metadata, g);
	one(_metadata, g);
	partition(_metadata, g);
}

/* ---- calls that fail ---- */

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
		arg->reserved[0] = i == 31;
		arg->reserved[1] = i == 32 ? 1ull << 63 : 0;
		EXPECT_EQ(-1, ioctl(g->disk, NBDMAP_IOC_STATUS, arg)) TH_LOG("%d", i);
		EXPECT_EQ(EINVAL, errno);
	}
}

TEST_F(call, names)
{
	struct ground *g = &self->g;
	char name[64] = "test:b";
	struct nbdmap_context arg = { .index = NBDMAP_BY_NAME, .name_size = 6,
				      .name = (uintptr_t)name };
	unsigned int i;

	ASSERT_EQ(0, ioctl(g->disk, NBDMAP_IOC_CONTEXT, &arg));
	EXPECT_EQ(1u, arg.index);
	EXPECT_EQ(2u, arg.count);
	for (i = 0; i < NAMES; i++) {
		memset(name, '#', sizeof(name));
		arg = (struct nbdmap_context){ .index = i, .name_size = 64,
					       .name = (uintptr_t)name };
		ASSERT_EQ(0, ioctl(g->disk, NBDMAP_IOC_CONTEXT, &arg));
		EXPECT_EQ(strlen(g->x.names[i]), arg.name_size);
		EXPECT_EQ(0, memcmp(name, g->x.names[i], arg.name_size));
		EXPECT_EQ('#', name[arg.name_size]);
		EXPECT_EQ(2u, arg.count);
	}
	/* without room the length is told, and no more is written than there is room for */
	memset(name, '#', sizeof(name));
	arg = (struct nbdmap_context){ .index = 0, .name_size = 4, .name = (uintptr_t)name };
	ASSERT_EQ(0, ioctl(g->disk, NBDMAP_IOC_CONTEXT, &arg));
	EXPECT_EQ(15u, arg.name_size);
	EXPECT_EQ(0, memcmp(name, "base####", 8));
	arg = (struct nbdmap_context){ .index = 0 };
	ASSERT_EQ(0, ioctl(g->disk, NBDMAP_IOC_CONTEXT, &arg));
	EXPECT_EQ(15u, arg.name_size);
}

static int context_error(int fd, unsigned int index, const char *name, unsigned int size,
			 unsigned int reserved)
{
	struct nbdmap_context arg = { index, 0, size, reserved, (uintptr_t)name };

	return ioctl(fd, NBDMAP_IOC_CONTEXT, &arg) ? errno : 0;
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
	EXPECT_EQ(-1, ioctl(g->disk, NBDMAP_IOC_STATUS, arg));
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

/* ioctl() by the gate of 32-bit programs; pointers must be below 4 GiB */
static int ioctl32(int fd, unsigned int cmd, void *arg)
{
	int ret = -ENOSYS;

#ifdef __x86_64__
	asm volatile("int $0x80" : "=a" (ret)
		     : "a" (54), "b" (fd), "c" (cmd), "d" ((unsigned int)(uintptr_t)arg)
		     : "memory", "cc", "r8", "r9", "r10", "r11");
#endif
	return ret;
}

static bool has_gate(void)
{
	int status, pid = fork();

	if (!pid)
		_exit(ioctl32(-1, 0, NULL) == -EBADF ? 0 : 1);
	waitpid(pid, &status, 0);
	return !status;
}

TEST_F(call, compat)
{
	struct ground *g = &self->g;
	struct nbdmap_status *arg = mmap(NULL, 65536, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	struct nbdmap_context *c = (void *)(arg + 1);
	char *name = (char *)arg + 1024;

	if (!has_gate())
		SKIP(return, "this kernel has no gate for 32-bit programs");
	*arg = (struct nbdmap_status){ .length = SIZE, .context = NBDMAP_ALL, .capacity = 512,
				       .extents = (uintptr_t)arg + 4096 };
	ASSERT_EQ(0, ioctl32(g->disk, NBDMAP_IOC_STATUS, arg));
	g->arg = *arg;
	memcpy(g->list, (char *)arg + 4096, arg->count * sizeof(g->list[0]));
	take(_metadata, g, 0);
	EXPECT_EQ(SIZE, g->arg.covered);
	same(_metadata, g, 0, 0, SIZE);
	same(_metadata, g, 1, 0, SIZE);
	*c = (struct nbdmap_context){ .index = 1, .name_size = 64, .name = (uintptr_t)name };
	ASSERT_EQ(0, ioctl32(g->disk, NBDMAP_IOC_CONTEXT, c));
	EXPECT_STREQ("test:b", name);
	EXPECT_EQ(-ENOTTY, ioctl32(g->disk, _IO(0xab, 0x42), arg));
	EXPECT_EQ(-EFAULT, ioctl32(g->disk, NBDMAP_IOC_STATUS, (void *)4096));
	arg->capacity = 0;
	EXPECT_EQ(-EINVAL, ioctl32(g->disk, NBDMAP_IOC_STATUS, arg));
}

/* ---- when the server is not there ---- */

TEST_F(call, killable)
{
	struct ground *g = &self->g;
	long long begin;
	int status;
	pid_t pid;

	kill(g->s.pid, SIGSTOP);
	pid = fork();
	if (!pid)
		_exit(ask(g, NBDMAP_ALL, 0, SIZE, MAX));
	usleep(300000);
	ASSERT_EQ(0, waitpid(pid, &status, WNOHANG));
	begin = now_ms();
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_LT(now_ms() - begin, 2000);
	begin = now_ms();
	EXPECT_EQ(0, detach(&g->nl, INDEX, true));
	EXPECT_LT(now_ms() - begin, 3000);
	EXPECT_EQ(NBDCTL_STATE_IDLE, state_of(&g->nl, INDEX));
	/* for the end of the test */
	kill(g->s.pid, SIGCONT);
	close(g->disk);
	ASSERT_EQ(0, attach_to(g)) TH_LOG("%s", g->nl.text);
}

TEST_F(call, lost)
{
	struct ground *g = &self->g;

	kill(g->s.pid, SIGKILL);
	ASSERT_TRUE(wait_state(&g->nl, INDEX, NBDCTL_STATE_WAITING, 5000));
	EXPECT_EQ(EIO, ask(g, NBDMAP_ALL, 0, SIZE, MAX));
}

/* A disk whose user has detached it by force, and one that nobody has attached */
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
