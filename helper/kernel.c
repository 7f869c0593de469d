// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include "error.h"
#include "handshake-proto.h"
#include "kernel.h"
#include "log.h"
#include "text.h"

/* Room for an attach with many connections and long context names. */
#define KERNEL_MESSAGE_MAX	(128 * 1024)

/**
 * struct kernel - a socket to the family
 * @errnum: what the last request ended with, positive, or 0
 * @text: the driver's own words for it, or ""
 */
struct kernel {
	struct nl_sock *sock;
	int family;
	int errnum;
	char text[512];
};

/* What the callbacks of one request share. */
struct exchange {
	struct kernel *kernel;
	bool done;
	int (*reply)(void *context, struct nlattr **attrs, const struct genlmsghdr *header);
	void *context;
};

struct kernel *kernel_open(struct error *err)
{
	struct kernel *kernel = calloc(1, sizeof(*kernel));
	int rc, on = 1;

	if (!kernel)
		goto no_memory;
	kernel->sock = nl_socket_alloc();
	if (!kernel->sock)
		goto no_memory;
	rc = genl_connect(kernel->sock);
	if (rc) {
		error_set(err, EXIT_SYSTEM, "cannot open a netlink socket: %s", nl_geterror(rc));
		goto close;
	}
	kernel->family = genl_ctrl_resolve(kernel->sock, NBDCTL_FAMILY_NAME);
	if (kernel->family < 0) {
		error_set(err, EXIT_MODULE, "the nbd driver is not loaded");
		goto close;
	}
	nl_socket_set_buffer_size(kernel->sock, 0, 2 * KERNEL_MESSAGE_MAX);
	/* Without it only the driver's words are lost. */
	setsockopt(nl_socket_get_fd(kernel->sock), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	return kernel;

no_memory:
	error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot open a netlink socket");
close:
	kernel_close(kernel);
	return NULL;
}

void kernel_close(struct kernel *kernel)
{
	if (!kernel)
		return;
	nl_socket_free(kernel->sock);
	free(kernel);
}

static int exchange_valid(struct nl_msg *msg, void *arg)
{
	struct exchange *exchange = arg;
	struct nlattr *attrs[NBDCTL_A_DEVICE_MAX + 1];
	struct nlmsghdr *header = nlmsg_hdr(msg);

	/* The largest set; the driver's set fits in as well. */
	if (exchange->reply && !genlmsg_parse(header, 0, attrs, NBDCTL_A_DEVICE_MAX, NULL))
		exchange->reply(exchange->context, attrs, nlmsg_data(header));
	return NL_OK;
}

static int exchange_end(struct nl_msg *msg, void *arg)
{
	struct exchange *exchange = arg;

	(void)msg;
	exchange->done = true;
	return NL_STOP;
}

/* Finds the driver's words behind the error ("extended acknowledgement"). */
static int exchange_error(struct sockaddr_nl *from, struct nlmsgerr *nlerr, void *arg)
{
	const struct nlmsghdr *header = (const struct nlmsghdr *)nlerr - 1;
	struct exchange *exchange = arg;
	struct kernel *kernel = exchange->kernel;
	struct nlattr *attrs[NLMSGERR_ATTR_MAX + 1];
	size_t skip = sizeof(*nlerr);

	(void)from;
	exchange->done = true;
	kernel->errnum = -nlerr->error;
	if (!(header->nlmsg_flags & NLM_F_ACK_TLVS))
		return NL_STOP;
	if (!(header->nlmsg_flags & NLM_F_CAPPED))
		skip += NLMSG_ALIGN(nlerr->msg.nlmsg_len) - sizeof(nlerr->msg);
	if (header->nlmsg_len < NLMSG_HDRLEN + skip)
		return NL_STOP;
	if (!nla_parse(attrs, NLMSGERR_ATTR_MAX, (struct nlattr *)((char *)nlerr + skip),
		       header->nlmsg_len - NLMSG_HDRLEN - skip, NULL) &&
	    attrs[NLMSGERR_ATTR_MSG])
		text_escape(kernel->text, sizeof(kernel->text),
			    nla_data(attrs[NLMSGERR_ATTR_MSG]),
			    strnlen(nla_data(attrs[NLMSGERR_ATTR_MSG]),
				    nla_len(attrs[NLMSGERR_ATTR_MSG])));
	return NL_STOP;
}

/* Sends @msg, frees it, and takes the answer. Returns 0 or a negative errno. */
static int kernel_exchange(struct kernel *kernel, struct nl_msg *msg, struct exchange *exchange)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int rc = cb ? 0 : -NLE_NOMEM;

