// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "kernel/kernel-genl.h"
#include "kernel/kernel.h"

static void kernel_driver_reply(void *context, struct nlattr **attrs,
				const struct genlmsghdr *header)
{
	struct kernel_driver *driver = context;

	(void)header;
	genl_text(attrs[NBDCTL_A_DRIVER_VERSION], driver->version, sizeof(driver->version));
	driver->header_modes = genl_number(attrs[NBDCTL_A_DRIVER_HEADER_MODES]);
	driver->features = genl_number(attrs[NBDCTL_A_DRIVER_FEATURES]);
	driver->max_slots = genl_number(attrs[NBDCTL_A_DRIVER_MAX_SLOTS]);
	driver->max_contexts = genl_number(attrs[NBDCTL_A_DRIVER_MAX_CONTEXTS]);
	driver->max_queue_depth = genl_number(attrs[NBDCTL_A_DRIVER_MAX_QUEUE_DEPTH]);
	driver->max_min_block_size = genl_number(attrs[NBDCTL_A_DRIVER_MAX_MIN_BLOCK_SIZE]);
	driver->max_index = genl_number(attrs[NBDCTL_A_DRIVER_MAX_INDEX]);
}

int kernel_driver(struct kernel *kernel, struct kernel_driver *driver, struct error *err)
{
	struct exchange exchange = { .reply = kernel_driver_reply, .context = driver };
	struct nl_msg *msg = kernel_message(kernel, 0, NBDCTL_CMD_DRIVER_GET, err);

	memset(driver, 0, sizeof(*driver));
	if (!msg)
		return -1;
	if (kernel_exchange(kernel, msg, &exchange))
		return kernel_refused(kernel, "cannot query the features of the driver", err);
	return 0;
}

static int put_contexts(struct nl_msg *msg, const struct export *export)
{
	struct nlattr *nest;
	unsigned int i;

	for (i = 0; i < export->n_contexts; i++) {
		nest = nla_nest_start(msg, NBDCTL_A_DEVICE_CONTEXT);
		if (!nest || nla_put_string(msg, NBDCTL_A_CONTEXT_NAME, export->contexts[i].name))
			return -1;
		nla_nest_end(msg, nest);
	}
	return 0;
}

/* An id is valid on this connection; an index is the position of a context on the first one. */
static int put_context_ids(struct nl_msg *msg, const struct export *first,
			   const struct export *export)
{
	struct nlattr *nest;
	unsigned int i;

	for (i = 0; i < first->n_contexts; i++) {
		const struct export_context *context =
			export_find_context(export, first->contexts[i].name);

		nest = nla_nest_start(msg, NBDCTL_A_SLOT_CONTEXT_ID);
		if (!nest || !context || nla_put_u32(msg, NBDCTL_A_CONTEXT_ID_CONTEXT, i) ||
		    nla_put_u32(msg, NBDCTL_A_CONTEXT_ID_ID, context->id))
			return -1;
		nla_nest_end(msg, nest);
	}
	return 0;
}

static int put_slots(struct nl_msg *msg, const struct kernel_attach *attach)
{
	struct nlattr *nest;
	unsigned int i;

	for (i = 0; i < attach->n_connections; i++) {
		nest = nla_nest_start(msg, NBDCTL_A_DEVICE_SLOT);
		if (!nest || nla_put_u32(msg, NBDCTL_A_SLOT_INDEX, i) ||
		    nla_put_u32(msg, NBDCTL_A_SLOT_FD, attach->fds[i]) ||
		    put_context_ids(msg, &attach->exports[0], &attach->exports[i]))
			return -1;
		nla_nest_end(msg, nest);
	}
	return 0;
}

