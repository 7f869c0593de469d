// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "kernel/kernel-genl.h"
#include "kernel/kernel.h"
#include "negotiate/handshake-proto.h"

static void get_contexts(const struct nlattr *attr, struct kernel_device *device)
{
	struct nlattr *attrs[NBDCTL_A_CONTEXT_MAX + 1];
	const struct nlattr *name;

	if (device->n_contexts == EXPORT_MAX_CONTEXTS ||
	    nla_parse_nested(attrs, NBDCTL_A_CONTEXT_MAX, (struct nlattr *)attr, NULL))
		return;
	name = attrs[NBDCTL_A_CONTEXT_NAME];
	if (name)
		device->contexts[device->n_contexts] = strndup(nla_data(name), nla_len(name));
	if (name && device->contexts[device->n_contexts])
		device->n_contexts++;
}

static void get_peer(const struct nlattr *attr, struct kernel_slot *slot)
{
	size_t length = attr ? nla_len(attr) : 0;

	if (!length || length > sizeof(slot->peer))
		return;
	memcpy(&slot->peer, nla_data(attr), length);
	slot->peer_length = length;
}

static void get_slot(const struct nlattr *attr, struct kernel_device *device)
{
	struct nlattr *attrs[NBDCTL_A_SLOT_MAX + 1];
	struct kernel_slot *slot = &device->slots[device->n_slots];

	if (device->n_slots == KERNEL_MAX_CONNECTIONS ||
	    nla_parse_nested(attrs, NBDCTL_A_SLOT_MAX, (struct nlattr *)attr, NULL))
		return;
	slot->index = genl_number(attrs[NBDCTL_A_SLOT_INDEX]);
	slot->state = genl_number(attrs[NBDCTL_A_SLOT_STATE]);
	slot->transport = genl_number(attrs[NBDCTL_A_SLOT_TRANSPORT]);
	slot->requests = genl_number(attrs[NBDCTL_A_SLOT_REQUESTS]);
	slot->replies = genl_number(attrs[NBDCTL_A_SLOT_REPLIES]);
	slot->errors = genl_number(attrs[NBDCTL_A_SLOT_ERRORS]);
	slot->bytes_sent = genl_number(attrs[NBDCTL_A_SLOT_BYTES_SENT]);
	slot->bytes_received = genl_number(attrs[NBDCTL_A_SLOT_BYTES_RECEIVED]);
	slot->reconnects = genl_number(attrs[NBDCTL_A_SLOT_RECONNECTS]);
	slot->reason = genl_number(attrs[NBDCTL_A_SLOT_REASON]);
	get_peer(attrs[NBDCTL_A_SLOT_PEER], slot);
	device->n_slots++;
}

static void get_counters(struct kernel_device *device, struct nlattr **attrs)
{
	device->in_flight = genl_number(attrs[NBDCTL_A_DEVICE_IN_FLIGHT]);
	device->oldest = genl_number(attrs[NBDCTL_A_DEVICE_OLDEST]);
	device->requests = genl_number(attrs[NBDCTL_A_DEVICE_REQUESTS]);
	device->replies = genl_number(attrs[NBDCTL_A_DEVICE_REPLIES]);
	device->errors = genl_number(attrs[NBDCTL_A_DEVICE_ERRORS]);
	device->bytes_sent = genl_number(attrs[NBDCTL_A_DEVICE_BYTES_SENT]);
	device->bytes_received = genl_number(attrs[NBDCTL_A_DEVICE_BYTES_RECEIVED]);
	device->last_error = genl_number(attrs[NBDCTL_A_DEVICE_LAST_ERROR]);
	device->last_error_age = genl_number(attrs[NBDCTL_A_DEVICE_LAST_ERROR_AGE]);
}

