// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which export a slot's new connection may be to: what slot-replace says of
 * it is set against what was attached.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "uapi.h"

#define INDEX	8
#define SIZE	(16ull << 20)

/* Transmission flags, "Transmission flags" in the NBD protocol */
#define READ_ONLY	(1 << 1)
#define FLUSH		(1 << 2)
#define FUA		(1 << 3)
#define ROTATIONAL	(1 << 4)
#define TRIM		(1 << 5)
#define WRITE_ZEROES	(1 << 6)
#define DF		(1 << 7)
#define CACHE		(1 << 10)

/* A device with one slot, and a second connection for it */
FIXTURE(export)
{
	struct nl nl;
	struct nl events;
	struct msg m;
	struct server s;
	struct export x;
	int conns[2];
	int64_t session;
};

FIXTURE_SETUP(export)
{
	int i;

	nl_open(&self->nl);
	nl_open(&self->events);
	server_start(&self->s, "--size", "16M", NULL);
	for (i = 0; i < 2; i++)
		self->conns[i] = server_connect(&self->s, &self->x);
	msg_begin(&self->nl, &self->m, NBDCTL_CMD_ATTACH);
	put_facts(&self->m, &self->x, INDEX, 0);
	put_u32(&self->m, NBDCTL_A_DEVICE_MIN_BLOCK_SIZE, 1024);
	put_u32(&self->m, NBDCTL_A_DEVICE_MAX_PAYLOAD, 1 << 20);
	put_slot(&self->m, 0, self->conns[0], &self->x);
	ASSERT_EQ(0, nl_call(&self->nl, &self->m)) TH_LOG("%s", self->nl.text);
	self->session = get_u64(reply_attrs(&self->nl), NBDCTL_A_DEVICE_SESSION);
	ASSERT_GT(self->session, 0);
	nl_subscribe(&self->events);
}

FIXTURE_TEARDOWN(export)
{
	int disk = open_disk(INDEX, O_RDONLY | O_DIRECT);

	EXPECT_EQ(0, read_disk(disk, 1 << 20));
	close(disk);
	EXPECT_EQ((long long)SIZE / 512, read_number("/sys/block/nbd%d/size", INDEX));
	EXPECT_EQ(0, detach(&self->nl, INDEX, true));
	close(self->conns[0]);
	close(self->conns[1]);
	server_stop(&self->s);
}

/* Offer the second connection, as one to this export */
static int offer(struct nl *nl, struct msg *m, const struct export *x, uint32_t block,
		 uint32_t payload, int64_t session, int fd)
{
	msg_begin(nl, m, NBDCTL_CMD_SLOT_REPLACE);
	put_facts(m, x, INDEX, 0);
	put_u64(m, NBDCTL_A_DEVICE_SESSION, session);
	put_u32(m, NBDCTL_A_DEVICE_MIN_BLOCK_SIZE, block);
	put_u32(m, NBDCTL_A_DEVICE_MAX_PAYLOAD, payload);
	put_slot(m, 0, fd, x);
	return nl_call(nl, m);
}

static const struct row {
	const char *what;
	uint64_t size;
	uint16_t add;
	uint16_t drop;
	bool other_mode;
	uint32_t block;
	uint32_t payload;
	int error;
} rows[] = {
	{ "smaller by a byte", SIZE - 1, 0, 0, false, 1024, 1 << 20, ESTALE },
	{ "read-only", SIZE, READ_ONLY, 0, false, 1024, 1 << 20, EROFS },
	{ "read-only and smaller", SIZE - 1, READ_ONLY, 0, false, 1024, 1 << 20, EROFS },
	{ "without FLUSH", SIZE, 0, FLUSH, false, 1024, 1 << 20, ESTALE },
	{ "without FUA", SIZE, 0, FUA, false, 1024, 1 << 20, ESTALE },
	{ "without TRIM", SIZE, 0, TRIM, false, 1024, 1 << 20, ESTALE },
	{ "without WRITE_ZEROES", SIZE, 0, WRITE_ZEROES, false, 1024, 1 << 20, ESTALE },
	{ "without DF", SIZE, 0, DF, false, 1024, 1 << 20, ESTALE },
	{ "other replies", SIZE, 0, 0, true, 1024, 1 << 20, ESTALE },
	{ "larger blocks", SIZE, 0, 0, false, 2048, 1 << 20, ESTALE },
	{ "smaller payload", SIZE, 0, 0, false, 1024, 1 << 19, ESTALE },
	{ "the same", SIZE, 0, 0, false, 1024, 1 << 20, 0 },
	{ "larger", SIZE * 2, 0, 0, false, 1024, 1 << 20, 0 },
	{ "with more flags", SIZE, ROTATIONAL | CACHE, 0, false, 1024, 1 << 20, 0 },
	{ "smaller blocks", SIZE, 0, 0, false, 512, 1 << 20, 0 },
	{ "larger payload", SIZE, 0, 0, false, 1024, 2 << 20, 0 },
};

