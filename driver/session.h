/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sessions: a session is one attach, from its set-up to its end. Its connections are in slots
 * (slots.h), which get the commands (dispatch.h).
 */
#ifndef NBD_SESSION_H
#define NBD_SESSION_H

#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/ratelimit.h>
#include <linux/semaphore.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "../uapi/linux/nbdctl.h"
#include "batch.h"
#include "cmd.h"
#include "export.h"

struct nbd_conn;

/* Limits: connections of a device, requests in flight per hardware queue, queries in flight */
#define NBD_MAX_SLOTS		128u
#define NBD_MAX_DEPTH		1024u
#define NBD_DEFAULT_DEPTH	128u
#define NBD_QUERY_TAGS		4u

/**
 * enum nbd_session_state - states of a session, see architecture.rst
 * @NBD_SESSION_SETUP: not yet visible to anything but the request that builds it
 * @NBD_SESSION_LIVE: at least one slot has a connection
 * @NBD_SESSION_WAITING: no slot has one; commands are parked, or fail if @gave_up
 * @NBD_SESSION_DRAINING: an orderly detach waits for what is in flight
 * @NBD_SESSION_ENDING: an orderly detach ends the connections; commands fail, as in the next state
 * @NBD_SESSION_ABORTED: the detach is forced; no server is waited for
 */
enum nbd_session_state {
	NBD_SESSION_SETUP,
	NBD_SESSION_LIVE,
	NBD_SESSION_WAITING,
	NBD_SESSION_DRAINING,
	NBD_SESSION_ENDING,
	NBD_SESSION_ABORTED,
};

/**
 * enum nbd_origin - the interface that a session was attached by
 * @NBD_ORIGIN_NBDCTL: the family "nbdctl"
 * @NBD_ORIGIN_NETLINK: the family "nbd"
 * @NBD_ORIGIN_IOCTL: the ioctls of linux/nbd.h, by a process that keeps the disk open
 */
enum nbd_origin {
	NBD_ORIGIN_NBDCTL,
	NBD_ORIGIN_NETLINK,
	NBD_ORIGIN_IOCTL,
};

/**
 * struct nbd_slot - a place for a connection
 * @conn: its connection, or NULL; RCU, written under the session's @lock
 * @reconnects: connections that it got after the first; written under the session's @lock
 * @reason: errno of the connection that was lost, positive; 0 if none was, or it was replaced;
 *	written under the session's @lock
 * @flush_lock: held while the slot's internal command is in use, a flush of the connection's server
 */
struct nbd_slot {
	struct nbd_conn __rcu *conn;
	u32 reconnects;
	u32 reason;
	struct mutex flush_lock;	/* the internal command */
};

/**
 * struct nbd_session_queue - submission to a hardware queue
 * @session: the session
 * @batch: request batching
 * @turn: selects the current slot, see dispatch_queue_slot(); written without a lock
 */
struct nbd_session_queue {
	struct nbd_session *session;
	struct nbd_batch batch;
	u32 turn;
} ____cacheline_aligned_in_smp;

/**
 * struct nbd_pieces - size of the parts in which TRIM and WRITE_ZEROES are sent
 * @size: in bytes, a power of two; 0 to send each request as a whole. Written without a lock
 * @least: minimum of @size, in bytes
 * @most: maximum of @size, in bytes
 */
struct nbd_pieces {
	u32 size;
	u32 least;
	u32 most;
};

/**
 * struct nbd_totals - what all connections have done that a session has and had
 * @requests: commands put in a batch, without DISC
 * @replies: complete replies
 * @errors: complete replies with an error
 * @bytes_sent: bytes of batches sent
 * @bytes_received: bytes read from sockets
 * @last_error: errno of the connection that was lost last, positive; 0 if none was
 * @lost_ns: when it was, in ns since boot
 */
struct nbd_totals {
	u64 requests;
	u64 replies;
	u64 errors;
	u64 bytes_sent;
	u64 bytes_received;
	u32 last_error;
	u64 lost_ns;
};

