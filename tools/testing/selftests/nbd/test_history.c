// SPDX-License-Identifier: GPL-2.0-only
/* The judge of histories says yes to what a disk may do, and no to what it may not. */
#include <string.h>

#include "kselftest_harness.h"

#include "history.h"

#define W(b, e, v)	{ .begin = b, .end = e, .value = v, .is_write = true }
#define R(b, e, v)	{ .begin = b, .end = e, .value = v }
#define NEVER		HISTORY_NEVER

static char why[256];

static bool judge(struct history_op *ops, size_t count)
{
	why[0] = '\0';
	return history_judge(ops, count, why, sizeof(why));
}

#define GOOD(...)							\
	do {								\
		struct history_op ops[] = { __VA_ARGS__ };		\
		EXPECT_TRUE(judge(ops, sizeof(ops) / sizeof(ops[0])))	\
			TH_LOG("%s", why);				\
	} while (0)

#define BAD(...)							\
	do {								\
		struct history_op ops[] = { __VA_ARGS__ };		\
		EXPECT_FALSE(judge(ops, sizeof(ops) / sizeof(ops[0])));	\
		EXPECT_NE('\0', why[0]);				\
	} while (0)

TEST(one_after_the_other)
{
	GOOD(R(1, 2, 0), W(3, 4, 7), R(5, 6, 7), W(7, 8, 9), R(9, 10, 9));
	BAD(W(1, 2, 7), R(3, 4, 0));
	BAD(W(1, 2, 7), W(3, 4, 9), R(5, 6, 7));
	BAD(R(1, 2, 7), W(3, 4, 7));
	BAD(R(1, 2, 5));
}

TEST(at_once)
{
	/* a read beside a write sees either */
	GOOD(W(1, 4, 7), R(2, 3, 0));
	GOOD(W(1, 4, 7), R(2, 3, 7));
	/* but not the old value after somebody has seen the new one */
	BAD(W(1, 10, 7), R(2, 3, 7), R(4, 5, 0));
	/* of two writes at once either may be last, but the same one for all readers */
	GOOD(W(1, 4, 7), W(2, 3, 9), R(5, 6, 7), R(7, 8, 7));
	GOOD(W(1, 4, 7), W(2, 3, 9), R(5, 6, 9), R(7, 8, 9));
	BAD(W(1, 4, 7), W(2, 3, 9), R(5, 6, 7), R(7, 8, 9));
	/* overtaken, unseen */
	GOOD(W(1, 8, 7), W(2, 3, 9), R(4, 5, 9), R(6, 7, 9), R(9, 10, 7));
	/* sent again, after it was carried out; but not after it was answered */
	GOOD(W(1, 20, 7), R(2, 3, 7), W(4, 5, 9), R(6, 7, 7));
	GOOD(W(1, 20, 7), R(2, 3, 7), W(4, 5, 9), R(6, 7, 9), R(21, 22, 7));
	BAD(W(1, 6, 7), R(2, 3, 7), W(4, 5, 9), R(7, 8, 9), R(9, 10, 7));
	BAD(W(1, 20, 7), W(2, 3, 9), R(4, 5, 7), R(6, 7, 9));
}

TEST(never_answered)
{
	/* carried out late, or not at all */
	GOOD(W(1, NEVER, 7), R(2, 3, 0), R(4, 5, 0));
	GOOD(W(1, NEVER, 7), R(2, 3, 0), W(4, 5, 9), R(6, 7, 9), R(8, 9, 7));
	GOOD(W(1, NEVER, 7), R(2, 3, 7), W(4, 5, 9), R(6, 7, 7));
	BAD(W(1, NEVER, 7), R(2, 3, 7), R(4, 5, 0));
	BAD(W(1, NEVER, 7), W(2, 3, 9), R(4, 5, 7), R(6, 7, 9));
}

TEST(other_sectors)
{
	struct history_op ops[] = { W(1, 2, 7), R(3, 4, 0), W(5, 6, 8), R(7, 8, 8) };

	ops[1].sector = 1;
	EXPECT_TRUE(judge(ops, 4)) TH_LOG("%s", why);
	ops[0] = (struct history_op)W(1, 2, 7);
	ops[1] = (struct history_op)R(3, 4, 7);
	ops[1].sector = 1;
	EXPECT_FALSE(judge(ops, 2));
	EXPECT_TRUE(judge(ops, 0));
}

TEST_HARNESS_MAIN
