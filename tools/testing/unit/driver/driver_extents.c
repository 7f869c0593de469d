// SPDX-License-Identifier: GPL-2.0-only
/*
 * The extents parser: each rule of "NBD_REPLY_TYPE_BLOCK_STATUS" in the NBD
 * protocol, and what it makes of descriptors that keep them, against a model.
 * Each chunk is fed in all pieces.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "extents.h"

#define MAX	16u

struct pair {
	u32 length;
	u32 status;
};

/* Feed descriptors in pieces of @piece bytes */
static void feed(struct nbd_extents *e, const struct pair *in, u32 n, u32 piece)
{
	u8 bytes[64 * sizeof(struct nbd_wire_descriptor)];
	u32 i, at;

	for (i = 0; i < n; i++) {
		__be32 wire[2] = { cpu_to_be32(in[i].length), cpu_to_be32(in[i].status) };

		memcpy(bytes + i * sizeof(wire), wire, sizeof(wire));
	}
	for (at = 0; at < n * 8; at += piece)
		nbd_extents_feed(e, bytes + at, min_t(u32, piece, n * 8 - at));
}

/*
 * CHECK(length, cap, flags, descriptors, covered, extents): what a chunk
 * comes to, however it is cut
 */
#define LIST(...)	{ __VA_ARGS__ }
#define CHECK(len, room, single, in, want_covered, out) do {			\
	const struct pair given[] = in, want[] = out;				\
	check(len, room, single, given, sizeof(given) / sizeof(given[0]),	\
	      want_covered, want, sizeof(want) / sizeof(want[0]));		\
} while (0)

static void check(u64 length, u32 cap, bool one, const struct pair *in, u32 n, u64 covered,
		  const struct pair *want, u32 nr)
{
	struct nbd_extent list[MAX];
	struct nbd_extents e = { .mask = U64_MAX, .cap = cap, .one = one, .list = list };
	u32 piece, i;

	for (piece = 1; piece <= n * 8; piece++) {
		nbd_extents_reset(&e, length);
		feed(&e, in, n, piece);
		assert_int_equal(e.covered, covered);
		assert_int_equal(e.nr, nr);
		for (i = 0; i < nr; i++) {
			assert_int_equal(list[i].length, want[i].length);
			assert_int_equal(list[i].status, want[i].status);
		}
	}
}

static void keeps(void **state)
{
	CHECK(100, 4, false, LIST({ 100, 3 }), 100, LIST({ 100, 3 }));
	CHECK(100, 4, false, LIST({ 40, 0 }, { 60, 1 }), 100, LIST({ 40, 0 }, { 60, 1 }));
	/* less than was asked for is allowed */
	CHECK(100, 4, false, LIST({ 40, 0 }), 40, LIST({ 40, 0 }));
	/* all 32 bits are the server's, zeroes too */
	CHECK(9, 4, false, LIST({ 1, 0xffffffff }, { 8, 0 }), 9,
	      LIST({ 1, 0xffffffff }, { 8, 0 }));
}

static void joins(void **state)
{
	CHECK(100, 4, false, LIST({ 40, 1 }, { 50, 1 }, { 10, 0 }), 100,
	      LIST({ 90, 1 }, { 10, 0 }));
	CHECK(3, 1, false, LIST({ 1, 1 }, { 1, 1 }, { 1, 1 }), 3, LIST({ 3, 1 }));
}

static void cuts_off(void **state)
{
	CHECK(100, 4, false, LIST({ 40, 1 }, { 0xffffffff, 2 }), 100,
	      LIST({ 40, 1 }, { 60, 2 }));
	CHECK(100, 4, false, LIST({ 101, 1 }), 100, LIST({ 100, 1 }));
	CHECK(0xffffffff, 4, false, LIST({ 0xffffffff, 1 }), 0xffffffff,
	      LIST({ 0xffffffff, 1 }));
}

/* What servers send beyond what they may */
static void passes_over(void **state)
{
	CHECK(100, 4, false, LIST({ 0, 1 }, { 100, 2 }), 100, LIST({ 100, 2 }));
	CHECK(100, 4, false, LIST({ 40, 1 }, { 0, 2 }, { 60, 1 }), 100, LIST({ 100, 1 }));
	CHECK(100, 4, false, LIST({ 40, 1 }, { 0, 2 }), 40, LIST({ 40, 1 }));
	CHECK(100, 4, true, LIST({ 0, 1 }, { 40, 2 }, { 0, 1 }), 40, LIST({ 40, 2 }));
	/* nbdkit's filter cow */
	CHECK(4096, 4, false, LIST({ 4096, 0 }, { 40960, 3 }), 4096, LIST({ 4096, 0 }));
	CHECK(100, 4, false, LIST({ 200, 1 }, { 1, 2 }, { 0, 3 }), 100, LIST({ 100, 1 }));
	CHECK(100, 4, false, LIST({ 100, 1 }, { 0xffffffff, 1 }), 100, LIST({ 100, 1 }));
	/* also when what came before found no room */
	CHECK(100, 1, false, LIST({ 50, 1 }, { 50, 2 }, { 1, 1 }), 50, LIST({ 50, 1 }));
}

