/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a disk was told and what it acknowledged, in the order of events, in a
 * file that its writer and its checkers share; and what a block may therefore
 * hold. ledger_write.c makes one, ledger_check.c holds the server's image
 * against it.
 *
 * Each write has a number, and what it writes says which block and which write
 * it is, in each sector. Each block is written by one thread only, so for one
 * block the numbers rise.
 */
#ifndef LEDGER_H
#define LEDGER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEDGER_BLOCK	4096u
#define LEDGER_SECTOR	512u
#define LEDGER_ENTRIES	(8u << 20)

enum ledger_op { LEDGER_READ, LEDGER_WRITE, LEDGER_FUA, LEDGER_ZERO, LEDGER_TRIM, LEDGER_FLUSH };

enum ledger_event {
	LEDGER_NONE,		/* not yet written */
	LEDGER_START,
	LEDGER_DONE,
	LEDGER_MARK,		/* the server was started again */
};

struct ledger_entry {
	_Atomic uint32_t event;	/* comes last */
	uint32_t op;
	uint32_t block;
	uint32_t count;
	uint64_t number;	/* of a flush: index of its START */
	int32_t error;
	uint32_t reserved;
};

/**
 * struct ledger - head of the file
 * @next: entries in use
 * @blocks: blocks of the disk
 * @entry: the entries
 */
struct ledger {
	_Atomic uint32_t next;
	uint32_t blocks;
	struct ledger_entry entry[];
};

/* Make the file, or map the one that is there; ends the program if it can't */
struct ledger *ledger_create(const char *path, uint32_t blocks);
struct ledger *ledger_open(const char *path);
/* Return: the index of the entry */
uint32_t ledger_add(struct ledger *l, const struct ledger_entry *e);

/**
 * struct ledger_state - what a block may hold
 * @floor: no write before this one
 * @last: no write after this one
 * @zero: the last that made zeroes of it, or might have; 0 is how it began
 */
struct ledger_state {
	uint64_t floor;
	uint64_t last;
	uint64_t zero;
};

/* A write begins; from now on its content may be there */
void ledger_begun(struct ledger_state *s, enum ledger_op op, uint64_t number);
/* A write is there for good; what was before it is not */
void ledger_durable(struct ledger_state *s, enum ledger_op op, uint64_t number);
void ledger_fill(void *to, uint32_t block, uint64_t number);
/* Return: NULL if the block may hold that, else what is wrong, till the next call */
const char *ledger_judge(const struct ledger_state *s, uint32_t block, const void *content);

uint64_t ledger_random(uint64_t *state);

#endif /* LEDGER_H */
