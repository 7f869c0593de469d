// SPDX-License-Identifier: GPL-2.0-only
/* Changes of an attached device: new connections, another size */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "kernel/kernel-genl.h"
#include "kernel/kernel.h"

int genl_put_facts(struct nl_msg *msg, const struct export *export, uint32_t max_payload)
{
	uint32_t mode = export->structured ? NBDCTL_HEADER_MODE_STRUCTURED :
					     NBDCTL_HEADER_MODE_SIMPLE;

	return nla_put_u64(msg, NBDCTL_A_DEVICE_SIZE, export->size) ||
	       nla_put_u16(msg, NBDCTL_A_DEVICE_TRANSMISSION_FLAGS, export->flags) ||
	       nla_put_u32(msg, NBDCTL_A_DEVICE_HEADER_MODE, mode) ||
	       nla_put_u32(msg, NBDCTL_A_DEVICE_MIN_BLOCK_SIZE, export->minimum) ||
	       nla_put_u32(msg, NBDCTL_A_DEVICE_PREFERRED_BLOCK_SIZE, export->preferred) ||
	       nla_put_u32(msg, NBDCTL_A_DEVICE_MAX_PAYLOAD, max_payload);
}

/* Adds the contexts of the device, each with its id on this connection, or as lost. */
static int put_context_ids(struct nl_msg *msg, const struct kernel_device *device,
			   const struct export *export)
{
	const struct export_context *context;
	struct nlattr *nest;
	unsigned int i;

	for (i = 0; i < device->n_contexts; i++) {
		context = export_find_context(export, device->contexts[i]);
		nest = nla_nest_start(msg, NBDCTL_A_SLOT_CONTEXT_ID);
		if (!nest || nla_put_u32(msg, NBDCTL_A_CONTEXT_ID_CONTEXT, i) ||
		    (context && nla_put_u32(msg, NBDCTL_A_CONTEXT_ID_ID, context->id)) ||
		    (!context && nla_put_flag(msg, NBDCTL_A_CONTEXT_ID_LOST)))
			return -1;
		nla_nest_end(msg, nest);
	}
	return 0;
}

/* By this number the driver sees whether the slot got another connection since. */
static int put_condition(struct nl_msg *msg, const struct kernel_replace *replace, uint32_t slot)
{
	const struct kernel_device *device = replace->device;
	unsigned int i;

	for (i = 0; replace->unless_changed && i < device->n_slots; i++)
		if (device->slots[i].index == slot)
			return nla_put_u32(msg, NBDCTL_A_SLOT_RECONNECTS,
					   device->slots[i].reconnects);
	return 0;
}

static int put_replace(struct nl_msg *msg, const struct kernel_replace *replace,
		       uint32_t max_payload)
{
	struct nlattr *nest;
	unsigned int i;

	if (nla_put_u32(msg, NBDCTL_A_DEVICE_INDEX, replace->device->index) ||
	    nla_put_u64(msg, NBDCTL_A_DEVICE_SESSION, replace->device->session) ||
	    genl_put_facts(msg, &replace->exports[0], max_payload) ||
	    (replace->display && nla_put_string(msg, NBDCTL_A_DEVICE_DISPLAY, replace->display)) ||
	    (replace->dead_time &&
	     nla_put_u32(msg, NBDCTL_A_DEVICE_DEAD_TIME, *replace->dead_time)) ||
	    (replace->force && nla_put_flag(msg, NBDCTL_A_DEVICE_FORCE)))
		return -1;
	for (i = 0; i < replace->n_connections; i++) {
		nest = nla_nest_start(msg, NBDCTL_A_DEVICE_SLOT);
		if (!nest || nla_put_u32(msg, NBDCTL_A_SLOT_INDEX, replace->slots[i]) ||
		    put_condition(msg, replace, replace->slots[i]) ||
		    nla_put_u32(msg, NBDCTL_A_SLOT_FD, replace->fds[i]) ||
		    put_context_ids(msg, replace->device, &replace->exports[i]))
			return -1;
		nla_nest_end(msg, nest);
	}
	return 0;
}

int kernel_replace(struct kernel *kernel, const struct kernel_replace *replace, struct error *err)
{
	struct exchange exchange = { 0 };
	uint32_t max_payload;
	struct nl_msg *msg;

	if (export_disk_payload(&replace->exports[0], &max_payload, err))
		return -1;
	msg = kernel_message(kernel, NLM_F_ACK, NBDCTL_CMD_SLOT_REPLACE, err);
	if (!msg)
		return -1;
	if (put_replace(msg, replace, max_payload)) {
		nlmsg_free(msg);
		return error_set(err, EXIT_SYSTEM, "too much for one message");
	}
	if (kernel_exchange(kernel, msg, &exchange))
		return kernel_refused(kernel, "the driver refused the connection", err);
	return 0;
}

int kernel_resize(struct kernel *kernel, const struct kernel_device *device, uint64_t size,
		  struct error *err)
{
	struct exchange exchange = { 0 };
	struct nl_msg *msg = kernel_message(kernel, NLM_F_ACK, NBDCTL_CMD_RESIZE, err);

	if (!msg)
		return -1;
	if (nla_put_u32(msg, NBDCTL_A_DEVICE_INDEX, device->index) ||
	    nla_put_u64(msg, NBDCTL_A_DEVICE_SESSION, device->session) ||
	    nla_put_u64(msg, NBDCTL_A_DEVICE_SIZE, size)) {
		nlmsg_free(msg);
		return error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot resize");
	}
	if (kernel_exchange(kernel, msg, &exchange))
		return kernel_refused(kernel, "cannot resize", err);
	return 0;
}

int kernel_keep(struct kernel *kernel, const struct kernel_device *device, struct error *err)
{
	struct exchange exchange = { 0 };
	struct nl_msg *msg = kernel_message(kernel, NLM_F_ACK, NBDCTL_CMD_KEEP, err);

	if (!msg)
		return -1;
	if (nla_put_u32(msg, NBDCTL_A_DEVICE_INDEX, device->index) ||
	    nla_put_u64(msg, NBDCTL_A_DEVICE_SESSION, device->session)) {
		nlmsg_free(msg);
		return error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot tell the driver");
	}
	if (kernel_exchange(kernel, msg, &exchange))
		return kernel_refused(kernel, "cannot tell the driver", err);
	return 0;
}
