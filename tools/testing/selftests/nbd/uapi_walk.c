// SPDX-License-Identifier: GPL-2.0-only
/*
 * Block status of a disk that takes many requests: whatever is asked ahead,
 * however short the answers and small the array, the calls joined tell the
 * server's layout, all of it and once.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <linux/nbdmap.h>

#include "kselftest_harness.h"
#include "uapi.h"

#define INDEX		7
#define SIZE		(8ull << 30)
#define NAMES		2
#define RUNS		150
#define MAX		4096

/* One context's extents, in order, neighbours of equal status joined */
struct map {
	unsigned int nr;
	struct nbdmap_extent list[4 * RUNS];
};

FIXTURE(walk)
{
	struct nl nl;
	struct msg m;
	struct server s;
	struct export x;
	char files[NAMES][64];
	struct map want[NAMES], got[NAMES];
	struct nbdmap_extent list[MAX];
	int disk;
};

FIXTURE_VARIANT(walk)
{
	const char *answers;
};

FIXTURE_VARIANT_ADD(walk, plain) { NULL };
FIXTURE_VARIANT_ADD(walk, different_lengths) { "short,differ" };
FIXTURE_VARIANT_ADD(walk, overshooting) { "overshoot,shuffle" };

static void add(struct map *map, uint64_t offset, uint64_t length, uint64_t status)
{
	struct nbdmap_extent *last = &map->list[map->nr - 1];

	if (map->nr && last->status == status && last->offset + last->length == offset)
		last->length += length;
	else
		map->list[map->nr++] = (struct nbdmap_extent){
			.offset = offset, .length = length, .status = status,
		};
}

/* Some runs that touch, most far from each other, one of gigabytes */
static void lay_out(struct map *map, char *path, unsigned int c)
{
	uint64_t at = 0, gap, length, status;
	unsigned int i;
	FILE *f;

	sprintf(path, "/tmp/uapi-%d-layout-%u", getpid(), c);
	f = fopen(path, "w");
	for (i = 0; i < RUNS; i++) {
		gap = rand() % 3 ? (rand() % (SIZE / RUNS / 512)) * 512 : 0;
		length = i == 50 ? 3ull << 29 : (1 + rand() % 1000) * 512ull;
		status = 1 + rand() % 3;
		if (at + gap + length > SIZE)
			break;
		if (gap)
			add(map, at, gap, 0);
		at += gap;
		add(map, at, length, status);
		fprintf(f, "%llu %llu %llu\n", (unsigned long long)at, (unsigned long long)length,
			(unsigned long long)status);
		at += length;
	}
	if (at < SIZE)
		add(map, at, SIZE - at, 0);
	fclose(f);
}

FIXTURE_SETUP(walk)
{
	char contexts[NAMES][128];
	int fd;

	srand(1);
	nl_open(&self->nl);
	detach(&self->nl, INDEX, true);
	self->x.nr = NAMES;
	strcpy(self->x.names[0], "base:allocation");
	strcpy(self->x.names[1], "test:b");
	lay_out(&self->want[0], self->files[0], 0);
	lay_out(&self->want[1], self->files[1], 1);
	sprintf(contexts[0], "base:allocation=file:%s", self->files[0]);
	sprintf(contexts[1], "test:b=file:%s", self->files[1]);
	server_start(&self->s, "--size", "8G", "--fill", "zero", "--context", contexts[0],
		     "--context", contexts[1], variant->answers ? "--status" : NULL,
		     variant->answers, NULL);
	fd = server_connect(&self->s, &self->x);
	msg_begin(&self->nl, &self->m, NBDCTL_CMD_ATTACH);
	put_facts(&self->m, &self->x, INDEX, 0);
	put_slot(&self->m, 0, fd, &self->x);
	ASSERT_EQ(0, nl_call(&self->nl, &self->m)) TH_LOG("%s", self->nl.text);
	close(fd);
	self->disk = open_disk(INDEX, O_RDONLY);
	ASSERT_GE(self->disk, 0);
}

FIXTURE_TEARDOWN(walk)
{
	close(self->disk);
	EXPECT_EQ(0, detach(&self->nl, INDEX, true)) TH_LOG("%s", self->nl.text);
	EXPECT_EQ(0, server_logged(&self->s, "VIOLATION"));
	server_stop(&self->s);
	unlink(self->files[0]);
	unlink(self->files[1]);
}

/* All that a walk with arrays of this size returns of [from, end), in self->got */
static void walk(struct __test_metadata *_metadata, FIXTURE_DATA(walk) *self, unsigned int context,
		 uint64_t from, uint64_t end, unsigned int capacity)
{
	const struct nbdmap_extent *e;
	struct nbdmap_status arg;
	unsigned int i;

	memset(self->got, 0, sizeof(self->got));
	while (from < end) {
		arg = (struct nbdmap_status){
			.offset = from, .length = end - from, .context = context,
			.capacity = capacity, .extents = (uintptr_t)self->list,
		};
		ASSERT_EQ(0, map_status(self->disk, &arg)) TH_LOG("%d", errno);
		ASSERT_GT(arg.covered, 0u);
		ASSERT_LE(arg.covered, end - from);
		ASSERT_LE(arg.count, capacity);
		for (i = 0; i < arg.count; i++) {
			e = &self->list[i];
			ASSERT_LT(e->context, (unsigned int)NAMES);
			ASSERT_GE(e->offset, from);
			ASSERT_LE(e->offset + e->length, from + arg.covered);
			ASSERT_LT(self->got[e->context].nr, 4u * RUNS);
			add(&self->got[e->context], e->offset, e->length, e->status);
		}
		from += arg.covered;
	}
}

static void same(struct __test_metadata *_metadata, FIXTURE_DATA(walk) *self, unsigned int c,
		 uint64_t from, uint64_t end)
{
	const struct map *got = &self->got[c];
	const struct nbdmap_extent *want;
	unsigned int i, n = 0;
	uint64_t a, z;

	for (i = 0; i < self->want[c].nr; i++) {
		want = &self->want[c].list[i];
		a = want->offset > from ? want->offset : from;
		z = want->offset + want->length < end ? want->offset + want->length : end;
		if (a >= z)
			continue;
		ASSERT_LT(n, got->nr);
		ASSERT_EQ(a, got->list[n].offset) TH_LOG("extent %u", n);
		ASSERT_EQ(z - a, got->list[n].length) TH_LOG("extent %u", n);
		ASSERT_EQ(want->status, got->list[n].status) TH_LOG("extent %u", n);
		n++;
	}
	ASSERT_EQ(n, got->nr);
}

TEST_F_TIMEOUT(walk, all_of_it, 240)
{
	static const unsigned int capacities[] = { MAX, 300, 64, 10, 3, 2 };
	static const struct {
		uint64_t from, end;
	} ranges[] = {
		{ 0, SIZE }, { 512, SIZE - 512 }, { (3ull << 30) - 512, (5ull << 30) + 512 },
	};
	unsigned int c, i, r;

	for (r = 0; r < ARRAY_SIZE(ranges); r++) {
		uint64_t from = ranges[r].from, end = ranges[r].end;

		for (i = 0; i < ARRAY_SIZE(capacities); i++) {
			walk(_metadata, self, NBDMAP_ALL, from, end, capacities[i]);
			for (c = 0; c < NAMES; c++)
				same(_metadata, self, c, from, end);
		}
		for (c = 0; c < NAMES; c++) {
			walk(_metadata, self, c, from, end, 1 + 99 * r);
			same(_metadata, self, c, from, end);
			same(_metadata, self, !c, 0, 0);
		}
	}
}

TEST_HARNESS_MAIN
