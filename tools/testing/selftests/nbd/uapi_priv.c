// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may do what by netlink. Each request here is one that root would get: who lacks
 * CAP_SYS_ADMIN in the initial user namespace is refused for that reason only, changes nothing, and
 * is shown neither identifier nor display, by no reply and no event.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "uapi.h"

#define INDEX		9
#define SIZE		(1 << 20)
#define NOBODY		65534
#define SECRET		"secret"
#define HAS_FLAGS	1
#define MULTI_CONN	(1 << 8)

FIXTURE(privilege)
{
	struct nl nl;
	struct msg m;
	struct export x;
	/* of the connection that is used, and of one that could replace it */
	int fds[2], fds2[2];
};

FIXTURE_SETUP(privilege)
{
	nl_open(&self->nl);
	socket_pair(self->fds);
	socket_pair(self->fds2);
	detach(&self->nl, INDEX, true);
	self->x = (struct export){ .size = SIZE, .flags = HAS_FLAGS | MULTI_CONN };
	msg_begin(&self->nl, &self->m, NBDCTL_CMD_ATTACH);
	put_facts(&self->m, &self->x, INDEX, 0);
	put_str(&self->m, NBDCTL_A_DEVICE_IDENTIFIER, SECRET " identifier");
	put_str(&self->m, NBDCTL_A_DEVICE_DISPLAY, SECRET " display");
	put_u32(&self->m, NBDCTL_A_DEVICE_DEAD_TIME, NBDCTL_TIME_FOREVER);
	put_slot(&self->m, 0, self->fds[0], &self->x);
	ASSERT_EQ(0, nl_call(&self->nl, &self->m)) TH_LOG("%s", self->nl.text);
}

FIXTURE_TEARDOWN(privilege)
{
	detach(&self->nl, INDEX, true);
}

/* ---- requests that would succeed ---- */

static struct msg *make(struct nl *nl, FIXTURE_DATA(privilege) *self, uint8_t cmd)
{
	struct msg *m = &self->m;

	msg_begin(nl, m, cmd);
	switch (cmd) {
	case NBDCTL_CMD_ATTACH:
		put_facts(m, &self->x, INDEX + 1, 0);
		put_slot(m, 0, self->fds2[0], &self->x);
		break;
	case NBDCTL_CMD_DETACH:
		put_u32(m, NBDCTL_A_DEVICE_INDEX, INDEX);
		put_flag(m, NBDCTL_A_DEVICE_FORCE);
		break;
	case NBDCTL_CMD_SLOT_REPLACE:
		put_facts(m, &self->x, INDEX, 0);
		put_str(m, NBDCTL_A_DEVICE_DISPLAY, "another");
		put_slot(m, 0, self->fds2[0], &self->x);
		break;
	case NBDCTL_CMD_RESIZE:
		put_u32(m, NBDCTL_A_DEVICE_INDEX, INDEX);
		put_u64(m, NBDCTL_A_DEVICE_SIZE, SIZE / 2);
		break;
	default:
		put_u32(m, NBDCTL_A_DEVICE_INDEX, INDEX);
	}
	return m;
}

static bool has_secret(struct attrs a)
{
	return memmem(a.at, a.len, SECRET, strlen(SECRET));
}

static void see_device(struct attrs a, void *arg)
{
	*(bool *)arg |= has_secret(a);
}

/* What the unprivileged get. Return: 0, or which line went wrong */
static int refused(FIXTURE_DATA(privilege) *self, struct nl *nl)
{
	static const uint8_t cmds[] = { NBDCTL_CMD_ATTACH, NBDCTL_CMD_DETACH,
					NBDCTL_CMD_SLOT_REPLACE, NBDCTL_CMD_RESIZE,
					NBDCTL_CMD_KEEP };
	bool secret = false;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		if (nl_call(nl, make(nl, self, cmds[i])) != EPERM)
			return 10 + i;
		if (!strstr(nl->text, "CAP_SYS_ADMIN") || nl->replies)
			return 20 + i;
	}
	if (nl_call(nl, make(nl, self, NBDCTL_CMD_DEVICE_GET)) ||
	    get_u64(reply_attrs(nl), NBDCTL_A_DEVICE_SIZE) != SIZE)
		return 30;
	if (has_secret(reply_attrs(nl)))
		return 31;
	msg_begin(nl, &self->m, NBDCTL_CMD_DEVICE_GET);
	if (nl_dump(nl, &self->m, see_device, &secret) || !nl->replies)
		return 32;
	return secret ? 33 : 0;
}

