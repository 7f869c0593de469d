// SPDX-License-Identifier: GPL-2.0-only
/* What an attach is refused for: each of its attributes, lacking, repeated or garbled. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "uapi_refuse.h"

FIXTURE(attach)
{
	struct ground g;
};

FIXTURE_SETUP(attach)
{
	set_up(&self->g);
}

FIXTURE_TEARDOWN(attach)
{
	tear_down(_metadata, &self->g);
}

TEST_F(attach, right_is_accepted)
{
	ACCEPT(whole());
	ACCEPT(whole(); put_str(m, NBDCTL_A_DEVICE_IDENTIFIER, "i"); U32(DEVICE_QUEUE_DEPTH, 1));
	ACCEPT(facts(0); CONTEXT("a:"); CONTEXT("b:x"); SLOT(ID(1, 5); ID(0, 0)));
}

TEST_F(attach, unknown_attribute)
{
	REFUSE(ATTACH, EINVAL, "Unknown", 999, whole(); put_u32(m, 999, 0));
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_DEVICE_STATE, whole(); U32(DEVICE_STATE, 0));
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_DEVICE_FORCE,
	       whole(); put_flag(m, NBDCTL_A_DEVICE_FORCE));
	REFUSE(ATTACH, EINVAL, NULL, 99, facts(0); SLOT(put_u32(m, 99, 0)));
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_SLOT_STATE, facts(0); SLOT(U32(SLOT_STATE, 1)));
	REFUSE(ATTACH, EINVAL, NULL, 99, facts(0); CONTEXT("a:b");
	       SLOT(NEST(SLOT_CONTEXT_ID, U32(CONTEXT_ID_CONTEXT, 0); U32(CONTEXT_ID_ID, 1);
			 put_u32(m, 99, 0))));
	REFUSE(ATTACH, EINVAL, NULL, 99, whole();
	       NEST(DEVICE_CONTEXT, put_str(m, NBDCTL_A_CONTEXT_NAME, "a:b"); put_u32(m, 99, 0)));
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_CONTEXT_INDEX, whole();
	       NEST(DEVICE_CONTEXT, put_str(m, NBDCTL_A_CONTEXT_NAME, "a:b");
		    U32(CONTEXT_INDEX, 0)));
}

TEST_F(attach, required)
{
	REFUSE(ATTACH, EINVAL, "size: required", 0, facts(BIT(NBDCTL_A_DEVICE_SIZE)); slot());
	REFUSE(ATTACH, EINVAL, "transmission-flags", 0,
	       facts(BIT(NBDCTL_A_DEVICE_TRANSMISSION_FLAGS)); slot());
	REFUSE(ATTACH, EINVAL, "header-mode: required", 0, facts(BIT(NBDCTL_A_DEVICE_HEADER_MODE));
	       slot());
	REFUSE(ATTACH, EINVAL, "slot: required", 0, facts(0));
	REFUSE(ATTACH, EINVAL, "fd", NBDCTL_A_DEVICE_SLOT, facts(0);
	       NEST(DEVICE_SLOT, U32(SLOT_INDEX, 0)));
}

/* Each number one byte too long and one too short */
TEST_F(attach, wrong_length)
{
	static const struct {
		int type;
		size_t size;
	} fields[] = {
		{ NBDCTL_A_DEVICE_INDEX, 4 }, { NBDCTL_A_DEVICE_SIZE, 8 },
		{ NBDCTL_A_DEVICE_TRANSMISSION_FLAGS, 2 }, { NBDCTL_A_DEVICE_HEADER_MODE, 4 },
		{ NBDCTL_A_DEVICE_MIN_BLOCK_SIZE, 4 }, { NBDCTL_A_DEVICE_PREFERRED_BLOCK_SIZE, 4 },
		{ NBDCTL_A_DEVICE_MAX_PAYLOAD, 4 }, { NBDCTL_A_DEVICE_REQUEST_TIMEOUT, 4 },
		{ NBDCTL_A_DEVICE_DEAD_TIME, 4 }, { NBDCTL_A_DEVICE_QUEUE_DEPTH, 4 },
	};
	static const char bytes[16] = { 1 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		int type = fields[i].type;

		REFUSE(ATTACH, EINVAL, NULL, type, facts(BIT(type)); slot();
		       put(m, type, bytes, fields[i].size + 1));
		REFUSE(ATTACH, EINVAL, NULL, type, facts(BIT(type)); slot();
		       put(m, type, bytes, fields[i].size - 1));
		REFUSE(ATTACH, EINVAL, NULL, type, facts(BIT(type)); slot();
		       put(m, type, NULL, 0));
	}
	REFUSE(ATTACH, ERANGE, NULL, NBDCTL_A_DEVICE_READ_ONLY, whole();
	       put(m, NBDCTL_A_DEVICE_READ_ONLY, bytes, 1));
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_SLOT_FD, facts(0);
	       NEST(DEVICE_SLOT, put(m, NBDCTL_A_SLOT_FD, bytes, 8)));
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_SLOT_INDEX, facts(0);
	       SLOT(put(m, NBDCTL_A_SLOT_INDEX, bytes, 2)));
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_CONTEXT_ID_ID, facts(0); CONTEXT("a:b");
	       SLOT(NEST(SLOT_CONTEXT_ID, put(m, NBDCTL_A_CONTEXT_ID_ID, bytes, 5))));
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_CONTEXT_ID_CONTEXT, facts(0); CONTEXT("a:b");
	       SLOT(NEST(SLOT_CONTEXT_ID, put(m, NBDCTL_A_CONTEXT_ID_CONTEXT, bytes, 3))));
	REFUSE(ATTACH, ERANGE, NULL, NBDCTL_A_CONTEXT_ID_LOST, facts(0); CONTEXT("a:b");
	       SLOT(NEST(SLOT_CONTEXT_ID, put(m, NBDCTL_A_CONTEXT_ID_LOST, bytes, 4))));
	/* bytes that are no attribute */
	REFUSE(ATTACH, EINVAL, NULL, 0, whole(); m->len += 3);
}

