// SPDX-License-Identifier: GPL-2.0-only
/*
 * Descriptions of the driver and of its devices in netlink messages. Counters of connections are
 * read without locks.
 */
#include <net/netlink.h>

#include "../uapi/linux/nbdctl.h"
#include "compat.h"
#include "conn.h"
#include "devices.h"
#include "disk.h"
#include "fill.h"
#include "session.h"
#include "slots.h"

/**
 * nbd_fill_driver() - add version, features and limits of the driver to a message
 * @skb: the message
 *
 * Context: Any context.
 * Return: 0, or nonzero if @skb lacks the space.
 */
int nbd_fill_driver(struct sk_buff *skb)
{
	u32 modes = BIT(NBDCTL_HEADER_MODE_SIMPLE) | BIT(NBDCTL_HEADER_MODE_STRUCTURED);
	u32 features = NBDCTL_FEATURE_BLOCK_STATUS | NBDCTL_FEATURE_SLOT_REPLACE |
		       NBDCTL_FEATURE_RESIZE | NBDCTL_FEATURE_EVENTS;

	return nla_put_string(skb, NBDCTL_A_DRIVER_VERSION, NBD_VERSION) ||
	       nla_put_u32(skb, NBDCTL_A_DRIVER_HEADER_MODES, modes) ||
	       nla_put_u32(skb, NBDCTL_A_DRIVER_FEATURES, features) ||
	       nla_put_u32(skb, NBDCTL_A_DRIVER_MAX_SLOTS, NBD_MAX_SLOTS) ||
	       nla_put_u32(skb, NBDCTL_A_DRIVER_MAX_CONTEXTS, NBD_MAX_CONTEXTS) ||
	       nla_put_u32(skb, NBDCTL_A_DRIVER_MAX_QUEUE_DEPTH, NBD_MAX_DEPTH) ||
	       nla_put_u32(skb, NBDCTL_A_DRIVER_MAX_MIN_BLOCK_SIZE, BLK_MAX_BLOCK_SIZE) ||
	       nla_put_u32(skb, NBDCTL_A_DRIVER_MAX_INDEX, nbd_index_max());
}

/* Space for the fixed attributes of a device, of a slot, and of a list entry */
#define DEVICE_SIZE	512u
#define SLOT_SIZE	192u
#define ENTRY_SIZE	32u

/**
 * nbd_fill_size() - get the space that nbd_fill_device() needs
 * @dev: referenced device
 *
 * Context: Any context.
 * Return: upper limit in bytes.
 */
size_t nbd_fill_size(struct nbd_device *dev)
{
	struct nbd_session *session = nbd_devices_get_session(dev);
	size_t size = DEVICE_SIZE;
	u32 i;

	if (!session)
		return size;
	if (session->identifier)
		size += nla_total_size(strlen(session->identifier) + 1);
	/* The display text may change until it is copied */
	size += nla_total_size(NBDCTL_NAME_MAX + 1);
	for (i = 0; i < session->export.nr_contexts; i++)
		size += ENTRY_SIZE + nla_total_size(strlen(session->export.contexts[i]) + 1);
	size += session->nr_slots * (SLOT_SIZE + session->export.nr_contexts * ENTRY_SIZE);
	nbd_session_put(session);
	return size;
}

static int fill_put_contexts(struct sk_buff *skb, const struct nbd_export *export)
{
	struct nlattr *nest;
	u32 i;

	for (i = 0; i < export->nr_contexts; i++) {
		nest = nla_nest_start(skb, NBDCTL_A_DEVICE_CONTEXT);
		if (!nest || nla_put_u32(skb, NBDCTL_A_CONTEXT_INDEX, i) ||
		    nla_put_string(skb, NBDCTL_A_CONTEXT_NAME, export->contexts[i]))
			return -EMSGSIZE;
		nla_nest_end(skb, nest);
	}
	return 0;
}

static int fill_put_ids(struct sk_buff *skb, const struct nbd_conn *conn, u32 n)
{
	struct nlattr *nest;
	u32 i;

	for (i = 0; i < n; i++) {
		nest = nla_nest_start(skb, NBDCTL_A_SLOT_CONTEXT_ID);
		if (!nest || nla_put_u32(skb, NBDCTL_A_CONTEXT_ID_CONTEXT, i))
			return -EMSGSIZE;
		if (conn->ids[i].lost ? nla_put_flag(skb, NBDCTL_A_CONTEXT_ID_LOST) :
					nla_put_u32(skb, NBDCTL_A_CONTEXT_ID_ID, conn->ids[i].id))
			return -EMSGSIZE;
		nla_nest_end(skb, nest);
	}
	return 0;
}

