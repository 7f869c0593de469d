// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzer: read coverage against one byte per byte.
 *
 * Input: room for runs, then start and length of each range, a byte each.
 */
#include <assert.h>

#include "cover.h"

#define BYTES	256u

static void check(const struct nbd_cover *c, const u8 *model)
{
	u8 said[BYTES] = {};
	u32 end = c->next, i;

	assert(end <= BYTES && c->nr <= c->cap);
	memset(said, 1, end);
	for (i = 0; i < c->nr; i++) {
		assert(c->runs[i].start > end && c->runs[i].end > c->runs[i].start);
		end = c->runs[i].end;
		assert(end <= BYTES);
		memset(said + c->runs[i].start, 1, end - c->runs[i].start);
	}
	assert(!memcmp(said, model, BYTES));
	assert(nbd_cover_full(c, BYTES) == !memchr(model, 0, BYTES));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct nbd_run runs[16];
	struct nbd_cover c = { .runs = runs };
	u8 model[BYTES] = {};
	u32 start, length;
	size_t i;
	int err;

	if (!size)
		return 0;
	c.cap = data[0] % 17;
	for (i = 1; i + 1 < size; i += 2) {
		start = data[i];
		length = min_t(u32, data[i + 1] + 1u, BYTES - start);
		err = nbd_cover_add(&c, start, length);
		assert((err == -EEXIST) == !!memchr(model + start, 1, length));
		assert(!err || err == -EEXIST || (err == -ENOSPC && c.nr == c.cap));
		if (!err)
			memset(model + start, 1, length);
		check(&c, model);
	}
	return 0;
}