TEST_F(attach, strings)
{
	static char text[5000];

	memset(text, 'x', sizeof(text));
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_DEVICE_IDENTIFIER, whole();
	       put(m, NBDCTL_A_DEVICE_IDENTIFIER, text, 4));
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_DEVICE_IDENTIFIER, whole();
	       put(m, NBDCTL_A_DEVICE_IDENTIFIER, text, 0));
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_DEVICE_DISPLAY, whole();
	       put(m, NBDCTL_A_DEVICE_DISPLAY, text, 4096));
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_CONTEXT_NAME, whole();
	       NEST(DEVICE_CONTEXT, put(m, NBDCTL_A_CONTEXT_NAME, "a:b", 3)));
	text[256] = '\0';
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_DEVICE_IDENTIFIER, whole();
	       put(m, NBDCTL_A_DEVICE_IDENTIFIER, text, 257));
	text[255] = '\0';
	ACCEPT(whole(); put(m, NBDCTL_A_DEVICE_IDENTIFIER, text, 256));
	memset(text, 'x', sizeof(text));
	text[1] = ':';
	text[4097] = '\0';
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_DEVICE_DISPLAY, whole();
	       put(m, NBDCTL_A_DEVICE_DISPLAY, text, 4098));
	REFUSE(ATTACH, EINVAL, NULL, NBDCTL_A_CONTEXT_NAME, facts(0); SLOT(ID(0, 1));
	       NEST(DEVICE_CONTEXT, put(m, NBDCTL_A_CONTEXT_NAME, text, 4098)));
	text[4096] = '\0';
	ACCEPT(facts(0); SLOT(ID(0, 1));
	       NEST(DEVICE_CONTEXT, put(m, NBDCTL_A_CONTEXT_NAME, text, 4097)));
}