static void get_device(struct kernel_device *device, struct nlattr **attrs,
		       const struct genlmsghdr *header)
{
	const struct nlattr *attr;
	int rest;

	memset(device, 0, sizeof(*device));
	device->index = genl_number(attrs[NBDCTL_A_DEVICE_INDEX]);
	device->state = genl_number(attrs[NBDCTL_A_DEVICE_STATE]);
	device->session = genl_number(attrs[NBDCTL_A_DEVICE_SESSION]);
	device->size = genl_number(attrs[NBDCTL_A_DEVICE_SIZE]);
	device->flags = genl_number(attrs[NBDCTL_A_DEVICE_TRANSMISSION_FLAGS]);
	device->header_mode = genl_number(attrs[NBDCTL_A_DEVICE_HEADER_MODE]);
	device->minimum = genl_number(attrs[NBDCTL_A_DEVICE_MIN_BLOCK_SIZE]);
	device->preferred = genl_number(attrs[NBDCTL_A_DEVICE_PREFERRED_BLOCK_SIZE]);
	device->max_payload = genl_number(attrs[NBDCTL_A_DEVICE_MAX_PAYLOAD]);
	device->request_timeout = genl_number(attrs[NBDCTL_A_DEVICE_REQUEST_TIMEOUT]);
	device->dead_time = genl_number(attrs[NBDCTL_A_DEVICE_DEAD_TIME]);
	device->queue_depth = genl_number(attrs[NBDCTL_A_DEVICE_QUEUE_DEPTH]);
	device->openers = genl_number(attrs[NBDCTL_A_DEVICE_OPENERS]);
	device->retiring = genl_number(attrs[NBDCTL_A_DEVICE_RETIRING]);
	get_counters(device, attrs);
	device->read_only = attrs[NBDCTL_A_DEVICE_READ_ONLY] ||
			    (device->flags & NBD_FLAG_READ_ONLY);
	device->gave_up = attrs[NBDCTL_A_DEVICE_GAVE_UP];
	genl_text(attrs[NBDCTL_A_DEVICE_IDENTIFIER], device->identifier,
		  sizeof(device->identifier));
	genl_text(attrs[NBDCTL_A_DEVICE_DISPLAY], device->display, sizeof(device->display));
	/* Of attributes that occur more than once, the parser keeps one. */
	nla_for_each_attr(attr, genlmsg_attrdata(header, 0), genlmsg_attrlen(header, 0), rest) {
		if (nla_type(attr) == NBDCTL_A_DEVICE_CONTEXT)
			get_contexts(attr, device);
		else if (nla_type(attr) == NBDCTL_A_DEVICE_SLOT)
			get_slot(attr, device);
	}
}

void kernel_device_free(struct kernel_device *device)
{
	while (device->n_contexts)
		free(device->contexts[--device->n_contexts]);
}

static void kernel_device_reply(void *context, struct nlattr **attrs,
				const struct genlmsghdr *header)
{
	struct kernel_device *device = context;

	kernel_device_free(device);
	get_device(device, attrs, header);
}

int kernel_device(struct kernel *kernel, uint32_t index, struct kernel_device *device,
		  struct error *err)
{
	struct exchange exchange = { .reply = kernel_device_reply, .context = device };
	struct nl_msg *msg = kernel_message(kernel, 0, NBDCTL_CMD_DEVICE_GET, err);

	memset(device, 0, sizeof(*device));
	if (!msg)
		return -1;
	if (nla_put_u32(msg, NBDCTL_A_DEVICE_INDEX, index)) {
		nlmsg_free(msg);
		return error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot query the device");
	}
	switch (kernel_exchange(kernel, msg, &exchange)) {
	case 0:
		/* A device with only an earlier disk, which is still in use, has no session. */
		if (device->state != NBDCTL_STATE_IDLE && device->session)
			return 0;
		kernel_device_free(device);
		/* fall through */
	case -ENOTCONN:
	case -ENODEV:
	case -ENXIO:
	case -ENOENT:
		return error_set(err, EXIT_FALSE, "not attached");
	default:
		kernel_refused(kernel, "cannot query the device", err);
		if (err->code == EXIT_SYSTEM)
			err->code = EXIT_UNKNOWN;
		return -1;
	}
}

