// SPDX-License-Identifier: GPL-2.0-only
/* Whether requests are held back until more have come, and what is learned from that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "hold.h"

/* How many of @n requests are sent at once, each while nothing is held back? */
static u32 sent_at_once(struct nbd_hold *h, u32 n, u32 inflight)
{
	u32 sent = 0;

	while (n--)
		sent += !nbd_hold_more(h, 1, inflight);
	return sent;
}

static void holds_a_batch(void **state)
{
	struct nbd_hold h = {};
	u32 queued;

	for (queued = 1; queued <= NBD_HOLD_MOST; queued++)
		assert_true(nbd_hold_more(&h, queued, 0));
	assert_false(nbd_hold_more(&h, queued, 0));
	/* and the next */
	assert_true(nbd_hold_more(&h, 1, queued));
}

/* However many are held back: a task that polls waits for us */
static void idle_server_is_a_miss(void **state)
{
	u32 queued;

	for (queued = 1; queued <= NBD_HOLD_MOST; queued++) {
		struct nbd_hold h = {};

		nbd_hold_expired(&h, queued, 0);
		assert_false(nbd_hold_more(&h, 1, 0));
	}
}

static void few_are_a_miss(void **state)
{
	u32 queued, inflight;

	for (queued = 1; queued < NBD_HOLD_MOST; queued++) {
		for (inflight = 1; inflight < 2 * NBD_HOLD_BUSY; inflight++) {
			bool miss = queued < NBD_HOLD_WORTH && inflight < NBD_HOLD_BUSY;
			struct nbd_hold h = {};

			nbd_hold_expired(&h, queued, inflight);
			assert_int_equal(nbd_hold_more(&h, 1, 0), !miss);
		}
	}
}

/* So a task that polls is held back less and less often, and for a short time mostly */
static void misses_pause(void **state)
{
	struct nbd_hold h = {};
	u32 pause = NBD_HOLD_PAUSE, i, usual = 0;

	for (i = 0; i < 1000; i++) {
		if (i > NBD_HOLD_DOUBLINGS)
			usual += nbd_hold_ns(&h) != NBD_HOLD_NS_SHORT;
		else
			assert_int_equal(nbd_hold_ns(&h), NBD_HOLD_NS_LEAST);
		nbd_hold_expired(&h, 8, 0);
		assert_int_equal(sent_at_once(&h, pause, NBD_HOLD_BUSY - 1), pause);
		assert_true(nbd_hold_more(&h, 1, 0));
		if (i < NBD_HOLD_DOUBLINGS)
			pause *= 2;
	}
	assert_int_equal(pause, 256);
	assert_in_range(usual, 1000 / NBD_HOLD_USUAL - 1, 1000 / NBD_HOLD_USUAL + 1);
}

static void busy_server_ends_a_pause(void **state)
{
	struct nbd_hold h = {};

	nbd_hold_expired(&h, 1, 0);
	assert_false(nbd_hold_more(&h, 1, NBD_HOLD_BUSY - 1));
	assert_true(nbd_hold_more(&h, 1, NBD_HOLD_BUSY));
	/* only while it is busy */
	assert_false(nbd_hold_more(&h, 2, 0));
}

/* What was learned from misses is forgotten at once */
static void batch_pays_off(void **state)
{
	struct nbd_hold h = {};
	u32 i;

	for (i = 0; i <= NBD_HOLD_DOUBLINGS; i++)
		nbd_hold_expired(&h, 1, 0);
	assert_int_equal(nbd_hold_ns(&h), NBD_HOLD_NS_SHORT);
	sent_at_once(&h, 256, 0);
	assert_false(nbd_hold_more(&h, NBD_HOLD_MOST + 1, 0));
	assert_int_equal(nbd_hold_ns(&h), NBD_HOLD_NS_LEAST);
	nbd_hold_expired(&h, 1, 0);
	assert_int_equal(sent_at_once(&h, 256, 0), NBD_HOLD_PAUSE);
}

/* A slow host needs longer for the next request; no single send counts for much */
static void as_long_as_sends(void **state)
{
	struct nbd_hold h = {};
	u32 i;

	nbd_hold_sent(&h, U64_MAX);
	assert_in_range(h.send_ns, 1, NBD_HOLD_NS_MOST / 8);
	for (i = 0; i < 100; i++)
		nbd_hold_sent(&h, 1000);
	assert_int_equal(nbd_hold_ns(&h), NBD_HOLD_NS_LEAST);
	for (i = 0; i < 100; i++)
		nbd_hold_sent(&h, 20000);
	assert_in_range(nbd_hold_ns(&h), 95000, 100000);
	for (i = 0; i < 100; i++)
		nbd_hold_sent(&h, U64_MAX);
	assert_int_equal(nbd_hold_ns(&h), NBD_HOLD_NS_MOST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_a_batch),
		cmocka_unit_test(idle_server_is_a_miss),
		cmocka_unit_test(few_are_a_miss),
		cmocka_unit_test(misses_pause),
		cmocka_unit_test(busy_server_ends_a_pause),
		cmocka_unit_test(batch_pays_off),
		cmocka_unit_test(as_long_as_sends),
	};

	return cmocka_run_group_tests_name("driver hold", tests, NULL, NULL);
}