TEST_F(attach, nested_flag)
{
	uint32_t fd[2] = { NLA_HDRLEN + 4 + (NBDCTL_A_SLOT_FD << 16), self->g.fds[0] };

	REFUSE(ATTACH, EINVAL, "NLA_F_NESTED", NBDCTL_A_DEVICE_SLOT, facts(0);
	       put(m, NBDCTL_A_DEVICE_SLOT, fd, sizeof(fd)));
	REFUSE(ATTACH, EINVAL, "NLA_F_NESTED", NBDCTL_A_DEVICE_CONTEXT, whole();
	       put(m, NBDCTL_A_DEVICE_CONTEXT, fd, sizeof(fd)));
	REFUSE(ATTACH, EINVAL, "NLA_F_NESTED", NBDCTL_A_SLOT_CONTEXT_ID, facts(0);
	       SLOT(put(m, NBDCTL_A_SLOT_CONTEXT_ID, fd, sizeof(fd))));
	REFUSE(ATTACH, EINVAL, "NLA_F_NESTED", NBDCTL_A_DEVICE_QUEUE_DEPTH, whole();
	       put_u32(m, NBDCTL_A_DEVICE_QUEUE_DEPTH | NLA_F_NESTED, 8));
}

TEST_F(attach, values)
{
	REFUSE(ATTACH, EINVAL, "index", NBDCTL_A_DEVICE_INDEX,
	       facts(BIT(NBDCTL_A_DEVICE_INDEX)); slot(); U32(DEVICE_INDEX, 1 << 20));
	REFUSE(ATTACH, EINVAL, "index", NBDCTL_A_DEVICE_INDEX,
	       facts(BIT(NBDCTL_A_DEVICE_INDEX)); slot(); U32(DEVICE_INDEX, UINT32_MAX));
	REFUSE(ATTACH, EOPNOTSUPP, "header-mode", NBDCTL_A_DEVICE_HEADER_MODE,
	       facts(BIT(NBDCTL_A_DEVICE_HEADER_MODE)); slot(); U32(DEVICE_HEADER_MODE, 2));
	REFUSE(ATTACH, EINVAL, "transmission-flags", NBDCTL_A_DEVICE_TRANSMISSION_FLAGS,
	       facts(BIT(NBDCTL_A_DEVICE_TRANSMISSION_FLAGS)); slot();
	       U16(DEVICE_TRANSMISSION_FLAGS, 0xfffe));
	REFUSE(ATTACH, EINVAL, "queue-depth", NBDCTL_A_DEVICE_QUEUE_DEPTH, whole();
	       U32(DEVICE_QUEUE_DEPTH, 0));
	REFUSE(ATTACH, EINVAL, "queue-depth", NBDCTL_A_DEVICE_QUEUE_DEPTH, whole();
	       U32(DEVICE_QUEUE_DEPTH, 1025));
}

TEST_F(attach, sizes)
{
	static const uint64_t wrong[] = { 0, 1, 511, 1ull << 63, UINT64_MAX };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		REFUSE(ATTACH, EINVAL, "size", NBDCTL_A_DEVICE_SIZE,
		       facts(BIT(NBDCTL_A_DEVICE_SIZE)); slot(); U64(DEVICE_SIZE, wrong[i]));
	REFUSE(ATTACH, EINVAL, "size", NBDCTL_A_DEVICE_SIZE, facts(BIT(NBDCTL_A_DEVICE_SIZE));
	       slot(); U64(DEVICE_SIZE, 4095); U32(DEVICE_MIN_BLOCK_SIZE, 4096));
	ACCEPT(facts(BIT(NBDCTL_A_DEVICE_SIZE)); slot(); U64(DEVICE_SIZE, 512));
}

