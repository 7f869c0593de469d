// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzer: descriptors of any kind. The extents lie in the request, hold what
 * the server said, fit in the room there is, and do not depend on how the bytes
 * were cut.
 *
 * Input: flags (bit 0: one extent, bit 1: base:), room, size of the pieces,
 * length of the request (4 bytes), descriptors.
 */
#include <assert.h>

#include "extents.h"

#define HEAD	7u

static void feed(struct nbd_extents *e, const u8 *buf, size_t len, size_t piece)
{
	size_t n;

	while (len) {
		n = len < piece ? len : piece;
		nbd_extents_feed(e, buf, n);
		buf += n;
		len -= n;
	}
}

/* Each byte of the extents has the status that the server gave it */
static void check(const struct nbd_extents *e, const u8 *wire, size_t len)
{
	u64 sum = 0, at = 0, end = 0;
	u32 i, pair[2];

	assert(e->nr <= e->cap && e->covered <= e->length);
	for (i = 0; i < e->nr; i++) {
		assert(e->list[i].length);
		assert(!i || e->list[i].status != e->list[i - 1].status);
		sum += e->list[i].length;
	}
	assert(sum == e->covered);
	for (i = 0, sum = 0; at < e->covered && len >= 8; wire += 8, len -= 8) {
		memcpy(pair, wire, sizeof(pair));
		end = at + be32_to_cpu(pair[0]);
		if (end == at)
			continue;
		while (sum + e->list[i].length <= at)
			sum += e->list[i++].length;
		assert(e->list[i].status == (be32_to_cpu(pair[1]) & e->mask));
		assert(end >= e->covered || sum + e->list[i].length >= end);
		at = end;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct nbd_extent lists[2][16] = {};
	struct nbd_extents e[2];
	u32 i, length;

	if (size < HEAD)
		return 0;
	memcpy(&length, data + 3, sizeof(length));
	for (i = 0; i < 2; i++) {
		e[i] = (struct nbd_extents){
			.one = data[0] & 1,
			.mask = data[0] & 2 ? nbd_context_mask("base:allocation") : U64_MAX,
			.cap = 1 + data[1] % 16,
			.list = lists[i],
		};
		nbd_extents_reset(&e[i], length);
		feed(&e[i], data + HEAD, size - HEAD, i ? data[2] + 1u : size);
		check(&e[i], data + HEAD, size - HEAD);
	}
	assert(e[0].nr == e[1].nr && e[0].covered == e[1].covered);
	assert(!memcmp(lists[0], lists[1], sizeof(lists[0])));
	return 0;
}