/* Which is no progress, so the caller gives up after some time */
static void says_nothing(void **state)
{
	static const struct pair none[] = { { 0, 1 }, { 0, 3 } };

	check(100, 4, false, none, 2, 0, NULL, 0);
	check(100, 4, true, none, 2, 0, NULL, 0);
}

static void has_no_room(void **state)
{
	CHECK(100, 2, false, LIST({ 10, 1 }, { 10, 2 }, { 10, 3 }, { 70, 2 }), 20,
	      LIST({ 10, 1 }, { 10, 2 }));
	/* after a gap nothing may be joined to what is before it */
	CHECK(100, 2, false, LIST({ 10, 1 }, { 10, 2 }, { 10, 3 }, { 10, 2 }, { 60, 1 }), 20,
	      LIST({ 10, 1 }, { 10, 2 }));
	CHECK(100, 1, false, LIST({ 10, 1 }, { 90, 1 }), 100, LIST({ 100, 1 }));
}

static void takes_one(void **state)
{
	CHECK(100, 4, true, LIST({ 40, 1 }), 40, LIST({ 40, 1 }));
	CHECK(100, 4, true, LIST({ 500, 1 }), 100, LIST({ 100, 1 }));
	CHECK(100, 4, true, LIST({ 40, 1 }, { 60, 2 }, { 700, 3 }), 40, LIST({ 40, 1 }));
}

static void masks(void **state)
{
	struct nbd_extent list[MAX];
	struct nbd_extents e = { .cap = MAX, .list = list };
	const struct pair in[] = { { 10, 0xfffffffc }, { 10, 4 }, { 10, 0xff }, { 70, 2 } };

	assert_int_equal(nbd_context_mask("base:allocation"), 3);
	assert_true(nbd_context_mask("qemu:dirty-bitmap:base:allocation") == U64_MAX);
	assert_true(nbd_context_mask("base") == U64_MAX);
	assert_true(nbd_context_mask("") == U64_MAX);
	e.mask = nbd_context_mask("base:allocation");
	nbd_extents_reset(&e, 100);
	feed(&e, in, 4, 3);
	/* extents that differ only in bits without a meaning are one */
	assert_int_equal(e.nr, 3);
	assert_int_equal(list[0].length, 20);
	assert_int_equal(list[0].status, 0);
	assert_int_equal(list[1].status, 3);
	assert_int_equal(list[2].status, 2);
}

static void starts_again(void **state)
{
	struct nbd_extent list[2];
	struct nbd_extents e = { .mask = U64_MAX, .cap = 2, .list = list };
	const struct pair in = { 10, 1 };

	nbd_extents_reset(&e, 10);
	e.seen = true;
	/* a connection died within a descriptor */
	nbd_extents_feed(&e, "\0\0\0", 3);
	nbd_extents_reset(&e, 10);
	assert_false(e.seen);
	feed(&e, &in, 1, 8);
	assert_int_equal(e.nr, 1);
	assert_int_equal(e.covered, 10);
}

static u32 random_below(u64 *state, u32 limit)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (*state >> 33) % limit;
}

/* Descriptors at random: each byte has the status that the server gave it */
static void like_the_model(void **state)
{
	struct nbd_extent list[MAX];
	struct pair in[40];
	u32 i, n, k, b;

	for (i = 0; i < 20000; i++) {
		u64 seed = i, length = 1 + random_below(&seed, 200), at = 0, said = 0;
		struct nbd_extents e = { .mask = U64_MAX, .cap = 1 + i % MAX, .list = list };
		u8 model[256];

		for (n = 0; n < 40 && at < length; n++) {
			in[n].length = 1 + random_below(&seed, 20);
			in[n].status = random_below(&seed, 3);
			for (b = 0; b < in[n].length && at < length; b++)
				model[at++] = in[n].status;
		}
		nbd_extents_reset(&e, length);
		feed(&e, in, n, 1 + random_below(&seed, 17));
		assert_true(e.covered <= at && e.nr <= e.cap);
		assert_true(e.covered == at || e.nr == e.cap);
		for (k = 0; k < e.nr; k++) {
			assert_true(!k || list[k].status != list[k - 1].status);
			for (b = 0; b < list[k].length; b++)
				assert_int_equal(list[k].status, model[said++]);
		}
		assert_int_equal(said, e.covered);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps),
		cmocka_unit_test(joins),
		cmocka_unit_test(cuts_off),
		cmocka_unit_test(passes_over),
		cmocka_unit_test(says_nothing),
		cmocka_unit_test(has_no_room),
		cmocka_unit_test(takes_one),
		cmocka_unit_test(masks),
		cmocka_unit_test(starts_again),
		cmocka_unit_test(like_the_model),
	};

	return cmocka_run_group_tests_name("driver extents", tests, NULL, NULL);
}
