// SPDX-License-Identifier: GPL-2.0-only
/*
 * The extents of linux/nbdmap.h: they are the server's layout, however the
 * server and the caller cut them.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <linux/blkpg.h>

#include "uapi_map.h"

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
		ASSERT_EQ(0, map_status(g->disk, arg));
		EXPECT_EQ(1u, arg->count);
		take(_metadata, g, 0);
		same(_metadata, g, c, 1 << 20, arg->covered / BLOCK * BLOCK);
	}
	*arg = (struct nbdmap_status){
		.offset = 1 << 20, .length = 4 << 20, .context = NBDMAP_ALL, .capacity = 8,
		.flags = NBDMAP_REQ_ONE, .extents = (uintptr_t)g->list,
	};
	ASSERT_EQ(0, map_status(g->disk, arg));
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

TEST_HARNESS_MAIN
