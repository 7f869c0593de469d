// SPDX-License-Identifier: GPL-2.0-only
/* What is shown of the driver and of an attached device. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "uapi_session.h"

FIXTURE(show)
{
	struct ground g;
};

FIXTURE_SETUP(show)
{
	set_up(&self->g);
}

FIXTURE_TEARDOWN(show)
{
	tear_down(_metadata, &self->g);
}

TEST_F(show, driver)
{
	struct ground *g = &self->g;
	struct attrs a;

	msg_begin(&g->nl, &g->m, NBDCTL_CMD_DRIVER_GET);
	ASSERT_EQ(0, nl_call(&g->nl, &g->m));
	a = reply_attrs(&g->nl);
	EXPECT_STRNE("", get_str(a, NBDCTL_A_DRIVER_VERSION));
	EXPECT_EQ(3, get_u32(a, NBDCTL_A_DRIVER_HEADER_MODES));
	EXPECT_EQ(15, get_u32(a, NBDCTL_A_DRIVER_FEATURES));
	EXPECT_EQ(128, get_u32(a, NBDCTL_A_DRIVER_MAX_SLOTS));
	EXPECT_EQ(64, get_u32(a, NBDCTL_A_DRIVER_MAX_CONTEXTS));
	EXPECT_EQ(1024, get_u32(a, NBDCTL_A_DRIVER_MAX_QUEUE_DEPTH));
	/* Kernels with that file and huge pages have large blocks */
	EXPECT_EQ(access("/sys/block/nbd0/queue/write_zeroes_unmap_max_bytes", F_OK) ||
		  access("/sys/kernel/mm/transparent_hugepage", F_OK) ?
		  getpagesize() : 65536, get_u32(a, NBDCTL_A_DRIVER_MAX_MIN_BLOCK_SIZE));
	/* One minor for the disk, and one for each partition, of 2^20 */
	EXPECT_EQ((1 << 20) / (read_number("/sys/module/nbd/parameters/max_part") + 1) - 1,
		  get_u32(a, NBDCTL_A_DRIVER_MAX_INDEX));
}

static void check_facts(struct __test_metadata *_metadata, struct ground *g, struct attrs a)
{
	EXPECT_EQ(INDEX, get_u32(a, NBDCTL_A_DEVICE_INDEX));
	EXPECT_EQ(NBDCTL_STATE_LIVE, get_u32(a, NBDCTL_A_DEVICE_STATE));
	EXPECT_EQ(SIZE, get_u64(a, NBDCTL_A_DEVICE_SIZE));
	EXPECT_EQ(0, memcmp(&g->x[0].flags,
			    nested(get(a, NBDCTL_A_DEVICE_TRANSMISSION_FLAGS, 0)).at, 2));
	EXPECT_EQ(NBDCTL_HEADER_MODE_STRUCTURED, get_u32(a, NBDCTL_A_DEVICE_HEADER_MODE));
	EXPECT_EQ(1, get_u32(a, NBDCTL_A_DEVICE_MIN_BLOCK_SIZE));
	EXPECT_EQ(4096, get_u32(a, NBDCTL_A_DEVICE_PREFERRED_BLOCK_SIZE));
	EXPECT_EQ(32 << 20, get_u32(a, NBDCTL_A_DEVICE_MAX_PAYLOAD));
	EXPECT_EQ(4000, get_u32(a, NBDCTL_A_DEVICE_REQUEST_TIMEOUT));
	EXPECT_EQ(3000, get_u32(a, NBDCTL_A_DEVICE_DEAD_TIME));
	EXPECT_EQ(128, get_u32(a, NBDCTL_A_DEVICE_QUEUE_DEPTH));
	EXPECT_EQ(0, count(a, NBDCTL_A_DEVICE_READ_ONLY));
	EXPECT_EQ(0, count(a, NBDCTL_A_DEVICE_GAVE_UP));
	EXPECT_STREQ("an identifier", get_str(a, NBDCTL_A_DEVICE_IDENTIFIER));
	EXPECT_STREQ("a display", get_str(a, NBDCTL_A_DEVICE_DISPLAY));
}