TEST_F(attach, block_sizes)
{
	static const uint32_t min[] = { 0, 3, 1000, 98304, 131072, 1u << 31 };
	static const uint32_t preferred[] = { 0, 256, 511, 4097, 1u << 26, 1u << 31 };
	static const uint32_t payload[] = { 0, 512, 4095, (32 << 20) + 1, UINT32_MAX };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(min); i++)
		REFUSE(ATTACH, EINVAL, "min-block-size", NBDCTL_A_DEVICE_MIN_BLOCK_SIZE,
		       whole(); U32(DEVICE_MIN_BLOCK_SIZE, min[i]));
	for (i = 0; i < ARRAY_SIZE(preferred); i++)
		REFUSE(ATTACH, EINVAL, "preferred-block-size",
		       NBDCTL_A_DEVICE_PREFERRED_BLOCK_SIZE, whole();
		       U32(DEVICE_PREFERRED_BLOCK_SIZE, preferred[i]));
	REFUSE(ATTACH, EINVAL, "preferred-block-size", NBDCTL_A_DEVICE_PREFERRED_BLOCK_SIZE,
	       whole(); U32(DEVICE_MIN_BLOCK_SIZE, 4096); U32(DEVICE_PREFERRED_BLOCK_SIZE, 2048));
	for (i = 0; i < ARRAY_SIZE(payload); i++)
		REFUSE(ATTACH, EINVAL, "max-payload", NBDCTL_A_DEVICE_MAX_PAYLOAD, whole();
		       U32(DEVICE_MAX_PAYLOAD, payload[i]));
	ACCEPT(whole(); U32(DEVICE_MIN_BLOCK_SIZE, 1); U32(DEVICE_PREFERRED_BLOCK_SIZE, 512);
	       U32(DEVICE_MAX_PAYLOAD, 4096));
	ACCEPT(whole(); U32(DEVICE_MIN_BLOCK_SIZE, 4096); U32(DEVICE_MAX_PAYLOAD, 32 << 20));
}

TEST_F(attach, contexts)
{
	int i;

	REFUSE(ATTACH, EINVAL, "context", NBDCTL_A_DEVICE_CONTEXT, whole();
	       NEST(DEVICE_CONTEXT, ;));
	REFUSE(ATTACH, EINVAL, "context", NBDCTL_A_DEVICE_CONTEXT, whole(); CONTEXT(""));
	REFUSE(ATTACH, EINVAL, "context", NBDCTL_A_DEVICE_CONTEXT, whole(); CONTEXT("colonless"));
	REFUSE(ATTACH, EINVAL, "context", NBDCTL_A_DEVICE_CONTEXT, whole(); CONTEXT("a:b");
	       CONTEXT("c:d"); CONTEXT("a:b"));
	REFUSE(ATTACH, EINVAL, "context", NBDCTL_A_DEVICE_CONTEXT,
	       facts(BIT(NBDCTL_A_DEVICE_HEADER_MODE)); U32(DEVICE_HEADER_MODE, 0);
	       CONTEXT("a:b"); SLOT(ID(0, 1)));
	REFUSE(ATTACH, E2BIG, "context", NBDCTL_A_DEVICE_CONTEXT, whole();
	       for (i = 0; i < 65; i++) CONTEXT("a:b"));
}