/**
 * struct nbd_session - one attach
 * @ref: held by the device while it is attached, each connection, each block status query, an
 *	orderly detach, and callers of nbd_devices_get_session()
 * @number: unique since boot
 * @index: number of the device
 * @origin: interface that it was attached by
 * @pid: process that attached it, or that replaces its connections, in the initial PID namespace
 * @destroy: its end removes the device, and no other one gets the number
 * @end_on_close: it ends when the disk is no longer open
 * @end_anyway: its orderly detach is not called off; written under @lock
 * @export: negotiated parameters; only the size changes
 * @identifier: free text that says what is attached, or NULL
 * @display: human-readable origin, such as a URI, or NULL; under @lock
 * @request_timeout: in jiffies, 0 for none; can change while it is in use, as @dead_time
 * @dead_time: dead-connection timeout in milliseconds, NBDCTL_TIME_FOREVER for no limit
 * @pieces: part size of TRIM and WRITE_ZEROES
 * @table: the commands
 * @lock: serialises changes of slots and state; no peer is waited for under it
 * @born: connections that were put into slots so far; written under @lock
 * @forced: value of @born at the last forced replacement: slots_wait_on() waits a second at most
 *	for the servers of connections up to it; written under @lock
 * @nr_retiring: connections that are out of their slots and not yet torn down; under @lock
 * @retiring: those connections; under @lock
 * @past: totals of the connections that were torn down; under @lock
 * @retire_wq: woken when @nr_retiring becomes 0
 * @state: written under @lock and @park_lock
 * @dropped: the device is done with the session, and has a successor if it was not in use
 * @drop_calls: called after that; added to under the device's lock, while it has the session
 * @change_wq: woken after each change of @state, and when @dropped is set
 * @gave_up: the dead-connection timeout has expired, and no connection has come since; written
 *	under @lock and @park_lock
 * @park_lock: protects @parked, @suspects, @usable, @quiesce_depth and @epoch; writers of @state
 *	and @gave_up take it, too
 * @parked: commands that wait for a connection
 * @suspects: commands that may have caused the loss of connections, to be sent alone
 * @alone_work: sends @suspects, one at a time
 * @usable: slots with a connection, even if that has failed; written under @lock and @park_lock
 * @quiesce_depth: if not 0, commands are parked, see slots_quiesce(); under @park_lock
 * @epoch: incremented after each change of the set of connections; written under @park_lock
 * @dead_work: runs when the dead-connection timeout expires
 * @queries: limits queries in flight to NBD_QUERY_TAGS, the number of reserved tags
 * @flushing: the flush of an orderly detach is in flight; this and @flushed are used only by the
 *	work item of a detach
 * @flushed: completion that is signalled when that flush has ended
 * @free_work: frees the session, as the last reference may be dropped in atomic context
 * @ratelimit: rate limit of log messages about its servers
 * @queues: submission state, one for each hardware queue
 * @nr_slots: entries in @slots
 * @slots: the slots
 */
struct nbd_session {
	struct kref ref;
	u64 number;
	u32 index;
	enum nbd_origin origin;
	pid_t pid;
	bool destroy;
	bool end_on_close;
	bool end_anyway;
	struct nbd_export export;
	char *identifier;
	char *display;
	unsigned long request_timeout;
	u32 dead_time;
	struct nbd_pieces pieces;
	struct nbd_cmd_table table;
	struct mutex lock;	/* slots, state, display, nr_retiring, retiring, past */
	u32 born;
	u32 forced;
	u32 nr_retiring;
	struct list_head retiring;
	struct nbd_totals past;
	wait_queue_head_t retire_wq;
	enum nbd_session_state state;
	bool dropped;
	struct list_head drop_calls;
	wait_queue_head_t change_wq;
	bool gave_up;
	spinlock_t park_lock;	/* parked, suspects, usable, quiesce_depth, epoch, gave_up, state */
	struct list_head parked;
	struct list_head suspects;
	struct work_struct alone_work;
	u32 usable;
	u32 quiesce_depth;
	u32 epoch;
	struct delayed_work dead_work;
	struct semaphore queries;
	bool flushing;
	struct completion flushed;
	struct work_struct free_work;
	struct ratelimit_state ratelimit;
	struct nbd_session_queue *queues;
	u32 nr_slots;
	struct nbd_slot slots[];
};

extern struct workqueue_struct *nbd_ctl_wq;

void nbd_sessions_init(void);
struct nbd_session *nbd_session_alloc(u32 nr_slots);
int nbd_session_init_queues(struct nbd_session *session, u32 index, u32 queues, u32 depth);
void nbd_session_get(struct nbd_session *session);
void nbd_session_put(struct nbd_session *session);
void nbd_session_keep(struct nbd_session *session);
char *nbd_session_set_display(struct nbd_session *session, char *display);

void nbd_session_set_state(struct nbd_session *session, enum nbd_session_state state);
enum nbdctl_state nbd_session_uapi_state(const struct nbd_session *session);
int nbd_session_drain(struct nbd_session *session, bool anyway, bool *usable);
bool nbd_session_cancel_drain(struct nbd_session *session);

/* True once commands fail: the session has ended, or is about to */
static inline bool nbd_session_is_ended(const struct nbd_session *session)
{
	return READ_ONCE(session->state) >= NBD_SESSION_ENDING;
}

/* True if the request timeout has passed since @since. It can be changed at any time. */
static inline bool nbd_session_overdue(const struct nbd_session *session, unsigned long since)
{
	unsigned long timeout = READ_ONCE(session->request_timeout);

	return timeout && time_after_eq(jiffies, since + timeout);
}

#endif /* NBD_SESSION_H */
