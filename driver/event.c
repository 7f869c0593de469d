// SPDX-License-Identifier: GPL-2.0-only
/* Events of the family "nbdctl", to its group "events" in every network namespace. */
#include <linux/sched/mm.h>
#include <net/genetlink.h>

#include "event.h"
#include "nbdctl.h"

static struct sk_buff *begin(u32 index, u64 session, u8 cmd, void **head)
{
	struct sk_buff *skb = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_NOIO);

	if (!skb)
		return NULL;
	*head = genlmsg_put(skb, 0, 0, &nbdctl_family, 0, cmd);
	if (*head && !nla_put_u32(skb, NBDCTL_A_DEVICE_INDEX, index) &&
	    !nla_put_u64_64bit(skb, NBDCTL_A_DEVICE_SESSION, session, NBDCTL_A_DEVICE_PAD))
		return skb;
	nlmsg_free(skb);
	return NULL;
}

/*
 * An event that gets lost can't be helped; whoever must know asks for the
 * device. Memory must not be waited for from the disk that the event is about.
 */
static void send(struct sk_buff *skb, void *head)
{
	unsigned int noio = memalloc_noio_save();

	genlmsg_end(skb, head);
	genlmsg_multicast_allns(&nbdctl_family, skb, 0, 0);
	memalloc_noio_restore(noio);
}

/**
 * nbd_event() - tell of a device
 * @index: its number
 * @session: number of the attach
 * @cmd: NBDCTL_CMD_*_EVENT
 *
 * Process context.
 */
void nbd_event(u32 index, u64 session, u8 cmd)
{
	struct sk_buff *skb;
	void *head;

	skb = begin(index, session, cmd, &head);
	if (skb)
		send(skb, head);
}

/* Tell of a slot; @reason is an errno, positive, or 0. Process context. */
void nbd_event_slot(u32 index, u64 session, u8 cmd, u32 slot, u32 reason)
{
	struct sk_buff *skb;
	struct nlattr *nest;
	void *head;

	skb = begin(index, session, cmd, &head);
	if (!skb)
		return;
	nest = nla_nest_start(skb, NBDCTL_A_DEVICE_SLOT);
	if (!nest || nla_put_u32(skb, NBDCTL_A_SLOT_INDEX, slot) ||
	    nla_put_u32(skb, NBDCTL_A_SLOT_REASON, reason)) {
		nlmsg_free(skb);
		return;
	}
	nla_nest_end(skb, nest);
	send(skb, head);
}

/* Tell of a new size, in bytes. Process context. */
void nbd_event_resized(u32 index, u64 session, u64 size)
{
	struct sk_buff *skb;
	void *head;

	skb = begin(index, session, NBDCTL_CMD_RESIZED_EVENT, &head);
	if (!skb)
		return;
	if (nla_put_u64_64bit(skb, NBDCTL_A_DEVICE_SIZE, size, NBDCTL_A_DEVICE_PAD))
		nlmsg_free(skb);
	else
		send(skb, head);
}

/* Tell that a detach was called off; @reason is an errno, positive. Process context. */
void nbd_event_detach_failed(u32 index, u64 session, u32 reason)
{
	struct sk_buff *skb;
	void *head;

	skb = begin(index, session, NBDCTL_CMD_DETACH_FAILED_EVENT, &head);
	if (!skb)
		return;
	if (nla_put_u32(skb, NBDCTL_A_DEVICE_REASON, reason))
		nlmsg_free(skb);
	else
		send(skb, head);
}
