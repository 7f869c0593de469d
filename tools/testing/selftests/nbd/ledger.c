// SPDX-License-Identifier: GPL-2.0-only
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>

#include "ledger.h"

#define WORDS	(LEDGER_SECTOR / 8)

/* splitmix64: a finaliser as good as any, and a generator with any seed */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

uint64_t ledger_random(uint64_t *state)
{
	return mix(*state += 0x9e3779b97f4a7c15u);
}

static size_t ledger_size(void)
{
	return sizeof(struct ledger) + LEDGER_ENTRIES * sizeof(struct ledger_entry);
}

static struct ledger *map(const char *path, int flags)
{
	struct ledger *l;
	int fd = open(path, O_RDWR | O_CLOEXEC | flags, 0600);

	if (fd < 0 || ((flags & O_CREAT) && ftruncate(fd, ledger_size())))
		err(2, "%s", path);
	l = mmap(NULL, ledger_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (l == MAP_FAILED)
		err(2, "%s", path);
	close(fd);
	return l;
}

struct ledger *ledger_create(const char *path, uint32_t blocks)
{
	struct ledger *l = map(path, O_CREAT | O_TRUNC);

	l->blocks = blocks;
	return l;
}

struct ledger *ledger_open(const char *path)
{
	return map(path, 0);
}

uint32_t ledger_add(struct ledger *l, const struct ledger_entry *e)
{
	uint32_t at = atomic_fetch_add(&l->next, 1);
	struct ledger_entry *to = &l->entry[at];

	if (at >= LEDGER_ENTRIES)
		errx(2, "the ledger is full");
	to->op = e->op;
	to->block = e->block;
	to->count = e->count;
	to->number = e->number;
	to->error = e->error;
	atomic_store_explicit(&to->event, e->event, memory_order_release);
	return at;
}

static bool makes_zeroes(enum ledger_op op)
{
	return op == LEDGER_ZERO || op == LEDGER_TRIM;
}

void ledger_begun(struct ledger_state *s, enum ledger_op op, uint64_t number)
{
	s->last = number;
	if (makes_zeroes(op))
		s->zero = number;
}

/* A trimmed block may hold what it held before, by "NBD_CMD_TRIM" in the NBD protocol */
void ledger_durable(struct ledger_state *s, enum ledger_op op, uint64_t number)
{
	if (op != LEDGER_TRIM && number > s->floor)
		s->floor = number;
}

/* The words of a sector are the number, the block and the sector, and what follows from these */
static void fill_sector(uint64_t *w, uint32_t block, uint32_t sector, uint64_t number)
{
	uint64_t state;
	unsigned int i;

	w[0] = number;
	w[1] = (uint64_t)block << 32 | sector;
	state = mix(w[0]) ^ w[1];
	for (i = 2; i < WORDS; i++)
		w[i] = ledger_random(&state);
}

void ledger_fill(void *to, uint32_t block, uint64_t number)
{
	uint32_t i;

	for (i = 0; i < LEDGER_BLOCK / LEDGER_SECTOR; i++)
		fill_sector((uint64_t *)to + i * WORDS, block, i, number);
}

const char *ledger_judge(const struct ledger_state *s, uint32_t block, const void *content)
{
	static _Thread_local char text[200];
	const uint64_t *w = content;
	uint64_t want[LEDGER_BLOCK / 8];
	const char *what;

	if (!w[0] && !memcmp(content, (const char *)content + 8, LEDGER_BLOCK - 8)) {
		if (s->zero >= s->floor)
			return NULL;
		what = "zeroes";
	} else {
		what = "write";
		ledger_fill(want, block, w[0]);
		if (memcmp(want, content, LEDGER_BLOCK))
			what = "no whole write, but begins like";
		else if (s->floor <= w[0] && w[0] <= s->last)
			return NULL;
	}
	snprintf(text, sizeof(text), "block %u: %s %llu (word 1 is %#llx), may be %llu to %llu%s",
		 block, what, (unsigned long long)w[0], (unsigned long long)w[1],
		 (unsigned long long)s->floor, (unsigned long long)s->last,
		 s->zero >= s->floor ? " or zeroes" : "");
	return text;
}