/* What the privileged get: they see all, and halve the disk. Return: 0, or what went wrong */
static int allowed(FIXTURE_DATA(privilege) *self, struct nl *nl)
{
	if (nl_call(nl, make(nl, self, NBDCTL_CMD_DEVICE_GET)))
		return 40;
	if (strcmp(get_str(reply_attrs(nl), NBDCTL_A_DEVICE_IDENTIFIER), SECRET " identifier") ||
	    strcmp(get_str(reply_attrs(nl), NBDCTL_A_DEVICE_DISPLAY), SECRET " display"))
		return 41;
	return nl_call(nl, make(nl, self, NBDCTL_CMD_RESIZE)) ? 42 : 0;
}

/* ---- the caller ---- */

static int set_ids(void)
{
	return setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	       setresuid(NOBODY, NOBODY, NOBODY);
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), rc;

	rc = fd < 0 || write(fd, text, strlen(text)) < 0;
	close(fd);
	return rc;
}

/* As "unshare -Ur" makes it: all capabilities, in a user namespace that anybody can have */
static int root_of_own_namespace(void)
{
	return set_ids() || prctl(PR_SET_DUMPABLE, 1) || unshare(CLONE_NEWUSER | CLONE_NEWNET) ||
	       write_file("/proc/self/setgroups", "deny") ||
	       write_file("/proc/self/uid_map", "0 65534 1") ||
	       write_file("/proc/self/gid_map", "0 65534 1") || getuid();
}

static int root_elsewhere(void)
{
	return unshare(CLONE_NEWUSER | CLONE_NEWNET);
}

static int set_capabilities(uint64_t set)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = set, .permitted = set },
		{ .effective = set >> 32, .permitted = set >> 32 },
	};

	return syscall(SYS_capset, &header, data);
}

/* User 0, with every other capability */
static int root_without(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -1;
	return set_capabilities(((uint64_t)data[1].permitted << 32 | data[0].permitted) &
				~(1ull << CAP_SYS_ADMIN));
}

/* Nobody, with this one */
static int nobody_with(void)
{
	return prctl(PR_SET_KEEPCAPS, 1) || set_ids() || set_capabilities(1ull << CAP_SYS_ADMIN);
}

static int other_network(void)
{
	return unshare(CLONE_NEWNET);
}

enum opener {
	OPENED_SELF,		/* by the caller */
	OPENED_BEFORE,		/* by root, for the caller */
	OPENED_BY_NOBODY,	/* and used by the caller */
};

static void ask_as(struct __test_metadata *_metadata, FIXTURE_DATA(privilege) *self,
		   int (*become)(void), enum opener opener,
		   int (*ask)(FIXTURE_DATA(privilege) *self, struct nl *nl))
{
	static struct nl nl;
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		if (opener == OPENED_BEFORE)
			nl_open(&nl);
		if (opener == OPENED_BY_NOBODY && seteuid(NOBODY))
			_exit(1);
		if (opener == OPENED_BY_NOBODY)
			nl_open(&nl);
		if (opener == OPENED_BY_NOBODY && seteuid(0))
			_exit(1);
		if (become && become())
			_exit(2);
		if (opener == OPENED_SELF)
			nl_open(&nl);
		_exit(ask(self, &nl));
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status) TH_LOG("exit %d", WEXITSTATUS(status));
}

/* ---- before and after ---- */

/* What I/O of others changes, udev's for example */
static bool is_of_io(int type)
{
	return type == NBDCTL_A_DEVICE_OPENERS || type == NBDCTL_A_DEVICE_SLOT ||
	       (type >= NBDCTL_A_DEVICE_IN_FLIGHT && type <= NBDCTL_A_DEVICE_BYTES_RECEIVED);
}

/* All else that a device shows */
static size_t snapshot(FIXTURE_DATA(privilege) *self, char *to, size_t room)
{
	struct attrs a;
	size_t len = 0, n;
	int type;

	if (nl_call(&self->nl, make(&self->nl, self, NBDCTL_CMD_DEVICE_GET)))
		return 0;
	a = reply_attrs(&self->nl);
	for (type = 1; type <= NBDCTL_A_DEVICE_MAX; type++) {
		const struct nlattr *attr = get(a, type, 0);

		if (!attr || is_of_io(type))
			continue;
		n = attr->nla_len;
		if (len + n > room)
			return 0;
		memcpy(to + len, attr, n);
		len += n;
	}
	a = nested(get(a, NBDCTL_A_DEVICE_SLOT, 0));
	len += snprintf(to + len, room - len, "%lld %lld %lld",
			(long long)get_u32(a, NBDCTL_A_SLOT_STATE),
			(long long)get_u32(a, NBDCTL_A_SLOT_REASON),
			(long long)get_u32(a, NBDCTL_A_SLOT_RECONNECTS));
	return len;
}

