// SPDX-License-Identifier: GPL-2.0-only
/* An attach by ioctl to the disk that an attach by netlink is creating: one of them gets it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include <linux/nbd.h>
#include <linux/netlink.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "uapi_session.h"

#define DISKS		12
#define LISTENERS	800

/**
 * struct rival - what the process that attaches by ioctl shares with the test
 * @on: it tries; else it lets disks pass
 * @tried: number of disks that it has tried to attach to
 * @inside: it is in DO_IT
 */
struct rival {
	atomic_bool on;
	atomic_uint tried;
	atomic_bool inside;
};

/* Try once to attach to each disk that the number gets, as soon as it can be opened */
static void compete(struct rival *rival)
{
	struct stat node, last = { 0 };
	char path[32];
	int fds[2], fd;

	/* its disk has no server that replies, so nothing else would end it */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(path, sizeof(path), "/dev/nbd%d", INDEX);
	for (;;) {
		if (stat(path, &node) || node.st_ino == last.st_ino)
			continue;
		if (!rival->on) {
			last = node;
			continue;
		}
		fd = open(path, O_RDWR);
		if (fd < 0)
			continue;
		last = node;
		socket_pair(fds);
		rival->inside = true;
		if (!ioctl(fd, NBD_SET_SOCK, (unsigned long)fds[0]) &&
		    !ioctl(fd, NBD_SET_SIZE, (unsigned long)SIZE))
			ioctl(fd, NBD_DO_IT);
		rival->inside = false;
		ioctl(fd, NBD_CLEAR_SOCK);
		close(fds[0]);
		close(fds[1]);
		close(fd);
		rival->tried++;
	}
}

/* The kernel tells them of a new disk before it returns to the attach: that takes long */
static void listen_to_uevents(void)
{
	struct sockaddr_nl all = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int i, fd;

	for (i = 0; i < LISTENERS; i++) {
		fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
		if (fd < 0 || bind(fd, (struct sockaddr *)&all, sizeof(all)))
			ksft_exit_fail_msg("listener %d: %m\n", i);
	}
}

static int attach_beside(struct rival *rival, struct ground *g, uint32_t depth)
{
	int error;

	reconnect(g, 0);
	/* The rival looks at the disk that is there, and then waits for the next one */
	usleep(20000);
	rival->on = true;
	msg_begin(&g->nl, &g->m, NBDCTL_CMD_ATTACH);
	put_facts(&g->m, &g->x[0], INDEX, 0);
	put_u32(&g->m, NBDCTL_A_DEVICE_QUEUE_DEPTH, depth);
	put_slot(&g->m, 0, g->conns[0], &g->x[0]);
	error = nl_call(&g->nl, &g->m);
	rival->on = false;
	close(g->conns[0]);
	return error;
}

static bool rival_left(const struct rival *rival, int ms)
{
	long long end = now_ms() + ms;

	while (rival->inside && now_ms() < end)
		usleep(1000);
	return !rival->inside;
}

/* If the rival was first, it may have the disk */
static bool make_idle(struct nl *nl)
{
	long long end = now_ms() + 20000;

	do {
		detach(nl, INDEX, true);
		if (wait_state(nl, INDEX, NBDCTL_STATE_IDLE, 100))
			return true;
	} while (now_ms() < end);
	return false;
}

FIXTURE(creation)
{
	struct ground g;
	struct rival *rival;
	pid_t pid;
};

FIXTURE_SETUP(creation)
{
	set_up(&self->g);
	close(self->g.conns[0]);
	close(self->g.conns[1]);
	self->rival = mmap(NULL, sizeof(*self->rival), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->rival);
	self->pid = fork();
	if (!self->pid)
		compete(self->rival);
	listen_to_uevents();
}

FIXTURE_TEARDOWN(creation)
{
	kill(self->pid, SIGKILL);
	waitpid(self->pid, NULL, 0);
	tear_down(_metadata, &self->g);
}

/*
 * Another queue depth each time makes another disk each time. Where the rival is always first, more
 * disks are tried.
 */
TEST_F_TIMEOUT(creation, one_session, 120)
{
	unsigned int attached = 0, i;
	int error;

	for (i = 0; i < DISKS || (!attached && i < 10 * DISKS); i++) {
		error = attach_beside(self->rival, &self->g, i & 1 ? 16 : 32);
		if (!error) {
			attached++;
			ASSERT_TRUE(rival_left(self->rival, 10000)) {
				TH_LOG("attached by netlink and by ioctl, disk %u", i);
			}
		} else {
			ASSERT_EQ(EBUSY, error) TH_LOG("%s", self->g.nl.text);
		}
		ASSERT_TRUE(make_idle(&self->g.nl));
	}
	EXPECT_GE(self->rival->tried, DISKS / 4u);
	EXPECT_GT(attached, 0u);
	TH_LOG("%u attaches, %u tries by ioctl", attached, self->rival->tried);
}

TEST_HARNESS_MAIN
