/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ground of the programs that call an nbd driver by its old interfaces, the netlink family nbd and
 * the ioctls 0xab, and print a transcript. A line of it is "SCENE.STEP KEY=VALUE...". It depends
 * neither on time nor on numbers that a kernel gives out, so those of two drivers can be compared.
 */
#ifndef COMPAT_H
#define COMPAT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/nbd-netlink.h>
#include <linux/nbd.h>

#include "uapi.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define MIB		(1ull << 20)
/* What the test server has */
#define EXPORT_SIZE	(16 * MIB)
/* No scan for partitions reads this */
#define MUTE_PLACE	(2 * MIB)

/* Flags that headers of older kernels lack */
#define FLAG_ROTATIONAL		(1 << 4)
#define FLAG_WRITE_ZEROES	(1 << 6)

/* ---- scenes and lines (compat.c) ---- */

/* A run of steps, in a process of its own, with no device connected before it */
struct scene {
	const char *name;
	void (*run)(void);
};

/* Return: exit status. A scene that hangs ends with a line that says so */
int run_scenes(const struct scene *scenes, size_t nr);
/* Begin a line, add to it, end it. The order is that of the calls */
void step(const char *format, ...) __attribute__((format(printf, 1, 2)));
void field(const char *key, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* End it with what a call returned: 0 or a positive errno */
void outcome(int error);
void end_step(void);

/* Run in a child, without privileges if @nobody. Return: what @run returns, 0 to 255 */
int in_child(int (*run)(void *arg), void *arg, bool nobody);
/* Return: true if the child ended in time; its status is in @status */
bool reap(pid_t pid, int *status, int ms);

/* ---- state of a device (compat_state.c) ---- */

/* Process that sysfs pid is expected to name */
extern pid_t starter;

void watch_events(void);
/* What came of it: size, STATUS, files, and the events since the last line of this kind */
void show_device(int index, const char *label);
/* The same, and a line with the limits of its queue */
void show_live(int index, const char *label);
void show_debugfs(int index, const char *label);
/* Read, write, flush and discard, each on a line */
void show_io(int index, const char *label);
/* The text of a file, with "_" for each space; "-" if there is none */
const char *text_of(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool wait_pid_file(int index, bool there);

/* ---- calls (compat_call.c) ---- */

extern struct nl nl;
extern struct msg request;

/* Return: 0 or a positive errno; printed */
int call_ioctl(int fd, const char *label, unsigned int nr, unsigned long arg);
/* From here on the ioctls of this process and its children are those of a 32-bit program */
void call_as_32_bit(void);
/* Return: 0 or a positive errno; not printed */
int try_ioctl(int fd, unsigned int nr, unsigned long arg);
/* All ioctls but CLEAR_SOCK and DISCONNECT, which netlink's devices refuse */
void call_refused(int fd);
/* Some that no nbd driver knows */
void call_unknown(int fd);
/* The same by a process that opens the device itself */
int call_elsewhere(int index, const char *label, unsigned int nr, unsigned long arg);
pid_t start_do_it(int index, int fd);
/* The first partition, once its table has been read */
int open_partition(int index);
/* A process that reads at MUTE_PLACE; its exit status is the errno */
pid_t start_reader(int index);
/* Print what DO_IT or the read returned in the process */
void show_result(pid_t pid, const char *label);

/* A request in @request; @index may be -1 */
void begin_request(uint8_t cmd, int index);
void begin_connect(int index, uint64_t size, uint64_t flags);
void add_sockets(const int *fds, int nr);
/* Send it and print the reply. Return: 0 or a positive errno */
int call_netlink(const char *label);
int disconnect(int index, const char *label);

/* ---- test server (compat_peer.c) ---- */

#define PEER_TCP	0x1	/* else a Unix socket */
#define PEER_MUTE	0x2	/* never replies to what is at MUTE_PLACE */
#define PEER_STAYS	0x4	/* does not close after a soft disconnect */
#define PEER_FAILS	0x8	/* replies with EIO */
#define PEER_TABLE	0x10	/* has a table with one partition */

/**
 * struct peer - a connection past its handshake, and its server, which is a process
 * @fd: the client's end
 * @pid: the server
 * @log: what it was sent
 */
struct peer {
	int fd;
	pid_t pid;
	struct peer_log *log;
};

/* All servers of a scene have the same data */
struct peer start_peer(int flags);
/* Kill the server, and wait until the driver must have noticed */
void stop_peer(struct peer *peer);
void close_peer(struct peer *peer);
/* What they were sent, and how many of them ended, and how */
void show_peers(const struct peer *peers, int nr, const char *label);
void show_peer_end(const struct peer *peer, const char *label);

#endif /* COMPAT_H */