TEST_F(attach, context_ids)
{
	REFUSE(ATTACH, EINVAL, "context-id", NBDCTL_A_DEVICE_SLOT, facts(0); CONTEXT("a:b");
	       slot());
	REFUSE(ATTACH, EINVAL, "context-id", NBDCTL_A_DEVICE_SLOT, facts(0); CONTEXT("a:b");
	       CONTEXT("c:d"); SLOT(ID(1, 7)));
	REFUSE(ATTACH, EINVAL, "context-id", NBDCTL_A_SLOT_CONTEXT_ID, facts(0); CONTEXT("a:b");
	       SLOT(ID(0, 7); ID(0, 8)));
	REFUSE(ATTACH, EINVAL, "context-id", NBDCTL_A_SLOT_CONTEXT_ID, facts(0); CONTEXT("a:b");
	       CONTEXT("c:d"); SLOT(ID(0, 7); ID(1, 7)));
	REFUSE(ATTACH, EINVAL, "context-id", NBDCTL_A_SLOT_CONTEXT_ID, facts(0); CONTEXT("a:b");
	       SLOT(ID(0, 7); ID(1, 8)));
	REFUSE(ATTACH, EINVAL, "context-id", NBDCTL_A_SLOT_CONTEXT_ID, facts(0);
	       SLOT(ID(0, 7)));
	REFUSE(ATTACH, EINVAL, "context-id", NBDCTL_A_SLOT_CONTEXT_ID, facts(0); CONTEXT("a:b");
	       SLOT(ID(UINT32_MAX, 7)));
	REFUSE(ATTACH, EINVAL, "context-id", NBDCTL_A_SLOT_CONTEXT_ID, facts(0); CONTEXT("a:b");
	       SLOT(NEST(SLOT_CONTEXT_ID, U32(CONTEXT_ID_ID, 7))));
	REFUSE(ATTACH, EINVAL, "context-id", NBDCTL_A_SLOT_CONTEXT_ID, facts(0); CONTEXT("a:b");
	       SLOT(NEST(SLOT_CONTEXT_ID, U32(CONTEXT_ID_CONTEXT, 0))));
	REFUSE(ATTACH, EINVAL, "context-id", NBDCTL_A_SLOT_CONTEXT_ID, facts(0); CONTEXT("a:b");
	       SLOT(NEST(SLOT_CONTEXT_ID, U32(CONTEXT_ID_CONTEXT, 0);
			 put_flag(m, NBDCTL_A_CONTEXT_ID_LOST))));
	REFUSE(ATTACH, EINVAL, "context-id", NBDCTL_A_SLOT_CONTEXT_ID, facts(0); CONTEXT("a:b");
	       SLOT(NEST(SLOT_CONTEXT_ID, U32(CONTEXT_ID_CONTEXT, 0); U32(CONTEXT_ID_ID, 1);
			 put_flag(m, NBDCTL_A_CONTEXT_ID_LOST))));
}

TEST_F(attach, slots)
{
	int i;

	REFUSE(ATTACH, EINVAL, "slot", NBDCTL_A_DEVICE_SLOT,
	       facts(BIT(NBDCTL_A_DEVICE_TRANSMISSION_FLAGS));
	       U16(DEVICE_TRANSMISSION_FLAGS, HAS_FLAGS); slot();
	       put_slot(m, 1, g->fds2[0], &g->x));
	REFUSE(ATTACH, EINVAL, "slot", NBDCTL_A_DEVICE_SLOT, facts(0);
	       put_slot(m, 1, g->fds[0], &g->x));
	REFUSE(ATTACH, EINVAL, "slot", NBDCTL_A_DEVICE_SLOT, facts(0);
	       put_slot(m, 0, g->fds[0], &g->x); put_slot(m, 0, g->fds2[0], &g->x));
	REFUSE(ATTACH, EINVAL, "slot", NBDCTL_A_DEVICE_SLOT, facts(0);
	       put_slot(m, UINT16_MAX, g->fds[0], &g->x));
	REFUSE(ATTACH, E2BIG, "slot", NBDCTL_A_DEVICE_SLOT, facts(0);
	       for (i = 0; i < 129; i++) put_slot(m, i, g->fds[0], &g->x));
	/* the second one's fault is found with the first one's socket in hand */
	REFUSE(ATTACH, EBADF, "fd", NBDCTL_A_SLOT_FD, facts(0);
	       put_slot(m, 0, g->fds[0], &g->x); put_slot(m, 1, 9999, &g->x));
}

/* A device that only a refused attach has asked for is not there */
TEST_F(attach, makes_no_device)
{
	REFUSE(ATTACH, EBADF, "fd", NBDCTL_A_SLOT_FD, facts(BIT(NBDCTL_A_DEVICE_INDEX));
	       U32(DEVICE_INDEX, 777); put_slot(m, 0, 9999, &g->x));
	EXPECT_EQ(-ENODEV, state_of(&self->g.nl, 777));
	EXPECT_EQ(-1, read_number("/sys/block/nbd777/size"));
}

TEST_HARNESS_MAIN