	exchange->kernel = kernel;
	exchange->done = false;
	kernel->errnum = 0;
	kernel->text[0] = '\0';
	if (!rc) {
		nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, exchange_valid, exchange);
		nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, exchange_end, exchange);
		nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, exchange_end, exchange);
		nl_cb_err(cb, NL_CB_CUSTOM, exchange_error, exchange);
		rc = nl_send_auto(kernel->sock, msg);
	}
	nlmsg_free(msg);
	while (rc >= 0 && !exchange->done)
		rc = nl_recvmsgs(kernel->sock, cb);
	if (cb)
		nl_cb_put(cb);
	if (rc < 0 && !kernel->errnum) {
		kernel->errnum = EIO;
		text_escape(kernel->text, sizeof(kernel->text), nl_geterror(rc),
			    strlen(nl_geterror(rc)));
	}
	return -kernel->errnum;
}

static struct nl_msg *kernel_message(struct kernel *kernel, int flags, uint8_t command,
				     struct error *err)
{
	struct nl_msg *msg = nlmsg_alloc_size(KERNEL_MESSAGE_MAX);

	if (msg && genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, kernel->family, 0, flags, command,
			       NBDCTL_FAMILY_VERSION))
		return msg;
	nlmsg_free(msg);
	error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot ask the driver");
	return NULL;
}

static enum exit_code kernel_code(int errnum)
{
	switch (errnum) {
	case EPERM:
	case EACCES:
		return EXIT_PERMISSION;
	case EBUSY:
		return EXIT_BUSY;
	case EOPNOTSUPP:
		return EXIT_MODULE;
	case ETIMEDOUT:
		return EXIT_TIMEOUT;
	default:
		return EXIT_SYSTEM;
	}
}

static int kernel_refused(const struct kernel *kernel, const char *doing, struct error *err)
{
	enum exit_code code = kernel_code(kernel->errnum);

	if (kernel->text[0])
		error_errno(err, code, kernel->errnum, "%s: %s", doing, kernel->text);
	else
		error_errno(err, code, kernel->errnum, "%s", doing);
	if (code == EXIT_PERMISSION)
		error_hint(err, "this needs CAP_SYS_ADMIN");
	return -1;
}

static uint64_t get_number(const struct nlattr *attr)
{
	uint64_t wide;

	if (!attr)
		return 0;
	switch (nla_len(attr)) {
	case sizeof(uint64_t):
		memcpy(&wide, nla_data(attr), sizeof(wide));
		return wide;
	case sizeof(uint32_t):
		return nla_get_u32(attr);
	case sizeof(uint16_t):
		return nla_get_u16(attr);
	default:
		return 0;
	}
}

static void get_text(const struct nlattr *attr, char *to, size_t room)
{
	size_t len = 0;

	if (attr) {
		len = strnlen(nla_data(attr), nla_len(attr));
		len = len < room ? len : room - 1;
		memcpy(to, nla_data(attr), len);
	}
	to[len] = '\0';
}

static int kernel_driver_reply(void *context, struct nlattr **attrs,
			       const struct genlmsghdr *header)
{
	struct kernel_driver *driver = context;

	(void)header;
	get_text(attrs[NBDCTL_A_DRIVER_VERSION], driver->version, sizeof(driver->version));
	driver->header_modes = get_number(attrs[NBDCTL_A_DRIVER_HEADER_MODES]);
	driver->features = get_number(attrs[NBDCTL_A_DRIVER_FEATURES]);
	driver->max_slots = get_number(attrs[NBDCTL_A_DRIVER_MAX_SLOTS]);
	driver->max_contexts = get_number(attrs[NBDCTL_A_DRIVER_MAX_CONTEXTS]);
	driver->max_queue_depth = get_number(attrs[NBDCTL_A_DRIVER_MAX_QUEUE_DEPTH]);
	driver->max_min_block_size = get_number(attrs[NBDCTL_A_DRIVER_MAX_MIN_BLOCK_SIZE]);
	driver->max_index = get_number(attrs[NBDCTL_A_DRIVER_MAX_INDEX]);
	return 0;
}

int kernel_driver(struct kernel *kernel, struct kernel_driver *driver, struct error *err)
{
	struct exchange exchange = { .reply = kernel_driver_reply, .context = driver };
	struct nl_msg *msg = kernel_message(kernel, 0, NBDCTL_CMD_DRIVER_GET, err);

	memset(driver, 0, sizeof(*driver));
	if (!msg)
		return -1;
	if (kernel_exchange(kernel, msg, &exchange))
		return kernel_refused(kernel, "cannot ask the driver what it can do", err);
	return 0;
}

