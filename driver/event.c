// SPDX-License-Identifier: GPL-2.0-only
/* Events of the family "nbdctl", multicast to its group "events" in every network namespace. */
#include <linux/sched/mm.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>

#include "event.h"
#include "legacy-family.h"
#include "nbdctl-gen.h"

/* Make listeners see ENOBUFS, as if their buffers had been full, so that they query the device */
static void event_report_loss(void)
{
	struct net *net;

	rcu_read_lock();
	for_each_net_rcu(net)
		genl_set_err(&nbdctl_nl_family, net, 0, NBDCTL_NLGRP_EVENTS, -ENOBUFS);
	rcu_read_unlock();
}

/* Free an event that cannot be sent */
static void event_drop(struct sk_buff *skb)
{
	nlmsg_free(skb);
	event_report_loss();
}

static struct sk_buff *event_begin(u32 index, u64 session, u8 cmd, void **head)
{
	struct sk_buff *skb = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_NOIO);

	if (!skb) {
		event_report_loss();
		return NULL;
	}
	*head = genlmsg_put(skb, 0, 0, &nbdctl_nl_family, 0, cmd);
	if (*head && !nla_put_u32(skb, NBDCTL_A_DEVICE_INDEX, index) &&
	    !nla_put_u64_64bit(skb, NBDCTL_A_DEVICE_SESSION, session, NBDCTL_A_DEVICE_PAD))
		return skb;
	event_drop(skb);
	return NULL;
}

/*
 * Best effort: listeners that miss an event learn of it, and can query the device. No I/O for
 * memory, as reclaim may wait for the disk that the event is about.
 */
static void event_send(struct sk_buff *skb, void *head)
{
	unsigned int noio = memalloc_noio_save();
	int err;

	genlmsg_end(skb, head);
	err = genlmsg_multicast_allns(&nbdctl_nl_family, skb, 0, NBDCTL_NLGRP_EVENTS);
	memalloc_noio_restore(noio);
	/* After other errors, it was not sent to all network namespaces */
	if (err && err != -ESRCH)
		event_report_loss();
}

/**
 * nbd_event() - send an event about a device
 * @index: number of the device
 * @session: number of the session
 * @cmd: NBDCTL_CMD_*_EVENT
 *
 * Context: Process context, may sleep; does no I/O.
 */
void nbd_event(u32 index, u64 session, u8 cmd)
{
	struct sk_buff *skb;
	void *head;

	skb = event_begin(index, session, cmd, &head);
	if (skb)
		event_send(skb, head);
}

/**
 * nbd_event_slot() - send an event about a slot
 * @index: number of the device
 * @session: number of the session
 * @cmd: NBDCTL_CMD_*_EVENT
 * @slot: number of the slot
 * @reason: positive errno, or 0
 *
 * Context: Process context, may sleep; does no I/O.
 */
void nbd_event_slot(u32 index, u64 session, u8 cmd, u32 slot, u32 reason)
{
	struct sk_buff *skb;
	struct nlattr *nest;
	void *head;

	skb = event_begin(index, session, cmd, &head);
	if (!skb)
		return;
	nest = nla_nest_start(skb, NBDCTL_A_DEVICE_SLOT);
	if (!nest || nla_put_u32(skb, NBDCTL_A_SLOT_INDEX, slot) ||
	    nla_put_u32(skb, NBDCTL_A_SLOT_REASON, reason)) {
		event_drop(skb);
		return;
	}
	nla_nest_end(skb, nest);
	event_send(skb, head);
}

/**
 * nbd_event_resized() - send the event that the size has changed
 * @index: number of the device
 * @session: number of the session
 * @size: new size of the export, in bytes
 *
 * Context: Process context, may sleep; does no I/O.
 */
void nbd_event_resized(u32 index, u64 session, u64 size)
{
	struct sk_buff *skb;
	void *head;

	skb = event_begin(index, session, NBDCTL_CMD_RESIZED_EVENT, &head);
	if (!skb)
		return;
	if (nla_put_u64_64bit(skb, NBDCTL_A_DEVICE_SIZE, size, NBDCTL_A_DEVICE_PAD))
		event_drop(skb);
	else
		event_send(skb, head);
}

/**
 * nbd_event_detach_failed() - send the event that a detach was called off
 * @index: number of the device
 * @session: number of the session
 * @reason: positive errno
 *
 * Context: Process context, may sleep; does no I/O.
 */
void nbd_event_detach_failed(u32 index, u64 session, u32 reason)
{
	struct sk_buff *skb;
	void *head;

	skb = event_begin(index, session, NBDCTL_CMD_DETACH_FAILED_EVENT, &head);
	if (!skb)
		return;
	if (nla_put_u32(skb, NBDCTL_A_DEVICE_REASON, reason))
		event_drop(skb);
	else
		event_send(skb, head);
}

/**
 * nbd_event_link_dead() - send LINK_DEAD, the event of the family "nbd"
 * @index: number of the device
 *
 * Context: Process context, may sleep; does no I/O.
 */
void nbd_event_link_dead(u32 index)
{
#ifdef NBD_LEGACY
	unsigned int noio = memalloc_noio_save();
	struct sk_buff *skb = genlmsg_new(nla_total_size(sizeof(u32)), GFP_NOIO);
	void *head;

	if (skb) {
		head = genlmsg_put(skb, 0, 0, &nbd_legacy_family, 0, NBD_CMD_LINK_DEAD);
		nla_put_u32(skb, NBD_ATTR_INDEX, index);
		genlmsg_end(skb, head);
		genlmsg_multicast_allns(&nbd_legacy_family, skb, 0, 0);
	}
	memalloc_noio_restore(noio);
#endif
}