TEST_F(export, rows)
{
	const struct row *row;
	struct export x;

	for (row = rows; row < rows + sizeof(rows) / sizeof(rows[0]); row++) {
		x = self->x;
		x.size = row->size;
		ASSERT_EQ(row->drop, x.flags & row->drop) TH_LOG("%s: fixture", row->what);
		x.flags = (x.flags & ~row->drop) | row->add;
		x.structured ^= row->other_mode;
		EXPECT_EQ(row->error, offer(&self->nl, &self->m, &x, row->block, row->payload,
					    self->session, self->conns[1])) TH_LOG("%s", row->what);
		if (!row->error) {
			ASSERT_EQ(NBDCTL_CMD_CONNECTION_UP_EVENT, nl_event(&self->events, 2000));
			do
				usleep(1000);
			while (!wait_state(&self->nl, INDEX, NBDCTL_STATE_LIVE, 1000));
			close(self->conns[1]);
			self->conns[1] = server_connect(&self->s, &self->x);
			/* the one that was in the slot */
			ASSERT_EQ(NBDCTL_CMD_CONNECTION_DOWN_EVENT, nl_event(&self->events, 5000));
			continue;
		}
		ASSERT_EQ(NBDCTL_CMD_CONNECTION_REFUSED_EVENT, nl_event(&self->events, 2000));
		EXPECT_EQ(row->error,
			  get_u32(nested(get(reply_attrs(&self->events), NBDCTL_A_DEVICE_SLOT, 0)),
				  NBDCTL_A_SLOT_REASON));
	}
}

/* An attach has a number of its own; what is meant for another one does not reach it */
TEST_F(export, session)
{
	int64_t old = self->session;

	EXPECT_EQ(ESTALE, offer(&self->nl, &self->m, &self->x, 1024, 1 << 20, old + 1,
				self->conns[1]));
	EXPECT_EQ(0, detach(&self->nl, INDEX, true));
	msg_begin(&self->nl, &self->m, NBDCTL_CMD_ATTACH);
	put_facts(&self->m, &self->x, INDEX, 0);
	put_slot(&self->m, 0, self->conns[1], &self->x);
	ASSERT_EQ(0, nl_call(&self->nl, &self->m)) TH_LOG("%s", self->nl.text);
	self->session = get_u64(reply_attrs(&self->nl), NBDCTL_A_DEVICE_SESSION);
	EXPECT_NE(old, self->session);
	EXPECT_EQ(NBDCTL_STATE_LIVE, state_of(&self->nl, INDEX));
	EXPECT_EQ(self->session, get_u64(reply_attrs(&self->nl), NBDCTL_A_DEVICE_SESSION));
	close(self->conns[0]);
	self->conns[0] = server_connect(&self->s, &self->x);
	EXPECT_EQ(ESTALE, offer(&self->nl, &self->m, &self->x, 1, 32 << 20, old,
				self->conns[0]));
	EXPECT_EQ(0, offer(&self->nl, &self->m, &self->x, 1, 32 << 20, self->session,
			   self->conns[0]));
}

/* Where the text is in the server's log, or -1 */
static long log_at(const struct server *s, const char *text)
{
	static char log[1 << 16];
	FILE *file = fopen(s->log, "re");
	const char *at;
	size_t len;

	if (!file)
		return -1;
	len = fread(log, 1, sizeof(log) - 1, file);
	fclose(file);
	log[len] = '\0';
	at = strstr(log, text);
	return at ? at - log : -1;
}

/* A server that is left for another has made stable what it answered */
TEST_F(export, flushed_when_left)
{
	long flush, disc;

	ASSERT_EQ(-1, log_at(&self->s, "\nFLUSH "));
	ASSERT_EQ(0, offer(&self->nl, &self->m, &self->x, 1024, 1 << 20, self->session,
			   self->conns[1]));
	ASSERT_EQ(NBDCTL_CMD_CONNECTION_UP_EVENT, nl_event(&self->events, 2000));
	ASSERT_EQ(NBDCTL_CMD_CONNECTION_DOWN_EVENT, nl_event(&self->events, 5000));
	flush = log_at(&self->s, "\nFLUSH ");
	disc = log_at(&self->s, "\nDISC ");
	EXPECT_GE(flush, 0);
	EXPECT_GT(disc, flush);
}

/* A connection for a slot that has had another one meanwhile comes too late */
TEST_F(export, too_late)
{
	struct msg *m = &self->m;
	uint32_t seen;
	size_t slot;

	for (seen = 1; seen != UINT32_MAX; seen--) {
		msg_begin(&self->nl, m, NBDCTL_CMD_SLOT_REPLACE);
		put_facts(m, &self->x, INDEX, 0);
		put_u32(m, NBDCTL_A_DEVICE_MIN_BLOCK_SIZE, 1024);
		slot = nest(m, NBDCTL_A_DEVICE_SLOT);
		put_u32(m, NBDCTL_A_SLOT_INDEX, 0);
		put_u32(m, NBDCTL_A_SLOT_FD, self->conns[1]);
		put_u32(m, NBDCTL_A_SLOT_RECONNECTS, seen);
		nest_end(m, slot);
		EXPECT_EQ(seen ? ESTALE : 0, nl_call(&self->nl, m)) TH_LOG("%s", self->nl.text);
	}
	EXPECT_EQ(NBDCTL_CMD_CONNECTION_UP_EVENT, nl_event(&self->events, 2000));
}

/* A move tells what to show from now on */
TEST_F(export, display)
{
	static const char moved[] = "nbd://elsewhere/disk";

	msg_begin(&self->nl, &self->m, NBDCTL_CMD_SLOT_REPLACE);
	put_facts(&self->m, &self->x, INDEX, 0);
	put_str(&self->m, NBDCTL_A_DEVICE_DISPLAY, moved);
	put_slot(&self->m, 0, self->conns[1], &self->x);
	ASSERT_EQ(0, nl_call(&self->nl, &self->m)) TH_LOG("%s", self->nl.text);
	EXPECT_EQ(NBDCTL_STATE_LIVE, state_of(&self->nl, INDEX));
	EXPECT_STREQ(moved, get_str(reply_attrs(&self->nl), NBDCTL_A_DEVICE_DISPLAY));
}

TEST_HARNESS_MAIN
