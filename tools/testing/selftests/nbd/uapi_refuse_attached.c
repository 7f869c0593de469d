// SPDX-License-Identifier: GPL-2.0-only
/* What is refused while a device is attached, and to whom. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>

#include "uapi_refuse.h"

/* Refusals leave a running device as it is */
FIXTURE(attached)
{
	struct ground g;
};

FIXTURE_SETUP(attached)
{
	struct ground *g = &self->g;

	set_up(g);
	g->x.nr = 1;
	strcpy(g->x.names[0], "a:b");
	msg_begin(&g->nl, &g->m, NBDCTL_CMD_ATTACH);
	put_facts(&g->m, &g->x, INDEX, 0);
	put_str(&g->m, NBDCTL_A_DEVICE_IDENTIFIER, "secret");
	put_str(&g->m, NBDCTL_A_DEVICE_DISPLAY, "secret too");
	put_slot(&g->m, 0, g->fds[0], &g->x);
	ASSERT_EQ(0, nl_call(&g->nl, &g->m)) TH_LOG("%s", g->nl.text);
}

FIXTURE_TEARDOWN(attached)
{
	EXPECT_EQ(NBDCTL_STATE_LIVE, state_of(&self->g.nl, INDEX));
	EXPECT_EQ(2048, read_number("/sys/block/nbd%d/size", INDEX));
	EXPECT_EQ(0, detach(&self->g.nl, INDEX, true));
	close(self->g.fds[0]);
	self->g.fds[0] = -1;
	tear_down(_metadata, &self->g);
}