static int fill_put_counter(struct sk_buff *skb, int type, u64 value)
{
	return nla_put_u64_64bit(skb, type, value, NBDCTL_A_SLOT_PAD);
}

static int fill_put_total(struct sk_buff *skb, int type, u64 value)
{
	return nla_put_u64_64bit(skb, type, value, NBDCTL_A_DEVICE_PAD);
}

static int fill_put_last_error(struct sk_buff *skb, const struct nbd_totals *totals)
{
	u64 age = ktime_get_boottime_ns() - totals->lost_ns;

	return nla_put_u32(skb, NBDCTL_A_DEVICE_LAST_ERROR, totals->last_error) ||
	       (totals->last_error && fill_put_total(skb, NBDCTL_A_DEVICE_LAST_ERROR_AGE,
						     div_u64(age, NSEC_PER_MSEC)));
}

static int fill_put_totals(struct sk_buff *skb, struct nbd_session *session)
{
	struct nbd_totals totals;

	nbd_session_totals(session, &totals);
	return fill_put_total(skb, NBDCTL_A_DEVICE_REQUESTS, totals.requests) ||
	       fill_put_total(skb, NBDCTL_A_DEVICE_REPLIES, totals.replies) ||
	       fill_put_total(skb, NBDCTL_A_DEVICE_ERRORS, totals.errors) ||
	       fill_put_total(skb, NBDCTL_A_DEVICE_BYTES_SENT, totals.bytes_sent) ||
	       fill_put_total(skb, NBDCTL_A_DEVICE_BYTES_RECEIVED, totals.bytes_received) ||
	       fill_put_last_error(skb, &totals);
}

static int fill_put_load(struct sk_buff *skb, struct nbd_device *dev)
{
	u32 oldest_ms, in_flight = nbd_disk_in_flight(dev, &oldest_ms);

	return nla_put_u32(skb, NBDCTL_A_DEVICE_IN_FLIGHT, in_flight) ||
	       nla_put_u32(skb, NBDCTL_A_DEVICE_OLDEST, oldest_ms);
}

static int fill_put_conn(struct sk_buff *skb, const struct nbd_conn *conn, u32 nr_contexts)
{
	const struct nbd_conn_stats *stats = &conn->stats;

	return nla_put_u32(skb, NBDCTL_A_SLOT_TRANSPORT, conn->socket.transport) ||
	       fill_put_ids(skb, conn, nr_contexts) ||
	       fill_put_counter(skb, NBDCTL_A_SLOT_REQUESTS, READ_ONCE(stats->requests)) ||
	       fill_put_counter(skb, NBDCTL_A_SLOT_REPLIES, READ_ONCE(stats->replies)) ||
	       fill_put_counter(skb, NBDCTL_A_SLOT_ERRORS, READ_ONCE(stats->errors)) ||
	       fill_put_counter(skb, NBDCTL_A_SLOT_BYTES_SENT, READ_ONCE(stats->bytes_sent)) ||
	       fill_put_counter(skb, NBDCTL_A_SLOT_BYTES_RECEIVED,
				READ_ONCE(stats->bytes_received));
}

static int fill_put_peer(struct sk_buff *skb, const struct nbd_conn *conn)
{
	const struct nbd_socket *socket = &conn->socket;

	return socket->peer_length ?
	       nla_put(skb, NBDCTL_A_SLOT_PEER, socket->peer_length, &socket->peer) : 0;
}

