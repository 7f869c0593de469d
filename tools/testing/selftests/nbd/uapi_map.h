/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ground of the tests of linux/nbdmap.h. What the server says is a fixed
 * layout, written down here.
 */
#ifndef UAPI_MAP_H
#define UAPI_MAP_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
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

static inline void lay_out(struct ground *g, int c, const struct run *runs, size_t n)
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

static inline int attach_to(struct ground *g)
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

static inline void set_up(struct __test_metadata *_metadata, struct ground *g, const char *answers)
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

static inline void tear_down(struct __test_metadata *_metadata, struct ground *g)
{
	close(g->disk);
	EXPECT_EQ(0, detach(&g->nl, INDEX, true)) TH_LOG("%s", g->nl.text);
	EXPECT_EQ(0, server_logged(&g->s, "VIOLATION"));
	server_stop(&g->s);
	unlink(g->files[0]);
	unlink(g->files[1]);
}

/* A call. Return: 0 or a positive errno */
static inline int ask(struct ground *g, unsigned int context, uint64_t offset, uint64_t length,
		      unsigned int capacity)
{
	g->arg = (struct nbdmap_status){
		.offset = offset,
		.length = length,
		.context = context,
		.capacity = capacity,
		.extents = (uintptr_t)g->list,
	};
	return map_status(g->disk, &g->arg) ? errno : 0;
}

/*
 * What came of a call: extents in the range asked for, each context's in order
 * and without gaps, as far as the call says; each block has its status. The
 * node begins at @base on the disk.
 */
static inline void take(struct __test_metadata *_metadata, struct ground *g, unsigned int base)
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

static inline void same(struct __test_metadata *_metadata, struct ground *g, unsigned int context,
			unsigned int from, unsigned int length)
{
	unsigned int b;

	for (b = from / BLOCK; b < (from + length) / BLOCK; b++)
		ASSERT_EQ(g->model[context][b], g->got[context][b]) TH_LOG("block %u", b);
}

/* All of a range, with an array of this size. Return: how many calls it took */
static inline int walk(struct __test_metadata *_metadata, struct ground *g, unsigned int context,
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

#endif /* UAPI_MAP_H */
