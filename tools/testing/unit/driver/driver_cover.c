// SPDX-License-Identifier: GPL-2.0-only
/*
 * Read coverage, against a model of one byte per byte: what was answered, what
 * was answered twice, and whether all was. The cases are seeded: a failure tells
 * its number.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cover.h"

#define BYTES	96u
#define CASES	100000u

static u32 random_below(u64 *state, u32 limit)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (*state >> 33) % limit;
}

/* Runs ascend, do not touch, and say of each byte what the model says */
static void check_runs(const struct nbd_cover *c, const u8 *model)
{
	u8 said[BYTES] = {};
	u32 i, end = c->next;

	memset(said, 1, c->next);
	for (i = 0; i < c->nr; i++) {
		assert_true(c->runs[i].start > end);
		assert_true(c->runs[i].end > c->runs[i].start);
		end = c->runs[i].end;
		assert_true(end <= BYTES);
		memset(said + c->runs[i].start, 1, end - c->runs[i].start);
	}
	assert_memory_equal(said, model, BYTES);
}

/* The number of separate ranges that do not begin at 0 */
static u32 count_runs(const u8 *model)
{
	u32 n = 0, i;

	for (i = 1; i < BYTES; i++)
		if (model[i] && !model[i - 1])
			n++;
	return n;
}

static void add_one(struct nbd_cover *c, u8 *model, u64 *state)
{
	u32 start = random_below(state, BYTES);
	u32 length = 1 + random_below(state, random_below(state, 2) ? 4 : BYTES - start);
	u32 want = 0;
	u8 after[BYTES];

	if (length > BYTES - start)
		length = BYTES - start;
	if (memchr(model + start, 1, length))
		want = EEXIST;
	memcpy(after, model, BYTES);
	memset(after + start, 1, length);
	if (!want && count_runs(after) > c->cap)
		want = ENOSPC;
	assert_int_equal(-nbd_cover_add(c, start, length), want);
	if (!want)
		memcpy(model, after, BYTES);
	check_runs(c, model);
	assert_int_equal(nbd_cover_full(c, BYTES), !memchr(model, 0, BYTES));
}

static void like_the_model(void **state)
{
	struct nbd_run runs[12];
	u32 i, k, full = 0;

	for (i = 0; i < CASES; i++) {
		struct nbd_cover c = { .cap = i % 13, .runs = runs };
		u8 model[BYTES] = {};
		u64 seed = i;

		for (k = 0; k < 24; k++)
			add_one(&c, model, &seed);
		/* what is left comes byte by byte, from the end */
		for (k = BYTES; k-- > 0 && c.cap;)
			if (!model[k] && !nbd_cover_add(&c, k, 1))
				model[k] = 1;
		check_runs(&c, model);
		full += nbd_cover_full(&c, BYTES);
	}
	/* the test itself comes to both ends */
	assert_true(full > CASES / 10 && full < CASES);
}

static void in_order(void **state)
{
	struct nbd_cover c = {};

	assert_true(nbd_cover_full(&c, 0));
	assert_false(nbd_cover_full(&c, 1));
	assert_int_equal(nbd_cover_add(&c, 0, 1), 0);
	assert_int_equal(nbd_cover_add(&c, 1, 33554431), 0);
	assert_true(nbd_cover_full(&c, 33554432));
	assert_false(nbd_cover_full(&c, 33554433));
	assert_int_equal(nbd_cover_add(&c, 33554431, 1), -EEXIST);
	assert_int_equal(nbd_cover_add(&c, 0, 33554432), -EEXIST);
}

/* Without room nothing changes, and the same works with room */
static void without_room(void **state)
{
	struct nbd_run runs[2];
	struct nbd_cover c = { .cap = 1, .runs = runs };

	assert_int_equal(nbd_cover_add(&c, 10, 10), 0);
	assert_int_equal(nbd_cover_add(&c, 40, 10), -ENOSPC);
	assert_int_equal(nbd_cover_add(&c, 45, 1), -ENOSPC);
	assert_int_equal(nbd_cover_add(&c, 20, 5), 0);
	assert_int_equal(nbd_cover_add(&c, 5, 5), 0);
	c.cap = 2;
	assert_int_equal(nbd_cover_add(&c, 40, 10), 0);
	assert_int_equal(nbd_cover_add(&c, 25, 15), 0);
	assert_int_equal(c.nr, 1);
	assert_int_equal(nbd_cover_add(&c, 0, 5), 0);
	assert_true(nbd_cover_full(&c, 50));
}

static void forgets(void **state)
{
	struct nbd_run runs[2];
	struct nbd_cover c = { .cap = 2, .runs = runs };

	assert_int_equal(nbd_cover_add(&c, 0, 4), 0);
	assert_int_equal(nbd_cover_add(&c, 8, 4), 0);
	nbd_cover_reset(&c);
	assert_false(nbd_cover_full(&c, 4));
	assert_int_equal(nbd_cover_add(&c, 8, 4), 0);
	assert_int_equal(nbd_cover_add(&c, 0, 8), 0);
	assert_true(nbd_cover_full(&c, 12));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order),
		cmocka_unit_test(without_room),
		cmocka_unit_test(forgets),
		cmocka_unit_test(like_the_model),
	};

	return cmocka_run_group_tests_name("driver cover", tests, NULL, NULL);
}
