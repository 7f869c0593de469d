// SPDX-License-Identifier: GPL-2.0-only
/* Events of the driver: subscribing, receiving, and what they have reported */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/genl/ctrl.h>

#include "base/error.h"
#include "base/transport.h"
#include "kernel/kernel-genl.h"
#include "kernel/kernel.h"

/**
 * struct kernel_events - a subscription to events
 * @index: device of the current kernel_events_take(); events of others are ignored
 * @heard: there was an event about it
 * @called_off, @reason: session whose detach was called off last, and the errno
 * @ended: session that ended last
 */
struct kernel_events {
	struct nl_sock *sock;
	uint32_t index;
	bool heard;
	uint64_t called_off;
	uint32_t reason;
	uint64_t ended;
};

static int event_take(struct nl_msg *msg, void *arg)
{
	struct nlattr *attrs[NBDCTL_A_DEVICE_MAX + 1] = { NULL };
	struct kernel_events *events = arg;

	if (!genlmsg_parse(nlmsg_hdr(msg), 0, attrs, NBDCTL_A_DEVICE_MAX, NULL) &&
	    attrs[NBDCTL_A_DEVICE_INDEX] &&
	    genl_number(attrs[NBDCTL_A_DEVICE_INDEX]) != events->index)
		return NL_OK;
	events->heard = true;
	switch (genlmsg_hdr(nlmsg_hdr(msg))->cmd) {
	case NBDCTL_CMD_DETACH_FAILED_EVENT:
		events->called_off = genl_number(attrs[NBDCTL_A_DEVICE_SESSION]);
		events->reason = genl_number(attrs[NBDCTL_A_DEVICE_REASON]);
		break;
	case NBDCTL_CMD_DETACHED_EVENT:
		events->ended = genl_number(attrs[NBDCTL_A_DEVICE_SESSION]);
		break;
	}
	return NL_OK;
}

struct kernel_events *kernel_events_open(struct error *err)
{
	struct kernel_events *events = calloc(1, sizeof(*events));
	int rc = -NLE_NOMEM;

	if (!events)
		goto fail;
	events->sock = nl_socket_alloc();
	if (!events->sock)
		goto fail;
	nl_socket_disable_seq_check(events->sock);
	nl_socket_modify_cb(events->sock, NL_CB_VALID, NL_CB_CUSTOM, event_take, events);
	rc = genl_connect(events->sock);
	if (rc)
		goto fail;
	rc = genl_ctrl_resolve_grp(events->sock, NBDCTL_FAMILY_NAME, NBDCTL_MCGRP_EVENTS);
	if (rc >= 0)
		rc = nl_socket_add_membership(events->sock, rc);
	if (rc >= 0)
		rc = nl_socket_set_nonblocking(events->sock);
	if (rc >= 0)
		return events;
fail:
	error_set(err, EXIT_SYSTEM, "cannot listen to the driver's events: %s", nl_geterror(rc));
	kernel_events_close(events);
	return NULL;
}

void kernel_events_close(struct kernel_events *events)
{
	if (!events)
		return;
	nl_socket_free(events->sock);
	free(events);
}

int kernel_events_fd(const struct kernel_events *events)
{
	return nl_socket_get_fd(events->sock);
}

bool kernel_events_take(struct kernel_events *events, uint32_t index)
{
	int rc;

	events->index = index;
	events->heard = false;
	do {
		rc = nl_recvmsgs_default(events->sock);
	} while (rc >= 0);
	/* Other errors, such as ENOBUFS, may have lost events: better query once too often. */
	return events->heard || rc != -NLE_AGAIN;
}

uint32_t kernel_events_called_off(struct kernel_events *events, uint32_t index, uint64_t session,
				  int milliseconds)
{
	struct pollfd pfd = { .fd = kernel_events_fd(events), .events = POLLIN };
	struct deadline deadline = deadline_in(milliseconds);

	do {
		kernel_events_take(events, index);
		if (events->called_off == session)
			return events->reason;
	} while (poll(&pfd, 1, deadline_left(&deadline)) > 0);
	return 0;
}

bool kernel_events_ended(const struct kernel_events *events, uint64_t session)
{
	return events->ended == session;
}