static void check_refused(struct __test_metadata *_metadata, FIXTURE_DATA(privilege) *self,
			  int (*become)(void), enum opener opener)
{
	static char before[4096], after[4096];
	size_t len = snapshot(self, before, sizeof(before));
	char c;

	ASSERT_LT(100ul, len);
	ask_as(_metadata, self, become, opener, refused);
	ASSERT_EQ(len, snapshot(self, after, sizeof(after)));
	EXPECT_EQ(0, memcmp(before, after, len));
	EXPECT_EQ(SIZE / 512, read_number("/sys/block/nbd%d/size", INDEX));
	EXPECT_LE(read_number("/sys/block/nbd%d/size", INDEX + 1), 0);
	/* the socket that was offered is its owner's */
	EXPECT_EQ(1, send(self->fds2[0], "x", 1, MSG_NOSIGNAL));
	EXPECT_EQ(1, recv(self->fds2[1], &c, 1, MSG_DONTWAIT));
}

TEST_F(privilege, nobody)
{
	check_refused(_metadata, self, set_ids, OPENED_SELF);
}

TEST_F(privilege, root_of_own_namespace)
{
	check_refused(_metadata, self, root_of_own_namespace, OPENED_SELF);
}

TEST_F(privilege, root_elsewhere)
{
	check_refused(_metadata, self, root_elsewhere, OPENED_SELF);
}

TEST_F(privilege, root_without_the_capability)
{
	check_refused(_metadata, self, root_without, OPENED_SELF);
}

TEST_F(privilege, socket_of_root)
{
	check_refused(_metadata, self, set_ids, OPENED_BEFORE);
}

/* As when a program of root's is given a socket for its standard error */
TEST_F(privilege, socket_of_nobody)
{
	check_refused(_metadata, self, NULL, OPENED_BY_NOBODY);
}

TEST_F(privilege, nobody_with_the_capability)
{
	ask_as(_metadata, self, nobody_with, OPENED_SELF, allowed);
	EXPECT_EQ(SIZE / 2 / 512, read_number("/sys/block/nbd%d/size", INDEX));
}

TEST_F(privilege, other_network_namespace)
{
	ask_as(_metadata, self, other_network, OPENED_SELF, allowed);
	EXPECT_EQ(SIZE / 2 / 512, read_number("/sys/block/nbd%d/size", INDEX));
}

/* ---- events ---- */

/* Hears of a device until it is gone. Return: 0, or which event told a secret */
static int listen_as_nobody(FIXTURE_DATA(privilege) *self, int ready)
{
	static struct nl nl;
	unsigned int seen = 0;
	int event;

	if (set_ids())
		return 1;
	nl_open(&nl);
	nl_subscribe(&nl);
	if (write(ready, "x", 1) != 1)
		return 2;
	do {
		event = nl_event(&nl, 10000);
		if (memmem(nl.reply.data, nl.reply.len, SECRET, strlen(SECRET)))
			return 100 + event;
		seen |= 1u << event;
	} while (event && event != NBDCTL_CMD_DETACHED_EVENT);
	return seen == (1u << NBDCTL_CMD_RESIZED_EVENT | 1u << NBDCTL_CMD_CONNECTION_UP_EVENT |
			1u << NBDCTL_CMD_CONNECTION_DOWN_EVENT | 1u << NBDCTL_CMD_DETACHED_EVENT) ?
		0 : 3;
}

TEST_F(privilege, events_tell_no_secret)
{
	int ready[2], status = -1;
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe(ready));
	pid = fork();
	if (!pid)
		_exit(listen_as_nobody(self, ready[1]));
	ASSERT_EQ(1, read(ready[0], &c, 1));
	shutdown(self->fds[1], SHUT_RDWR);
	ASSERT_TRUE(wait_state(&self->nl, INDEX, NBDCTL_STATE_WAITING, 20000));
	msg_begin(&self->nl, &self->m, NBDCTL_CMD_SLOT_REPLACE);
	put_facts(&self->m, &self->x, INDEX, 0);
	put_str(&self->m, NBDCTL_A_DEVICE_DISPLAY, SECRET " too");
	put_slot(&self->m, 0, self->fds2[0], &self->x);
	EXPECT_EQ(0, nl_call(&self->nl, &self->m)) TH_LOG("%s", self->nl.text);
	EXPECT_EQ(0, nl_call(&self->nl, make(&self->nl, self, NBDCTL_CMD_RESIZE)));
	EXPECT_EQ(0, detach(&self->nl, INDEX, true));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status) TH_LOG("exit %d", WEXITSTATUS(status));
}

TEST_HARNESS_MAIN
