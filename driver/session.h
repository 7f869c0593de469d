/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sessions: one attach, from its set-up to its end. The session knows which
 * connections work, gives commands to them, parks commands while none does
 * (session.c), and takes connections down (slots.c). One function changes its
 * state.
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
#include "cmd.h"
#include "conn.h"
#include "export.h"
#include "gather.h"

/* Most connections of a device, requests in flight per queue, requests for maps */
#define NBD_MAX_SLOTS		128u
#define NBD_MAX_DEPTH		1024u
#define NBD_DEFAULT_DEPTH	128u
#define NBD_PRIVATE_TAGS	4u
/* Those, and one for the flush of a detach, which has to wait for none of them */
#define NBD_RESERVED_TAGS	(NBD_PRIVATE_TAGS + 1)

/**
 * struct nbd_slot - a place for a connection
 * @conn: the connection in it, or NULL; written under the session's @lock
 * @reconnects: connections it had after the first
 * @reason: errno that ended the last one, positive, 0 for none
 * @own_lock: held by who uses the command of its own that the session has for it
 */
struct nbd_slot {
	struct nbd_conn __rcu *conn;
	u32 reconnects;
	u32 reason;
	struct mutex own_lock;	/* its own command */
};

/**
 * struct nbd_session_queue - what submitters to a hardware queue share
 * @session: the session
 * @gather: decides whether what they submit waits for more
 * @turn: whose turn it is among the queue's slots
 */
struct nbd_session_queue {
	struct nbd_session *session;
	struct nbd_gather gather;
	u32 turn;
} ____cacheline_aligned_in_smp;

/**
 * struct nbd_pieces - how much of a TRIM or WRITE_ZEROES is sent at once
 * @size: bytes, a power of two; 0 for all
 * @least: it becomes no smaller
 * @most: and no larger
 */
struct nbd_pieces {
	u32 size;
	u32 least;
	u32 most;
};

/**
 * struct nbd_session - an attach
 * @ref: the device has one while it is attached, each connection, each private request
 * @number: no other session has or had it since the machine was started
 * @index: number of the device
 * @export: the facts; only the size changes
 * @identifier: free text, or NULL
 * @display: what to show people, or NULL; under @lock
 * @request_timeout: in jiffies, 0 for never
 * @dead_time: in milliseconds, NBDCTL_TIME_FOREVER for no end
 * @pieces: of commands without payload
 * @table: the commands
 * @lock: serialises what changes slots and state; held for short
 * @born: connections it has made so far; written under @lock
 * @forced: the first so many are not waited for; likewise
 * @leaving: connections that are out of their slot and not yet taken down; under @lock
 * @left: @leaving has become 0
 * @abrupt: nothing of the session is waited for any more
 * @state: written under @lock and @park_lock
 * @gave_up: the dead time ran out; likewise
 * @park_lock: protects @parked, @suspects, and what a submitter must see with it
 * @parked: commands that wait for a connection
 * @suspects: commands that connections may have died of, to be sent alone
 * @alone_work: sends them
 * @usable: connections that take commands; under @park_lock
 * @holds: reasons to park commands though connections work; under @park_lock
 * @epoch: counts changes of the set of connections; written under @park_lock
 * @dead_work: ends the dead time
 * @privates: bounds the private requests in flight to their reserved tags
 * @free_work: the last reference may go in any context
 * @complaints: bounds what is logged of its servers
 * @queues: one for each hardware queue
 * @nr_slots: entries in @slots
 * @slots: the connections
 */
struct nbd_session {
	struct kref ref;
	u64 number;
	u32 index;
	struct nbd_export export;
	char *identifier;
	char *display;
	unsigned long request_timeout;
	u32 dead_time;
	struct nbd_pieces pieces;
	struct nbd_cmd_table table;
	struct mutex lock;	/* slots, state, display, leaving */
	u32 born;
	u32 forced;
	u32 leaving;
	wait_queue_head_t left;
	bool abrupt;
	enum nbdctl_state state;
	bool gave_up;
	spinlock_t park_lock;	/* parked, suspects, usable, holds, epoch, state for submitters */
	struct list_head parked;
	struct list_head suspects;
	struct work_struct alone_work;
	u32 usable;
	u32 holds;
	u32 epoch;
	struct delayed_work dead_work;
	struct semaphore privates;
	struct work_struct free_work;
	struct ratelimit_state complaints;
	struct nbd_session_queue *queues;
	u32 nr_slots;
	struct nbd_slot slots[];
};

extern struct workqueue_struct *nbd_ctl_wq;

void nbd_sessions_init(void);
struct nbd_session *nbd_session_alloc(u32 nr_slots);
int nbd_session_shape(struct nbd_session *session, u32 index, u32 queues, u32 depth);
void nbd_session_get(struct nbd_session *session);
void nbd_session_put(struct nbd_session *session);
char *nbd_session_set_display(struct nbd_session *session, char *display);

void nbd_session_submit(struct nbd_session *session, struct nbd_cmd *cmd, u32 queue, bool kick);
void nbd_session_kick(struct nbd_session *session, u32 queue);
void nbd_session_answered(struct nbd_session *session, const struct nbd_conn *conn);
void nbd_session_timeout(struct nbd_session *session, struct nbd_cmd *cmd);
void nbd_session_dispatch(struct nbd_conn *conn, struct nbd_cmd *cmd);
void nbd_session_resubmit(struct nbd_session *session, struct nbd_cmd *cmd);
void nbd_session_leave(struct nbd_session *session, struct nbd_conn *conn);
void nbd_session_settle_parked(struct nbd_session *session);
void nbd_session_fail_parked(struct nbd_session *session);

/* pieces.c */
void nbd_pieces_init(struct nbd_session *session);
void nbd_piece_cut(const struct nbd_session *session, struct nbd_cmd *cmd);
void nbd_piece_answered(struct nbd_session *session, struct nbd_cmd *cmd);
void nbd_piece_late(struct nbd_session *session, const struct nbd_cmd *cmd);

/* blame.c */
void nbd_session_refused(struct nbd_session *session, struct nbd_conn *conn,
			 struct nbd_cmd *cmd);
void nbd_session_redistribute(struct nbd_session *session, struct nbd_conn *conn);
void nbd_session_alone_work(struct work_struct *work);

/* slots.c */
void nbd_session_start(struct nbd_session *session, struct nbd_conn **conns);
int nbd_session_drain(struct nbd_session *session, bool *usable);
bool nbd_session_undrain(struct nbd_session *session);
void nbd_session_end(struct nbd_session *session, bool orderly);
int nbd_session_replace(struct nbd_session *session, struct nbd_conn **conns, u32 n,
			const struct nbd_export *export, bool force, const char **why);
void nbd_session_hold(struct nbd_session *session);
void nbd_session_release(struct nbd_session *session);
void nbd_session_fail_work(struct work_struct *work);
void nbd_session_retire_work(struct work_struct *work);
void nbd_session_dead_work(struct work_struct *work);

#endif /* NBD_SESSION_H */