#define LIVE(command, error, words, ...) do {					\
	struct ground *g = &self->g;						\
	struct msg *m = &g->m;							\
	int got;								\
										\
	msg_begin(&g->nl, m, NBDCTL_CMD_##command);				\
	__VA_ARGS__;								\
	got = nl_call(&g->nl, m);						\
	EXPECT_EQ(error, got) TH_LOG("%s: %s", #__VA_ARGS__, g->nl.text);	\
	EXPECT_NE(NULL, strstr(g->nl.text, words)) TH_LOG("'%s'", g->nl.text);	\
} while (0)

TEST_F(attached, again)
{
	LIVE(ATTACH, EBUSY, "index", facts(0); put_slot(m, 0, g->fds2[0], &g->x));
}

TEST_F(attached, resize_to_nonsense)
{
	static const uint64_t wrong[] = { 0, 511, 1ull << 63, UINT64_MAX };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		LIVE(RESIZE, EINVAL, "size", U32(DEVICE_INDEX, INDEX); U64(DEVICE_SIZE, wrong[i]));
	LIVE(RESIZE, EINVAL, "size: required", U32(DEVICE_INDEX, INDEX));
}

/* What a replacement says of its export */
static void put_new_facts(struct msg *m, const struct export *x)
{
	put_facts(m, x, INDEX, 1 << NBDCTL_A_DEVICE_CONTEXT);
}

TEST_F(attached, slot_replace)
{
	struct export none = {};

	LIVE(SLOT_REPLACE, EINVAL, "slot: required", U32(DEVICE_INDEX, INDEX));
	LIVE(SLOT_REPLACE, EINVAL, "size: required", U32(DEVICE_INDEX, INDEX);
	     put_slot(m, 0, g->fds2[0], &g->x));
	LIVE(SLOT_REPLACE, ESTALE, "session", put_new_facts(m, &g->x);
	     U64(DEVICE_SESSION, 1ull << 40); put_slot(m, 0, g->fds2[0], &g->x));
	LIVE(RESIZE, ESTALE, "session", U32(DEVICE_INDEX, INDEX); U64(DEVICE_SESSION, 0);
	     U64(DEVICE_SIZE, 1 << 20));
	LIVE(SLOT_REPLACE, EINVAL, "slot", put_new_facts(m, &g->x);
	     put_slot(m, 1, g->fds2[0], &g->x));
	LIVE(SLOT_REPLACE, EINVAL, "slot", put_new_facts(m, &g->x);
	     put_slot(m, -1, g->fds2[0], &g->x));
	LIVE(SLOT_REPLACE, EINVAL, "context-id", put_new_facts(m, &g->x);
	     put_slot(m, 0, g->fds2[0], &none));
	LIVE(SLOT_REPLACE, EBADF, "fd", put_new_facts(m, &g->x);
	     put_slot(m, 0, 9999, &g->x));
	LIVE(SLOT_REPLACE, EBUSY, "fd", put_new_facts(m, &g->x);
	     put_slot(m, 0, g->fds[0], &g->x));
	LIVE(SLOT_REPLACE, EINVAL, "fd", put_new_facts(m, &g->x);
	     NEST(DEVICE_SLOT, U32(SLOT_INDEX, 0)));
}

/* ---- privilege ---- */

static int become_nobody(void)
{
	return setgroups(0, NULL) || setresgid(65534, 65534, 65534) ||
	       setresuid(65534, 65534, 65534);
}

/* Root there, and nobody here */
static int become_root_elsewhere(void)
{
	return unshare(CLONE_NEWUSER | CLONE_NEWNET);
}

static void see_index(struct attrs a, void *arg)
{
	bool *bad = arg;

	*bad |= get(a, NBDCTL_A_DEVICE_IDENTIFIER, 0) || get(a, NBDCTL_A_DEVICE_DISPLAY, 0);
}

/* The exit status tells which line went wrong */
static int unprivileged(struct ground *g, struct nl *nl)
{
	static const uint8_t cmds[] = { NBDCTL_CMD_ATTACH, NBDCTL_CMD_DETACH, NBDCTL_CMD_RESIZE,
					NBDCTL_CMD_SLOT_REPLACE };
	struct msg *m = &g->m;
	bool secret = false;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		msg_begin(nl, m, cmds[i]);
		if (nl_call(nl, m) != EPERM || !strstr(nl->text, "CAP_SYS_ADMIN"))
			return 10 + i;
		/* not even what is there is told */
		put_u32(m, NBDCTL_A_DEVICE_INDEX, INDEX);
		if (nl_call(nl, m) != EPERM)
			return 20 + i;
	}
	msg_begin(nl, m, NBDCTL_CMD_DRIVER_GET);
	if (nl_call(nl, m) || get_u32(reply_attrs(nl), NBDCTL_A_DRIVER_MAX_SLOTS) > 1000)
		return 30;
	if (state_of(nl, INDEX) != NBDCTL_STATE_LIVE)
		return 31;
	if (get_u64(reply_attrs(nl), NBDCTL_A_DEVICE_SIZE) != 1 << 20)
		return 32;
	see_index(reply_attrs(nl), &secret);
	msg_begin(nl, m, NBDCTL_CMD_DEVICE_GET);
	if (nl_dump(nl, m, see_index, &secret) || !nl->replies)
		return 33;
	return secret ? 34 : 0;
}

static void run_as(struct __test_metadata *_metadata, struct ground *g, int (*become)(void),
		   bool own_socket)
{
	static struct nl nl;
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		if (become())
			_exit(2);
		if (own_socket)
			nl_open(&nl);
		_exit(unprivileged(g, own_socket ? &nl : &g->nl));
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status) TH_LOG("exit %d", WEXITSTATUS(status));
}

TEST_F(attached, privilege)
{
	struct ground *g = &self->g;

	run_as(_metadata, g, become_nobody, true);
	run_as(_metadata, g, become_root_elsewhere, true);
	/* a socket that root has opened is no leave */
	run_as(_metadata, g, become_nobody, false);
	/* the privileged reader is told */
	EXPECT_EQ(NBDCTL_STATE_LIVE, state_of(&g->nl, INDEX));
	EXPECT_STREQ("secret", get_str(reply_attrs(&g->nl), NBDCTL_A_DEVICE_IDENTIFIER));
	EXPECT_STREQ("secret too", get_str(reply_attrs(&g->nl), NBDCTL_A_DEVICE_DISPLAY));
}

TEST_HARNESS_MAIN