static void check_lists(struct __test_metadata *_metadata, struct ground *g, struct attrs a)
{
	struct attrs slot, id, context;
	int i, k;

	EXPECT_EQ(2, count(a, NBDCTL_A_DEVICE_CONTEXT));
	EXPECT_EQ(2, count(a, NBDCTL_A_DEVICE_SLOT));
	for (i = 0; i < 2; i++) {
		context = nested(get(a, NBDCTL_A_DEVICE_CONTEXT, i));
		EXPECT_EQ(i, get_u32(context, NBDCTL_A_CONTEXT_INDEX));
		EXPECT_STREQ(g->x[0].names[i], get_str(context, NBDCTL_A_CONTEXT_NAME));
		slot = nested(get(a, NBDCTL_A_DEVICE_SLOT, i));
		EXPECT_EQ(i, get_u32(slot, NBDCTL_A_SLOT_INDEX));
		EXPECT_EQ(NBDCTL_SLOT_STATE_UP, get_u32(slot, NBDCTL_A_SLOT_STATE));
		EXPECT_EQ(NBDCTL_TRANSPORT_UNIX, get_u32(slot, NBDCTL_A_SLOT_TRANSPORT));
		EXPECT_EQ(0, get_u32(slot, NBDCTL_A_SLOT_RECONNECTS));
		EXPECT_EQ(0, get_u32(slot, NBDCTL_A_SLOT_REASON));
		EXPECT_EQ(2, count(slot, NBDCTL_A_SLOT_CONTEXT_ID));
		for (k = 0; k < 2; k++) {
			id = nested(get(slot, NBDCTL_A_SLOT_CONTEXT_ID, k));
			EXPECT_EQ(k, get_u32(id, NBDCTL_A_CONTEXT_ID_CONTEXT));
			EXPECT_EQ(g->x[i].ids[k], get_u32(id, NBDCTL_A_CONTEXT_ID_ID));
		}
	}
	/* the servers make ids up for each connection */
	EXPECT_NE(g->x[0].ids[0], g->x[1].ids[0]);
}

struct both {
	struct __test_metadata *_metadata;
	struct ground *g;
	int seen;
};

static void check_dumped(struct attrs a, void *arg)
{
	struct both *b = arg;

	if (get_u32(a, NBDCTL_A_DEVICE_INDEX) != INDEX)
		return;
	check_facts(b->_metadata, b->g, a);
	check_lists(b->_metadata, b->g, a);
	b->seen++;
}

TEST_F(show, device)
{
	struct ground *g = &self->g;
	struct both b = { _metadata, g, 0 };

	ASSERT_EQ(0, attach(g, 2, 3000, 4000)) TH_LOG("%s", g->nl.text);
	EXPECT_EQ(INDEX, get_u32(reply_attrs(&g->nl), NBDCTL_A_DEVICE_INDEX));
	ASSERT_EQ(NBDCTL_STATE_LIVE, state_of(&g->nl, INDEX));
	check_facts(_metadata, g, reply_attrs(&g->nl));
	check_lists(_metadata, g, reply_attrs(&g->nl));
	msg_begin(&g->nl, &g->m, NBDCTL_CMD_DEVICE_GET);
	EXPECT_EQ(0, nl_dump(&g->nl, &g->m, check_dumped, &b));
	EXPECT_EQ(1, b.seen);
}