/* A dump. From the first abridged device on, each is queried by itself, to keep the order. */
struct each_device {
	kernel_device_fn fn;
	void *context;
	struct error *err;
	int rc;
	uint32_t *rest;
	size_t n_rest;
};

static void each_later(struct each_device *each, uint32_t index)
{
	uint32_t *rest = reallocarray(each->rest, each->n_rest + 1, sizeof(*rest));

	if (!rest) {
		each->rc = error_errno(each->err, EXIT_SYSTEM, ENOMEM, "cannot list the devices");
		return;
	}
	each->rest = rest;
	rest[each->n_rest++] = index;
}

static void kernel_devices_reply(void *context, struct nlattr **attrs,
				 const struct genlmsghdr *header)
{
	struct each_device *each = context;
	struct kernel_device device;

	if (each->rc)
		return;
	get_device(&device, attrs, header);
	if (attrs[NBDCTL_A_DEVICE_ABRIDGED] || each->n_rest)
		each_later(each, device.index);
	else if (device.state != NBDCTL_STATE_IDLE)
		each->rc = each->fn(each->context, &device, each->err);
	kernel_device_free(&device);
}

static void kernel_devices_rest(struct kernel *kernel, struct each_device *each)
{
	struct kernel_device device;
	struct error why;
	size_t i;

	for (i = 0; i < each->n_rest && !each->rc; i++) {
		/* It may have been detached meanwhile; a disk that is ending is reported, too. */
		if (!kernel_device(kernel, each->rest[i], &device, &why) ||
		    device.state == NBDCTL_STATE_DEAD) {
			each->rc = each->fn(each->context, &device, each->err);
			kernel_device_free(&device);
		} else if (why.code != EXIT_FALSE) {
			*each->err = why;
			each->rc = -1;
		}
	}
}

int kernel_devices(struct kernel *kernel, kernel_device_fn fn, void *context, struct error *err)
{
	struct each_device each = { .fn = fn, .context = context, .err = err };
	struct exchange exchange = { .reply = kernel_devices_reply, .context = &each };
	struct nl_msg *msg = kernel_message(kernel, NLM_F_DUMP, NBDCTL_CMD_DEVICE_GET, err);

	if (!msg)
		return -1;
	if (kernel_exchange(kernel, msg, &exchange))
		each.rc = kernel_refused(kernel, "cannot list the devices", err);
	else
		kernel_devices_rest(kernel, &each);
	free(each.rest);
	return each.rc;
}

const char *kernel_state_name(uint32_t state)
{
	static const char *const names[] = {
		[NBDCTL_STATE_IDLE] = "idle",
		[NBDCTL_STATE_SETUP] = "setup",
		[NBDCTL_STATE_LIVE] = "live",
		[NBDCTL_STATE_WAITING] = "waiting",
		[NBDCTL_STATE_DRAINING] = "draining",
		[NBDCTL_STATE_DEAD] = "ending",
	};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "unknown";
}

const char *kernel_slot_state_name(uint32_t state)
{
	static const char *const names[] = {
		[NBDCTL_SLOT_STATE_EMPTY] = "empty",
		[NBDCTL_SLOT_STATE_UP] = "up",
		[NBDCTL_SLOT_STATE_CLOSING] = "closing",
	};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "unknown";
}

const char *kernel_transport_name(uint32_t transport)
{
	static const char *const names[] = {
		[NBDCTL_TRANSPORT_NONE] = "none",
		[NBDCTL_TRANSPORT_TCP] = "tcp",
		[NBDCTL_TRANSPORT_UNIX] = "unix",
		[NBDCTL_TRANSPORT_VSOCK] = "vsock",
	};

	return transport < sizeof(names) / sizeof(names[0]) ? names[transport] : "unknown";
}
