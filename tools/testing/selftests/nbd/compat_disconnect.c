// SPDX-License-Identifier: GPL-2.0-only
/* NBD_DISCONNECT of a disk that is being read: no request is in flight when DISC is sent. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <linux/nbd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "uapi_session.h"

#define ROUNDS	2
/* The kernel wakes all that have waited until nothing is in flight, which takes long for so many */
#define READERS	150

/* Read until that fails; the exit status is the errno */
static pid_t persistent_reader(int fd)
{
	pid_t pid = fork();
	int error;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	do
		error = read_disk(fd, 5 << 20);
	while (!error);
	_exit(error);
}

FIXTURE(disconnect)
{
	struct ground g;
};

FIXTURE_SETUP(disconnect)
{
	set_up(&self->g);
}

FIXTURE_TEARDOWN(disconnect)
{
	tear_down(_metadata, &self->g);
}

TEST_F_TIMEOUT(disconnect, being_read, 300)
{
	struct ground *g = &self->g;
	pid_t pids[READERS];
	int round, i, error;

	for (round = 0; round < ROUNDS; round++) {
		if (round)
			reconnect(g, 0);
		ASSERT_EQ(0, attach(g, 1, 0, 0)) TH_LOG("%s", g->nl.text);
		g->disk = open_disk(INDEX, O_RDONLY | O_DIRECT);
		for (i = 0; i < READERS; i++)
			pids[i] = persistent_reader(g->disk);
		usleep(200000);
		ASSERT_EQ(0, ioctl(g->disk, NBD_DISCONNECT));
		for (i = 0; i < READERS; i++) {
			error = status_of(pids[i], 60000);
			EXPECT_TRUE(error == EIO || error == ENODATA) TH_LOG("errno %d", error);
		}
		close_disk(g);
		ASSERT_TRUE(wait_state(&g->nl, INDEX, NBDCTL_STATE_IDLE, 20000));
		ASSERT_TRUE(server_logs(&g->s[0], "DISC", 20000));
		ASSERT_EQ(0, server_logged(&g->s[0], "VIOLATION")) TH_LOG("round %d", round);
	}
}

TEST_HARNESS_MAIN