/* What the first connection negotiated holds for the device. */
static int put_export(struct nl_msg *msg, const struct export *export)
{
	uint32_t mode = export->structured ? NBDCTL_HEADER_MODE_STRUCTURED :
					     NBDCTL_HEADER_MODE_SIMPLE;
	struct nlattr *nest;
	unsigned int i;

	if (nla_put_u64(msg, NBDCTL_A_DEVICE_SIZE, export->size) ||
	    nla_put_u16(msg, NBDCTL_A_DEVICE_TRANSMISSION_FLAGS, export->flags) ||
	    nla_put_u32(msg, NBDCTL_A_DEVICE_HEADER_MODE, mode) ||
	    nla_put_u32(msg, NBDCTL_A_DEVICE_MIN_BLOCK_SIZE, export->minimum) ||
	    nla_put_u32(msg, NBDCTL_A_DEVICE_PREFERRED_BLOCK_SIZE, export->preferred))
		return -1;
	for (i = 0; i < export->n_contexts; i++) {
		nest = nla_nest_start(msg, NBDCTL_A_DEVICE_CONTEXT);
		if (!nest || nla_put_string(msg, NBDCTL_A_CONTEXT_NAME, export->contexts[i].name))
			return -1;
		nla_nest_end(msg, nest);
	}
	return 0;
}

