// SPDX-License-Identifier: GPL-2.0-only
/*
 * Layouts: what a metadata context says about each byte of the export. A layout is a function of
 * the offset (and the seed), so that every query sees the same map, however it is cut.
 */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"

#define CELL		(64 * KiB)	/* LAYOUT_RANDOM is made cell by cell */
#define CELL_PIECES	8

static void load_extents(struct context *ctx, const char *path)
{
	FILE *f = fopen(path, "r");
	struct extent e;

	if (!f)
		err(1, "%s", path);
	while (fscanf(f, "%" SCNu64 " %" SCNu64 " %" SCNi32, &e.offset, &e.length,
		      (int32_t *)&e.status) == 3) {
		ctx->extents = realloc(ctx->extents, (ctx->nr_extents + 1) * sizeof(e));
		if (!ctx->extents)
			err(1, "extents");
		ctx->extents[ctx->nr_extents++] = e;
	}
	fclose(f);
}

bool layout_parse(struct context *ctx, const char *text)
{
	if (!strcmp(text, "data")) {
		ctx->layout = LAYOUT_DATA;
	} else if (!strcmp(text, "random")) {
		ctx->layout = LAYOUT_RANDOM;
	} else if (!strncmp(text, "alternate:", 10)) {
		ctx->layout = LAYOUT_ALTERNATE;
		ctx->arg = strtoull(text + 10, NULL, 0);
		return ctx->arg > 0;
	} else if (!strncmp(text, "const:", 6)) {
		ctx->layout = LAYOUT_CONST;
		ctx->arg = strtoull(text + 6, NULL, 0);
	} else if (!strncmp(text, "file:", 5)) {
		ctx->layout = LAYOUT_FILE;
		load_extents(ctx, text + 5);
	} else {
		return false;
	}
	return true;
}

/* Values that make sense in the context: the four combinations, a bit, a depth, or anything. */
static uint32_t random_status(const struct context *ctx, uint64_t hash)
{
	if (!strncmp(ctx->name, "base:", 5) || !strcmp(ctx->name, "qemu:allocation-depth"))
		return hash & 3;
	if (!strncmp(ctx->name, "qemu:dirty-bitmap:", 18))
		return hash & 1;
	return hash;
}

static uint64_t name_hash(const char *s)
{
	uint64_t h = opt.seed;

	while (*s)
		h = hash64(h ^ (uint8_t)*s++);
	return h;
}

/*
 * Each cell is cut at up to seven places; one cell in four begins with pieces of a single byte.
 * Cuts are in ascending order, so the piece around the offset is found by walking.
 */
static uint32_t random_at(const struct context *ctx, uint64_t offset, uint64_t *length)
{
	uint64_t state = name_hash(ctx->name) ^ hash64(offset / CELL);
	uint64_t in_cell = offset % CELL, cut = 0, next = 0;
	bool tiny = random_below(&state, 4) == 0;
	unsigned int piece;

	for (piece = 0; piece < CELL_PIECES; piece++) {
		if (piece == CELL_PIECES - 1)
			next = CELL;
		else if (tiny && piece < CELL_PIECES - 3)
			next = cut + 1;
		else
			next = cut + 1 + random_below(&state, (CELL - cut) / 2);
		if (in_cell < next)
			break;
		cut = next;
	}
	*length = next - in_cell;
	return random_status(ctx, hash64(state ^ piece));
}

static uint32_t alternate_at(const struct context *ctx, uint64_t offset, uint64_t *length)
{
	uint64_t piece = offset / ctx->arg;

	*length = (piece + 1) * ctx->arg - offset;
	if (!strncmp(ctx->name, "base:", 5))
		return piece & 1 ? NBD_STATE_HOLE | NBD_STATE_ZERO : 0;
	return piece & 1;
}

/* The file holds ascending extents; what lies between them has status 0. */
static uint32_t file_at(const struct context *ctx, uint64_t offset, uint64_t end, uint64_t *length)
{
	*length = end - offset;
	for (size_t i = 0; i < ctx->nr_extents; i++) {
		const struct extent *e = &ctx->extents[i];

		if (offset < e->offset) {
			*length = e->offset - offset;
			return 0;
		}
		if (offset - e->offset < e->length) {
			*length = e->offset + e->length - offset;
			return e->status;
		}
	}
	return 0;
}

/* Status of the byte at offset, and how many bytes from there (not past end) share it. */
uint32_t layout_at(const struct context *ctx, uint64_t offset, uint64_t end, uint64_t *length)
{
	uint32_t status = 0;

	switch (ctx->layout) {
	case LAYOUT_DATA:
		status = store_status(offset, end, length);
		break;
	case LAYOUT_RANDOM:
		status = random_at(ctx, offset, length);
		break;
	case LAYOUT_ALTERNATE:
		status = alternate_at(ctx, offset, length);
		break;
	case LAYOUT_CONST:
		status = ctx->arg;
		*length = end - offset;
		break;
	case LAYOUT_FILE:
		status = file_at(ctx, offset, end, length);
		break;
	}
	if (*length > end - offset)
		*length = end - offset;
	return status;
}