static int put_attach(struct nl_msg *msg, const struct kernel_attach *attach)
{
	if (attach->index != KERNEL_ANY_DEVICE &&
	    nla_put_u32(msg, NBDCTL_A_DEVICE_INDEX, attach->index))
		return -1;
	/* The device gets the negotiated parameters of the first connection. */
	if (genl_put_facts(msg, &attach->exports[0], attach->max_payload) ||
	    put_contexts(msg, &attach->exports[0]) ||
	    nla_put_u32(msg, NBDCTL_A_DEVICE_REQUEST_TIMEOUT, attach->request_timeout) ||
	    nla_put_u32(msg, NBDCTL_A_DEVICE_DEAD_TIME, attach->dead_time))
		return -1;
	if (attach->queue_depth &&
	    nla_put_u32(msg, NBDCTL_A_DEVICE_QUEUE_DEPTH, attach->queue_depth))
		return -1;
	if (attach->read_only && nla_put_flag(msg, NBDCTL_A_DEVICE_READ_ONLY))
		return -1;
	if (attach->identifier &&
	    nla_put_string(msg, NBDCTL_A_DEVICE_IDENTIFIER, attach->identifier))
		return -1;
	if (attach->display && nla_put_string(msg, NBDCTL_A_DEVICE_DISPLAY, attach->display))
		return -1;
	return put_slots(msg, attach);
}

struct attached {
	uint32_t index;
	uint64_t session;
};

static void kernel_attach_reply(void *context, struct nlattr **attrs,
				const struct genlmsghdr *header)
{
	struct attached *attached = context;

	(void)header;
	if (attrs[NBDCTL_A_DEVICE_INDEX])
		attached->index = genl_number(attrs[NBDCTL_A_DEVICE_INDEX]);
	attached->session = genl_number(attrs[NBDCTL_A_DEVICE_SESSION]);
}

int kernel_attach(struct kernel *kernel, const struct kernel_attach *attach, uint32_t *index,
		  uint64_t *session, struct error *err)
{
	struct attached attached = { .index = attach->index };
	struct exchange exchange = { .reply = kernel_attach_reply, .context = &attached };
	struct nl_msg *msg = kernel_message(kernel, NLM_F_ACK, NBDCTL_CMD_ATTACH, err);
	int rc;

	if (!msg)
		return -1;
	if (put_attach(msg, attach)) {
		nlmsg_free(msg);
		return error_set(err, EXIT_SYSTEM,
				 "the names of the contexts are too long for one message");
	}
	rc = kernel_exchange(kernel, msg, &exchange);
	if (rc == -ENOTCONN)
		return error_set(err, EXIT_REACH,
				 "the server closed a connection right after the handshake");
	if (rc)
		return kernel_refused(kernel, "cannot attach", err);
	*index = attached.index;
	*session = attached.session;
	if (*index == KERNEL_ANY_DEVICE)
		return error_set(err, EXIT_SYSTEM, "the driver did not report the device");
	return 0;
}

int kernel_detach(struct kernel *kernel, const struct kernel_detach *detach, struct error *err)
{
	struct exchange exchange = { 0 };
	struct nl_msg *msg = kernel_message(kernel, NLM_F_ACK, NBDCTL_CMD_DETACH, err);

	if (!msg)
		return -1;
	if (nla_put_u32(msg, NBDCTL_A_DEVICE_INDEX, detach->index) ||
	    nla_put_u64(msg, NBDCTL_A_DEVICE_SESSION, detach->session) ||
	    (detach->timeout &&
	     nla_put_u32(msg, NBDCTL_A_DEVICE_DETACH_TIMEOUT, detach->timeout)) ||
	    (detach->force && nla_put_flag(msg, NBDCTL_A_DEVICE_FORCE))) {
		nlmsg_free(msg);
		return error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot detach");
	}
	switch (kernel_exchange(kernel, msg, &exchange)) {
	case 0:
	case -EALREADY:
		return 0;
	case -ENOTCONN:
	case -ENODEV:
	case -ENXIO:
	case -ENOENT:
		return error_set(err, EXIT_FALSE, "not attached");
	default:
		return kernel_refused(kernel, "cannot detach", err);
	}
}