/* Ids are this connection's own; the index of a context is that of the first. */
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
	if (put_export(msg, &attach->exports[0]) ||
	    nla_put_u32(msg, NBDCTL_A_DEVICE_MAX_PAYLOAD, attach->max_payload) ||
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

static int kernel_attach_reply(void *context, struct nlattr **attrs,
			       const struct genlmsghdr *header)
{
	(void)header;
	if (attrs[NBDCTL_A_DEVICE_INDEX])
		*(uint32_t *)context = nla_get_u32(attrs[NBDCTL_A_DEVICE_INDEX]);
	return 0;
}

int kernel_attach(struct kernel *kernel, const struct kernel_attach *attach, uint32_t *index,
		  struct error *err)
{
	struct exchange exchange = { .reply = kernel_attach_reply, .context = index };
	struct nl_msg *msg = kernel_message(kernel, NLM_F_ACK, NBDCTL_CMD_ATTACH, err);

	*index = attach->index;
	if (!msg)
		return -1;
	if (put_attach(msg, attach)) {
		nlmsg_free(msg);
		return error_set(err, EXIT_SYSTEM,
				 "the names of the contexts are too long for one message");
	}
	if (kernel_exchange(kernel, msg, &exchange))
		return kernel_refused(kernel, "cannot attach", err);
	if (*index == KERNEL_ANY_DEVICE)
		return error_set(err, EXIT_SYSTEM, "the driver did not say which device it took");
	return 0;
}

int kernel_detach(struct kernel *kernel, uint32_t index, bool force, struct error *err)
{
	struct exchange exchange = { 0 };
	struct nl_msg *msg = kernel_message(kernel, NLM_F_ACK, NBDCTL_CMD_DETACH, err);

	if (!msg)
		return -1;
	if (nla_put_u32(msg, NBDCTL_A_DEVICE_INDEX, index) ||
	    (force && nla_put_flag(msg, NBDCTL_A_DEVICE_FORCE))) {
		nlmsg_free(msg);
		return error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot detach");
	}
	switch (kernel_exchange(kernel, msg, &exchange)) {
	case 0:
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

static void get_slot(const struct nlattr *attr, struct kernel_device *device)
{
	struct nlattr *attrs[NBDCTL_A_SLOT_MAX + 1];
	struct kernel_slot *slot = &device->slots[device->n_slots];

	if (device->n_slots == KERNEL_MAX_CONNECTIONS ||
	    nla_parse_nested(attrs, NBDCTL_A_SLOT_MAX, (struct nlattr *)attr, NULL))
		return;
	slot->index = get_number(attrs[NBDCTL_A_SLOT_INDEX]);
	slot->state = get_number(attrs[NBDCTL_A_SLOT_STATE]);
	slot->transport = get_number(attrs[NBDCTL_A_SLOT_TRANSPORT]);
	slot->requests = get_number(attrs[NBDCTL_A_SLOT_REQUESTS]);
	slot->replies = get_number(attrs[NBDCTL_A_SLOT_REPLIES]);
	slot->errors = get_number(attrs[NBDCTL_A_SLOT_ERRORS]);
	slot->bytes_sent = get_number(attrs[NBDCTL_A_SLOT_BYTES_SENT]);
	slot->bytes_received = get_number(attrs[NBDCTL_A_SLOT_BYTES_RECEIVED]);
	slot->reconnects = get_number(attrs[NBDCTL_A_SLOT_RECONNECTS]);
	slot->reason = get_number(attrs[NBDCTL_A_SLOT_REASON]);
	device->n_slots++;
}

static void get_device(struct kernel_device *device, struct nlattr **attrs,
		       const struct genlmsghdr *header)
{
	const struct nlattr *attr;
	int rest;

	memset(device, 0, sizeof(*device));
	device->index = get_number(attrs[NBDCTL_A_DEVICE_INDEX]);
	device->state = get_number(attrs[NBDCTL_A_DEVICE_STATE]);
	device->size = get_number(attrs[NBDCTL_A_DEVICE_SIZE]);
	device->flags = get_number(attrs[NBDCTL_A_DEVICE_TRANSMISSION_FLAGS]);
	device->header_mode = get_number(attrs[NBDCTL_A_DEVICE_HEADER_MODE]);
	device->minimum = get_number(attrs[NBDCTL_A_DEVICE_MIN_BLOCK_SIZE]);
	device->preferred = get_number(attrs[NBDCTL_A_DEVICE_PREFERRED_BLOCK_SIZE]);
	device->max_payload = get_number(attrs[NBDCTL_A_DEVICE_MAX_PAYLOAD]);
	device->request_timeout = get_number(attrs[NBDCTL_A_DEVICE_REQUEST_TIMEOUT]);
	device->dead_time = get_number(attrs[NBDCTL_A_DEVICE_DEAD_TIME]);
	device->queue_depth = get_number(attrs[NBDCTL_A_DEVICE_QUEUE_DEPTH]);
	device->openers = get_number(attrs[NBDCTL_A_DEVICE_OPENERS]);
	device->read_only = attrs[NBDCTL_A_DEVICE_READ_ONLY] ||
			    (device->flags & NBD_TFLAG_READ_ONLY);
	device->gave_up = attrs[NBDCTL_A_DEVICE_GAVE_UP];
	get_text(attrs[NBDCTL_A_DEVICE_IDENTIFIER], device->identifier,
		 sizeof(device->identifier));
	get_text(attrs[NBDCTL_A_DEVICE_DISPLAY], device->display, sizeof(device->display));
	/* Of attributes that come more than once, the parser keeps one. */
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

static int kernel_device_reply(void *context, struct nlattr **attrs,
			       const struct genlmsghdr *header)
{
	struct kernel_device *device = context;

	kernel_device_free(device);
	get_device(device, attrs, header);
	return 0;
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
		return error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot ask for the device");
	}
	switch (kernel_exchange(kernel, msg, &exchange)) {
	case 0:
		if (device->state != NBDCTL_STATE_IDLE)
			return 0;
		kernel_device_free(device);
		/* fall through */
	case -ENOTCONN:
	case -ENODEV:
	case -ENXIO:
	case -ENOENT:
		return error_set(err, EXIT_FALSE, "not attached");
	default:
		kernel_refused(kernel, "cannot ask for the device", err);
		if (err->code == EXIT_SYSTEM)
			err->code = EXIT_UNKNOWN;
		return -1;
	}
}

struct each_device {
	kernel_device_fn fn;
	void *context;
	int stopped;
};

static int kernel_devices_reply(void *context, struct nlattr **attrs,
				const struct genlmsghdr *header)
{
	struct each_device *each = context;
	struct kernel_device device;

	if (each->stopped)
		return 0;
	get_device(&device, attrs, header);
	if (device.state != NBDCTL_STATE_IDLE)
		each->stopped = each->fn(each->context, &device);
	kernel_device_free(&device);
	return 0;
}

int kernel_devices(struct kernel *kernel, kernel_device_fn fn, void *context, struct error *err)
{
	struct each_device each = { .fn = fn, .context = context };
	struct exchange exchange = { .reply = kernel_devices_reply, .context = &each };
	struct nl_msg *msg = kernel_message(kernel, NLM_F_DUMP, NBDCTL_CMD_DEVICE_GET, err);

	if (!msg)
		return -1;
	if (kernel_exchange(kernel, msg, &exchange))
		return kernel_refused(kernel, "cannot list the devices", err);
	return 0;
}

const char *kernel_state_name(uint32_t state)
{
	static const char *const names[] = {
		[NBDCTL_STATE_IDLE] = "idle",
		[NBDCTL_STATE_SETUP] = "setup",
		[NBDCTL_STATE_LIVE] = "live",
		[NBDCTL_STATE_WAITING] = "waiting",
		[NBDCTL_STATE_DRAINING] = "draining",
		[NBDCTL_STATE_DEAD] = "dead",
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