/* What went over each connection, by our count and by the servers' */
TEST_F(show, counters)
{
	struct ground *g = &self->g;
	int64_t sent = 0, got = 0, replies = 0, bytes = 0, logged = 0;
	struct attrs a;
	int i;

	ASSERT_EQ(0, attach(g, 2, 0, 0));
	g->disk = open_disk(INDEX, O_RDWR | O_DIRECT);
	ASSERT_GE(g->disk, 0);
	for (i = 0; i < 64; i++)
		ASSERT_EQ(0, read_disk(g->disk, (4 << 20) + i * 4096));
	/* udev reads too; nothing may be in flight when we count */
	ASSERT_EQ(0, system("udevadm settle --timeout=60"));
	usleep(300000);
	for (i = 0; i < 2; i++) {
		a = slot_of(g, i);
		sent += get_u64(a, NBDCTL_A_SLOT_REQUESTS);
		replies += get_u64(a, NBDCTL_A_SLOT_REPLIES);
		bytes += get_u64(a, NBDCTL_A_SLOT_BYTES_SENT);
		got += get_u64(a, NBDCTL_A_SLOT_BYTES_RECEIVED);
		EXPECT_EQ(0, get_u64(a, NBDCTL_A_SLOT_ERRORS));
		logged += server_logged(&g->s[i], "READ ");
	}
	EXPECT_GE(sent, 64);
	EXPECT_EQ(sent, replies);
	EXPECT_EQ(sent, logged);
	EXPECT_EQ(sent * 28, bytes);
	EXPECT_GE(got, 64 * (4096 + 20 + 8));
	/* and in total */
	state_of(&g->nl, INDEX);
	a = reply_attrs(&g->nl);
	EXPECT_EQ(sent, get_u64(a, NBDCTL_A_DEVICE_REQUESTS));
	EXPECT_EQ(sent, get_u64(a, NBDCTL_A_DEVICE_REPLIES));
	EXPECT_EQ(0, get_u64(a, NBDCTL_A_DEVICE_ERRORS));
	EXPECT_EQ(bytes, get_u64(a, NBDCTL_A_DEVICE_BYTES_SENT));
	EXPECT_EQ(got, get_u64(a, NBDCTL_A_DEVICE_BYTES_RECEIVED));
	EXPECT_EQ(0, get_u32(a, NBDCTL_A_DEVICE_IN_FLIGHT));
	EXPECT_EQ(0, get_u32(a, NBDCTL_A_DEVICE_OLDEST));
	EXPECT_EQ(0, get_u32(a, NBDCTL_A_DEVICE_LAST_ERROR));
}

TEST_F(show, any_and_new)
{
	struct ground *g = &self->g;
	int index;

	msg_begin(&g->nl, &g->m, NBDCTL_CMD_ATTACH);
	put_facts(&g->m, &g->x[0], -1, 0);
	put_slot(&g->m, -1, g->conns[0], &g->x[0]);
	ASSERT_EQ(0, nl_call(&g->nl, &g->m)) TH_LOG("%s", g->nl.text);
	index = get_u32(reply_attrs(&g->nl), NBDCTL_A_DEVICE_INDEX);
	EXPECT_EQ(SIZE / 512, read_number("/sys/block/nbd%d/size", index));
	EXPECT_EQ(0, detach(&g->nl, index, true));

	/* a number beyond those made when the module was loaded */
	msg_begin(&g->nl, &g->m, NBDCTL_CMD_ATTACH);
	put_facts(&g->m, &g->x[1], 300, 0);
	put_flag(&g->m, NBDCTL_A_DEVICE_READ_ONLY);
	put_slot(&g->m, 0, g->conns[1], &g->x[1]);
	ASSERT_EQ(0, nl_call(&g->nl, &g->m)) TH_LOG("%s", g->nl.text);
	EXPECT_EQ(SIZE / 512, read_number("/sys/block/nbd300/size"));
	EXPECT_EQ(1, read_number("/sys/block/nbd300/ro"));
	EXPECT_EQ(NBDCTL_STATE_LIVE, state_of(&g->nl, 300));
	EXPECT_EQ(1, count(reply_attrs(&g->nl), NBDCTL_A_DEVICE_READ_ONLY));
	EXPECT_EQ(0, detach(&g->nl, 300, true));
}

