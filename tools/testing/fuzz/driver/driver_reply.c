// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzer: a server says anything to the receiver. Content stays inside of its
 * request and comes once, a read ends well only if all of it came (driver_rig.h
 * asserts it), and what a stream means does not depend on how it is cut.
 *
 * Input: flags (bit 0: structured replies), size of the pieces, the stream.
 */
#include "../../unit/driver/driver_rig.h"

static void ask(struct rig *rig, bool structured)
{
	static const struct nbd_req reqs[RIG_CMDS] = {
		{ .offset = 4096, .length = 64, .type = NBD_CMD_READ },
		{ .offset = 0, .length = 4096, .type = NBD_CMD_READ, .flags = NBD_CMD_FLAG_DF },
		{ .offset = U64_MAX - 63, .length = 63, .type = NBD_CMD_READ },
		{ .offset = 512, .length = 512, .type = NBD_CMD_WRITE, .flags = NBD_CMD_FLAG_FUA },
		{ .type = NBD_CMD_FLUSH },
		{ .offset = 65536, .length = 65536, .type = NBD_CMD_BLOCK_STATUS },
		{ .offset = 0, .length = 512, .type = NBD_CMD_BLOCK_STATUS,
		  .flags = NBD_CMD_FLAG_REQ_ONE },
		{ .offset = 1ull << 40, .length = 65536, .type = NBD_CMD_WRITE_ZEROES },
	};
	u32 i;

	rig_init(rig, structured);
	for (i = 0; i < RIG_CMDS; i++)
		rig_ask(rig, i, reqs[i]);
}

static void check_extents(const struct rig_cmd *cmd)
{
	const struct nbd_extents *e;
	u64 sum;
	u32 i, k;

	for (i = 0; i < RIG_CONTEXTS; i++) {
		e = &cmd->ext[i];
		assert(e->nr <= e->cap && e->covered <= cmd->req.length);
		for (sum = 0, k = 0; k < e->nr; k++) {
			assert(e->list[k].length);
			assert(!(e->list[k].status & ~e->mask));
			sum += e->list[k].length;
		}
		assert(sum == e->covered);
	}
}

static void feed(struct rig *rig, const u8 *buf, size_t len, size_t piece)
{
	size_t n;
	u32 i;

	while (len) {
		n = len < piece ? len : piece;
		if (!rig_feed(rig, buf, n)) {
			rig_say(rig, "broken: %s", rig->r.broken);
			break;
		}
		buf += n;
		len -= n;
	}
	for (i = 0; i < RIG_CMDS; i++)
		check_extents(&rig->cmds[i]);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct rig whole, cut;

	if (size < 2)
		return 0;
	ask(&whole, data[0] & 1);
	ask(&cut, data[0] & 1);
	feed(&whole, data + 2, size - 2, size);
	feed(&cut, data + 2, size - 2, data[1] + 1u);
	assert(!strcmp(whole.log, cut.log));
	rig_free(&whole);
	rig_free(&cut);
	return 0;
}
