/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ground of the tests of an attached device's life, by netlink. The servers'
 * logs and content are the witnesses.
 */
#ifndef UAPI_SESSION_H
#define UAPI_SESSION_H

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "uapi.h"

#define INDEX	8
#define SIZE	(16ll << 20)

/**
 * struct ground - two servers of one content, each with two contexts
 * @nl: for commands
 * @events: hears events
 * @m: a message
 * @s: the servers
 * @x: what was negotiated with each
 * @conns: connections with each
 * @disk: descriptor of the disk, or -1
 */
struct ground {
	struct nl nl;
	struct nl events;
	struct msg m;
	struct server s[2];
	struct export x[2];
	int conns[2];
	int disk;
};

static inline void reconnect(struct ground *g, int i)
{
	g->x[i].nr = 2;
	strcpy(g->x[i].names[0], "base:allocation");
	strcpy(g->x[i].names[1], "test:random");
	g->conns[i] = server_connect(&g->s[i], &g->x[i]);
}

static inline void serve(struct ground *g, int i)
{
	server_start(&g->s[i], "--size", "16M", "--context", "base:allocation", "--context",
		     "test:random=random", "--seed", i ? "2" : "1", NULL);
	reconnect(g, i);
}

static inline void set_up(struct ground *g)
{
	nl_open(&g->nl);
	nl_open(&g->events);
	nl_subscribe(&g->events);
	serve(g, 0);
	serve(g, 1);
	g->disk = -1;
}

static inline void close_disk(struct ground *g)
{
	if (g->disk >= 0)
		close(g->disk);
	g->disk = -1;
}

static inline void tear_down(struct __test_metadata *_metadata, struct ground *g)
{
	detach(&g->nl, INDEX, true);
	close_disk(g);
	EXPECT_TRUE(wait_state(&g->nl, INDEX, NBDCTL_STATE_IDLE, 20000));
	EXPECT_EQ(0, server_logged(&g->s[0], "VIOLATION"));
	EXPECT_EQ(0, server_logged(&g->s[1], "VIOLATION"));
	server_stop(&g->s[0]);
	server_stop(&g->s[1]);
}

/* Attach to the first @n servers */
static inline int attach(struct ground *g, int n, uint32_t dead_ms, uint32_t request_ms)
{
	int i, error;

	msg_begin(&g->nl, &g->m, NBDCTL_CMD_ATTACH);
	put_facts(&g->m, &g->x[0], INDEX, 0);
	put_u32(&g->m, NBDCTL_A_DEVICE_DEAD_TIME, dead_ms);
	put_u32(&g->m, NBDCTL_A_DEVICE_REQUEST_TIMEOUT, request_ms);
	put_str(&g->m, NBDCTL_A_DEVICE_IDENTIFIER, "an identifier");
	put_str(&g->m, NBDCTL_A_DEVICE_DISPLAY, "a display");
	for (i = 0; i < n; i++)
		put_slot(&g->m, i, g->conns[i], &g->x[i]);
	error = nl_call(&g->nl, &g->m);
	for (i = 0; i < n; i++)
		close(g->conns[i]);
	return error;
}

/* Put the connection with server @i into the slot */
static inline int replace(struct ground *g, int slot, int i)
{
	int error;

	msg_begin(&g->nl, &g->m, NBDCTL_CMD_SLOT_REPLACE);
	put_facts(&g->m, &g->x[i], INDEX, 1 << NBDCTL_A_DEVICE_CONTEXT);
	put_slot(&g->m, slot, g->conns[i], &g->x[i]);
	error = nl_call(&g->nl, &g->m);
	close(g->conns[i]);
	return error;
}

static inline struct attrs slot_of(struct ground *g, int slot)
{
	state_of(&g->nl, INDEX);
	return nested(get(reply_attrs(&g->nl), NBDCTL_A_DEVICE_SLOT, slot));
}

/* A child that reads 4 KiB at 5 MiB; its exit status is the errno */
static inline pid_t reader(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(read_disk(open_disk(INDEX, O_RDONLY | O_DIRECT), 5 << 20));
	return pid;
}

static inline int status_of(pid_t pid, int ms)
{
	long long end = now_ms() + ms;
	int status;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (now_ms() > end)
			return -1;
		usleep(10000);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -2;
}

#endif /* UAPI_SESSION_H */