/* What a dump says of our device */
struct found {
	int slots;
	int abridged;
	size_t display;
};

static void find(struct attrs a, void *arg)
{
	struct found *found = arg;

	if (get_u32(a, NBDCTL_A_DEVICE_INDEX) != INDEX)
		return;
	found->slots = count(a, NBDCTL_A_DEVICE_SLOT);
	found->abridged = count(a, NBDCTL_A_DEVICE_ABRIDGED);
	found->display = strlen(get_str(a, NBDCTL_A_DEVICE_DISPLAY));
}

#define MANY	128

/* Attach to nobody; udev is not to wait for an answer */
static int attach_mute(struct ground *g, const struct export *x, int n, const char *display)
{
	int fds[MANY][2], i, error;

	msg_begin(&g->nl, &g->m, NBDCTL_CMD_ATTACH);
	put_facts(&g->m, x, INDEX, 0);
	put_str(&g->m, NBDCTL_A_DEVICE_DISPLAY, display);
	for (i = 0; i < n; i++) {
		socket_pair(fds[i]);
		put_slot(&g->m, i, fds[i][0], x);
	}
	error = nl_call(&g->nl, &g->m);
	/* the other ends stay open until the test ends */
	for (i = 0; i < n; i++)
		close(fds[i][0]);
	return error;
}

/* A dump has room for each device, also before the kernel has seen how much is read at once */
TEST_F(show, long_display)
{
	struct export x = { .size = SIZE, .flags = 0x101, .structured = true };
	struct ground *g = &self->g;
	struct found found = { 0 };
	static char display[4001];
	static struct nl fresh;

	memset(display, 'x', sizeof(display) - 1);
	ASSERT_EQ(0, system("udevadm control --stop-exec-queue"));
	EXPECT_EQ(0, attach_mute(g, &x, 1, display)) TH_LOG("%s", g->nl.text);
	fresh.family = g->nl.family;
	fresh.fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	msg_begin(&fresh, &g->m, NBDCTL_CMD_DEVICE_GET);
	EXPECT_EQ(0, nl_dump(&fresh, &g->m, find, &found));
	EXPECT_EQ(4000, found.display);
	EXPECT_EQ(1, found.slots);
	close(fresh.fd);
	EXPECT_EQ(0, detach(&g->nl, INDEX, true));
	EXPECT_EQ(0, system("udevadm control --start-exec-queue"));
}

/* One that has no room in any message says so, and shows all when it is asked for alone */
TEST_F(show, abridged)
{
	struct export x = { .size = SIZE, .flags = 0x101, .structured = true, .nr = CONTEXTS_MAX };
	struct ground *g = &self->g;
	struct found found = { 0 };
	unsigned int i;

	for (i = 0; i < CONTEXTS_MAX; i++) {
		sprintf(x.names[i], "test:%u", i);
		x.ids[i] = i;
	}
	ASSERT_EQ(0, system("udevadm control --stop-exec-queue"));
	EXPECT_EQ(0, attach_mute(g, &x, MANY, "many")) TH_LOG("%s", g->nl.text);
	msg_begin(&g->nl, &g->m, NBDCTL_CMD_DEVICE_GET);
	EXPECT_EQ(0, nl_dump(&g->nl, &g->m, find, &found));
	EXPECT_EQ(1, found.abridged);
	EXPECT_EQ(0, found.slots);
	EXPECT_EQ(NBDCTL_STATE_LIVE, state_of(&g->nl, INDEX));
	find(reply_attrs(&g->nl), &found);
	EXPECT_EQ(0, found.abridged);
	EXPECT_EQ(MANY, found.slots);
	EXPECT_EQ(0, system("nbd-list -n -o name,conn | grep 'nbd8 *128/128'"));
	EXPECT_EQ(0, detach(&g->nl, INDEX, true));
	EXPECT_EQ(0, system("udevadm control --start-exec-queue"));
}

TEST_HARNESS_MAIN
