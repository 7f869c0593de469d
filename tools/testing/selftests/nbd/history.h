/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A history of reads and writes of one sector, and whether a disk may have done that: each sector
 * is an atomic register, no matter which task reads and writes it, by whatever connection and
 * however often a request was sent. Unlike a ledger (ledger.h) it knows nothing of durability, but
 * any number of writers may share a sector.
 */
#ifndef HISTORY_H
#define HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTORY_NEVER	UINT64_MAX

/**
 * struct history_op - a read or a write
 * @begin: when it was submitted, by a clock that gives no time twice
 * @end: when it was answered; HISTORY_NEVER for a write that failed or was not answered, as it may
 *	have been carried out or may yet be
 * @value: what was read or written; no two writes have the same, and 0 is what the sector held at
 *	the beginning
 * @sector: which one
 * @is_write: a write
 */
struct history_op {
	uint64_t begin;
	uint64_t end;
	uint64_t value;
	uint32_t sector;
	bool is_write;
};

/**
 * history_judge() - find out whether some order of the operations explains all that was read
 * @ops: of any number of sectors; sorted by the call
 * @count: of them
 * @why: for the explanation
 * @size: of @why in bytes
 *
 * A read takes effect at one moment between its begin and its end, and returns what the last write
 * before it wrote. A write takes effect at one moment or more: it is sent again if its connection
 * dies, and the server may have carried it out already. One that was never answered may take effect
 * at any later moment, or not at all.
 *
 * Return: true if there is such an order for each sector.
 */
bool history_judge(struct history_op *ops, size_t count, char *why, size_t size);

#endif /* HISTORY_H */
