/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ground of the tests of the driver's interfaces: netlink messages of any
 * shape, right or wrong, and a test server with a handshake that leaves the
 * socket to the test. Where these themselves fail, the test ends at once.
 */
#ifndef UAPI_H
#define UAPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/netlink.h>
#include <linux/nbdctl.h>
#include <linux/nbdmap.h>

/* ---- netlink (uapi_nl.c) ---- */

#define MSG_MAX		(256 * 1024)

struct msg {
	size_t len;
	char data[MSG_MAX] __attribute__((aligned(8)));
};

/* A run of attributes */
struct attrs {
	const char *at;
	size_t len;
};

/**
 * struct nl - a netlink socket, and what the kernel answered last
 * @fd: the socket
 * @family: number of the family, mostly nbdctl
 * @group: number of its group of events
 * @seq: of the last request
 * @text: the extack text, or ""
 * @bad: type of the attribute that the extack points at, or 0
 * @replies: messages that came, in @reply
 * @reply: the last one
 * @cmd: its command
 */
struct nl {
	int fd;
	uint16_t family;
	uint32_t group;
	uint32_t seq;
	char text[512];
	int bad;
	unsigned int replies;
	struct msg reply;
	uint8_t cmd;
};

void nl_open(struct nl *nl);
/*
 * The same for another family, whose first group is @events; its description is
 * left in @nl->reply. Return: false if the kernel has no such family
 */
bool nl_open_family(struct nl *nl, const char *family, const char *events);
void msg_begin(struct nl *nl, struct msg *m, uint8_t cmd);
void put(struct msg *m, int type, const void *data, size_t len);
void put_u16(struct msg *m, int type, uint16_t value);
void put_u32(struct msg *m, int type, uint32_t value);
void put_u64(struct msg *m, int type, uint64_t value);
void put_str(struct msg *m, int type, const char *s);
void put_flag(struct msg *m, int type);
size_t nest(struct msg *m, int type);
void nest_end(struct msg *m, size_t at);
/* Send, and wait for the end of the answer. Return: 0 or a positive errno */
int nl_call(struct nl *nl, struct msg *m);
/* The same for a dump; calls @each for each device */
int nl_dump(struct nl *nl, struct msg *m, void (*each)(struct attrs a, void *arg), void *arg);
void nl_subscribe(struct nl *nl);
/* Wait for an event. Return: its command, 0 if none comes in time */
int nl_event(struct nl *nl, int ms);

struct attrs reply_attrs(const struct nl *nl);
struct attrs nested(const struct nlattr *attr);
const struct nlattr *get(struct attrs a, int type, unsigned int nth);
int count(struct attrs a, int type);
/* -1 if it is not there or of a wrong length */
int64_t get_u32(struct attrs a, int type);
int64_t get_u64(struct attrs a, int type);
/* "" if it is not there */
const char *get_str(struct attrs a, int type);

/* ---- servers (uapi_server.c) ---- */

#define CONTEXTS_MAX	8

/* What was negotiated on one connection */
struct export {
	uint64_t size;
	uint16_t flags;
	bool structured;
	uint32_t nr;
	char names[CONTEXTS_MAX][64];
	uint32_t ids[CONTEXTS_MAX];
};

/* evil-nbd on a Unix socket */
struct server {
	pid_t pid;
	char path[80];
	char log[80];
};

/* Arguments of evil-nbd follow, up to NULL */
void server_start(struct server *s, ...);
void server_stop(struct server *s);
/* From the return of the first to the second, nothing is answered */
void server_pause(const struct server *s);
void server_resume(const struct server *s);
/* Lines of its log that hold the text */
int server_logged(const struct server *s, const char *text);
bool server_logs(const struct server *s, const char *text, int ms);
/* Connect and negotiate: structured replies, and each context in @x->names, unless @x->nr is 0 */
int server_connect(const struct server *s, struct export *x);
/* The same without structured replies and contexts, as the old interfaces need it */
int server_connect_simple(const struct server *s, struct export *x);
/* A server that negotiates nothing, for connections that are never used: our end and its end */
void socket_pair(int fds[2]);

/* ---- devices (uapi_device.c) ---- */

/* The attributes of an attach but its slots; without those whose bit (1 << type) is in @skip */
void put_facts(struct msg *m, const struct export *x, int index, uint32_t skip);
/* A slot; without its number if @index is negative */
void put_slot(struct msg *m, int index, int fd, const struct export *x);
/* Return: 0 or a positive errno; EAGAIN if it was called off. In order, waits for the end */
int detach(struct nl *nl, int index, bool force);
/* In order, @timeout in ms or 0. Does not wait. Return: 0 or a positive errno */
int begin_detach(struct nl *nl, int index, uint32_t timeout);
/* NBDCTL_STATE_* as device-get says, or a negative errno */
int state_of(struct nl *nl, int index);
bool wait_state(struct nl *nl, int index, int state, int ms);
/* The number in a file; -1 if there is none */
long long read_number(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool wait_users(int most, int ms);
int open_disk(int index, int flags);
/*
 * Read 4 KiB. Return: 0 or a positive errno; ENODATA at the end of the disk,
 * EILSEQ if it is not what the server holds
 */
int read_disk(int fd, uint64_t offset);
long long now_ms(void);
void nap(void);
void map_node(int fd, uint32_t *major, uint32_t *minor);
/* The ioctls of linux/nbdmap.h, of the node that is open. Return: as ioctl() */
int map_context(int fd, struct nbdmap_context *arg);
int map_status(int fd, struct nbdmap_status *arg);
/*
 * The system call as 32-bit programs make it, for whom addresses are below 4 GiB.
 * Return: what the kernel returns, 0 or a negative errno
 */
int ioctl32(int fd, unsigned int nr, uintptr_t arg);
/* False if the kernel has no calls for 32-bit programs */
bool has_ioctl32(void);

#endif /* UAPI_H */