static int fill_put_slot(struct sk_buff *skb, struct nbd_session *session, u32 i, bool privileged)
{
	const struct nbd_slot *slot = &session->slots[i];
	u32 state = NBDCTL_SLOT_STATE_EMPTY;
	struct nbd_conn *conn;
	struct nlattr *nest;
	int err;

	nest = nla_nest_start(skb, NBDCTL_A_DEVICE_SLOT);
	if (!nest)
		return -EMSGSIZE;
	rcu_read_lock();
	conn = rcu_dereference(slot->conn);
	if (conn)
		state = nbd_conn_usable(conn) ? NBDCTL_SLOT_STATE_UP : NBDCTL_SLOT_STATE_CLOSING;
	err = nla_put_u32(skb, NBDCTL_A_SLOT_INDEX, i) ||
	      nla_put_u32(skb, NBDCTL_A_SLOT_STATE, state) ||
	      nla_put_u32(skb, NBDCTL_A_SLOT_RECONNECTS, READ_ONCE(slot->reconnects)) ||
	      nla_put_u32(skb, NBDCTL_A_SLOT_REASON, READ_ONCE(slot->reason)) ||
	      (conn && fill_put_conn(skb, conn, session->export.nr_contexts)) ||
	      (conn && privileged && fill_put_peer(skb, conn));
	rcu_read_unlock();
	if (err)
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int fill_put_slots(struct sk_buff *skb, struct nbd_session *session, bool privileged)
{
	u32 i;

	for (i = 0; i < session->nr_slots; i++)
		if (fill_put_slot(skb, session, i, privileged))
			return -EMSGSIZE;
	return 0;
}

static int fill_put_names(struct sk_buff *skb, struct nbd_session *session)
{
	int err = 0;

	if (session->identifier &&
	    nla_put_string(skb, NBDCTL_A_DEVICE_IDENTIFIER, session->identifier))
		return -EMSGSIZE;
	mutex_lock(&session->lock);
	if (session->display)
		err = nla_put_string(skb, NBDCTL_A_DEVICE_DISPLAY, session->display);
	mutex_unlock(&session->lock);
	return err;
}

static int fill_put_export(struct sk_buff *skb, const struct nbd_session *session)
{
	const struct nbd_export *export = &session->export;

	return nla_put_u64_64bit(skb, NBDCTL_A_DEVICE_SIZE, READ_ONCE(export->size),
				 NBDCTL_A_DEVICE_PAD) ||
	       nla_put_u16(skb, NBDCTL_A_DEVICE_TRANSMISSION_FLAGS, export->flags) ||
	       nla_put_u32(skb, NBDCTL_A_DEVICE_HEADER_MODE, export->structured ?
			   NBDCTL_HEADER_MODE_STRUCTURED : NBDCTL_HEADER_MODE_SIMPLE) ||
	       nla_put_u32(skb, NBDCTL_A_DEVICE_MIN_BLOCK_SIZE, export->min_block) ||
	       nla_put_u32(skb, NBDCTL_A_DEVICE_PREFERRED_BLOCK_SIZE, export->preferred_block) ||
	       nla_put_u32(skb, NBDCTL_A_DEVICE_MAX_PAYLOAD, export->max_payload) ||
	       nla_put_u32(skb, NBDCTL_A_DEVICE_REQUEST_TIMEOUT,
			   jiffies_to_msecs(READ_ONCE(session->request_timeout))) ||
	       nla_put_u32(skb, NBDCTL_A_DEVICE_DEAD_TIME, READ_ONCE(session->dead_time)) ||
	       nla_put_u32(skb, NBDCTL_A_DEVICE_QUEUE_DEPTH,
			   session->table.depth - NBD_QUERY_TAGS) ||
	       nla_put_u64_64bit(skb, NBDCTL_A_DEVICE_SESSION, session->number,
				 NBDCTL_A_DEVICE_PAD) ||
	       nla_put_u32(skb, NBDCTL_A_DEVICE_RETIRING, READ_ONCE(session->nr_retiring)) ||
	       (export->read_only && nla_put_flag(skb, NBDCTL_A_DEVICE_READ_ONLY)) ||
	       (READ_ONCE(session->gave_up) && nla_put_flag(skb, NBDCTL_A_DEVICE_GAVE_UP));
}

/**
 * nbd_fill_device() - add the description of a device to a message
 * @skb: the message
 * @dev: referenced device
 * @privileged: include identifier, display text and addresses
 * @full: include contexts and slots, else mark the description as abridged
 *
 * Context: Process context, may sleep. Takes the session's lock.
 * Return: 0, or -EMSGSIZE if @skb lacks the space.
 */
int nbd_fill_device(struct sk_buff *skb, struct nbd_device *dev, bool privileged, bool full)
{
	struct nbd_session *session = nbd_devices_get_session(dev);
	u32 state = session ? nbd_session_uapi_state(session) : nbd_devices_state(dev);
	int err;

	err = nla_put_u32(skb, NBDCTL_A_DEVICE_INDEX, dev->index) ||
	      nla_put_u32(skb, NBDCTL_A_DEVICE_STATE, state) ||
	      nla_put_u32(skb, NBDCTL_A_DEVICE_OPENERS, disk_openers(dev->disk));
	if (session && !err)
		err = fill_put_export(skb, session) ||
		      fill_put_load(skb, dev) ||
		      fill_put_totals(skb, session) ||
		      (privileged && fill_put_names(skb, session)) ||
		      (!full && nla_put_flag(skb, NBDCTL_A_DEVICE_ABRIDGED)) ||
		      (full && (fill_put_contexts(skb, &session->export) ||
				fill_put_slots(skb, session, privileged)));
	if (session)
		nbd_session_put(session);
	return err ? -EMSGSIZE : 0;
}
