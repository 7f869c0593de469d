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
 * @family: number of the driver's family
 * @fn, @context: of the current kernel_events_each()
 * @index: device of the current kernel_events_take(); events of others are ignored
 * @heard: there was an event about it
 * @called_off, @reason: session whose detach was called off last, and the errno
 * @ended: session that ended last
 * @driver_gone: the family does not exist any longer
 */
struct kernel_events {
	struct nl_sock *sock;
	int family;
	kernel_event_fn fn;
	void *context;
	uint32_t index;
	bool heard;
	uint64_t called_off;
	uint32_t reason;
	uint64_t ended;
	bool driver_gone;
};

static void event_get_slot(struct nlattr *attr, struct kernel_event *event)
{
	struct nlattr *attrs[NBDCTL_A_SLOT_MAX + 1];

	if (!attr || nla_parse_nested(attrs, NBDCTL_A_SLOT_MAX, attr, NULL))
		return;
	event->has_slot = true;
	event->slot = genl_number(attrs[NBDCTL_A_SLOT_INDEX]);
	event->reason = genl_number(attrs[NBDCTL_A_SLOT_REASON]);
}

/* The controller reports families that come and go. */
static void event_take_control(struct kernel_events *events, struct nlmsghdr *header)
{
	struct nlattr *attrs[CTRL_ATTR_MAX + 1];

	if (header->nlmsg_type == GENL_ID_CTRL &&
	    genlmsg_hdr(header)->cmd == CTRL_CMD_DELFAMILY &&
	    !genlmsg_parse(header, 0, attrs, CTRL_ATTR_MAX, NULL) &&
	    genl_number(attrs[CTRL_ATTR_FAMILY_ID]) == (uint64_t)events->family)
		events->driver_gone = true;
}

static int event_take(struct nl_msg *msg, void *arg)
{
	struct nlattr *attrs[NBDCTL_A_DEVICE_MAX + 1];
	struct nlmsghdr *header = nlmsg_hdr(msg);
	struct kernel_events *events = arg;
	struct kernel_event event = { 0 };

	if (header->nlmsg_type != events->family) {
		event_take_control(events, header);
		return NL_OK;
	}
	if (genlmsg_parse(header, 0, attrs, NBDCTL_A_DEVICE_MAX, NULL))
		return NL_OK;
	event.command = genlmsg_hdr(header)->cmd;
	event.index = genl_number(attrs[NBDCTL_A_DEVICE_INDEX]);
	event.session = genl_number(attrs[NBDCTL_A_DEVICE_SESSION]);
	event.reason = genl_number(attrs[NBDCTL_A_DEVICE_REASON]);
	event.size = genl_number(attrs[NBDCTL_A_DEVICE_SIZE]);
	event_get_slot(attrs[NBDCTL_A_DEVICE_SLOT], &event);
	events->fn(events->context, &event);
	return NL_OK;
}

/* For kernel_events_take() */
static void event_note(void *context, const struct kernel_event *event)
{
	struct kernel_events *events = context;

	if (event->index != events->index)
		return;
	events->heard = true;
	switch (event->command) {
	case NBDCTL_CMD_DETACH_FAILED_EVENT:
		events->called_off = event->session;
		events->reason = event->reason;
		break;
	case NBDCTL_CMD_DETACHED_EVENT:
		events->ended = event->session;
		break;
	}
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
	events->family = genl_ctrl_resolve(events->sock, NBDCTL_FAMILY_NAME);
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

bool kernel_events_each(struct kernel_events *events, kernel_event_fn fn, void *context)
{
	int rc;

	events->fn = fn;
	events->context = context;
	do {
		rc = nl_recvmsgs_default(events->sock);
	} while (rc >= 0);
	/* ENOBUFS, and other errors, may have lost events; the socket works on. */
	return rc != -NLE_AGAIN;
}

int kernel_events_watch_driver(struct kernel_events *events, struct error *err)
{
	int rc = genl_ctrl_resolve_grp(events->sock, "nlctrl", "notify");

	if (rc >= 0)
		rc = nl_socket_add_membership(events->sock, rc);
	if (rc < 0)
		return error_set(err, EXIT_SYSTEM, "cannot listen to the driver's end: %s",
				 nl_geterror(rc));
	return 0;
}

bool kernel_events_driver_gone(const struct kernel_events *events)
{
	return events->driver_gone;
}

bool kernel_events_take(struct kernel_events *events, uint32_t index)
{
	events->index = index;
	events->heard = false;
	/* If events were lost, query once too often. */
	return kernel_events_each(events, event_note, events) || events->heard;
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

const char *kernel_event_name(uint8_t command)
{
	switch (command) {
	case NBDCTL_CMD_ATTACHED_EVENT:
		return "attached";
	case NBDCTL_CMD_CONNECTION_DOWN_EVENT:
		return "connection-down";
	case NBDCTL_CMD_CONNECTION_UP_EVENT:
		return "connection-up";
	case NBDCTL_CMD_RESIZED_EVENT:
		return "resized";
	case NBDCTL_CMD_GIVING_UP_EVENT:
		return "giving-up";
	case NBDCTL_CMD_DETACHED_EVENT:
		return "detached";
	case NBDCTL_CMD_CONNECTION_REFUSED_EVENT:
		return "connection-refused";
	case NBDCTL_CMD_DETACH_FAILED_EVENT:
		return "detach-failed";
	default:
		return "unknown";
	}
}
