// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <netlink/genl/ctrl.h>

#include "../../uapi/linux/nbdctl.h"
#include "base/error.h"
#include "base/text.h"
#include "kernel/kernel-genl.h"
#include "kernel/kernel.h"

/* Bytes for an attach with many connections and long context names */
#define KERNEL_MESSAGE_MAX	(256 * 1024)

/**
 * struct kernel - a socket to the family
 * @errnum: errno of the last request, or 0
 * @answered: the driver has answered the last request
 * @text: the message of its extended ACK, or an error of libnl, or ""
 */
struct kernel {
	struct nl_sock *sock;
	int family;
	int errnum;
	bool answered;
	char text[512];
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
	nl_socket_set_buffer_size(kernel->sock, 2 * KERNEL_MESSAGE_MAX, 2 * KERNEL_MESSAGE_MAX);
	/* If this fails, only the extended ACKs are missing. */
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

/* Skips messages of an earlier exchange that failed, for example for lack of memory. */
static int exchange_check(struct nl_msg *msg, void *arg)
{
	const struct exchange *exchange = arg;

	return nlmsg_hdr(msg)->nlmsg_seq == exchange->sequence ? NL_OK : NL_SKIP;
}

static int exchange_valid(struct nl_msg *msg, void *arg)
{
	struct exchange *exchange = arg;
	struct nlattr *attrs[NBDCTL_A_DEVICE_MAX + 1];
	struct nlmsghdr *header = nlmsg_hdr(msg);

	/* The attributes of a device are the largest set; those of the driver fit, too. */
	if (exchange->reply && !genlmsg_parse(header, 0, attrs, NBDCTL_A_DEVICE_MAX, NULL))
		exchange->reply(exchange->context, attrs, nlmsg_data(header));
	return NL_OK;
}

static int exchange_end(struct nl_msg *msg, void *arg)
{
	struct exchange *exchange = arg;

	(void)msg;
	exchange->done = true;
	exchange->kernel->answered = true;
	return NL_STOP;
}

/* Takes the errno, and the message of the extended ACK if there is one. */
static int exchange_error(struct sockaddr_nl *from, struct nlmsgerr *nlerr, void *arg)
{
	const struct nlmsghdr *header = (const struct nlmsghdr *)nlerr - 1;
	struct exchange *exchange = arg;
	struct kernel *kernel = exchange->kernel;
	struct nlattr *attrs[NLMSGERR_ATTR_MAX + 1];
	size_t skip = sizeof(*nlerr);

	(void)from;
	exchange->done = true;
	kernel->answered = true;
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

int kernel_exchange(struct kernel *kernel, struct nl_msg *msg, struct exchange *exchange)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int rc = cb ? 0 : -NLE_NOMEM;

	exchange->kernel = kernel;
	exchange->done = false;
	kernel->errnum = 0;
	kernel->answered = false;
	kernel->text[0] = '\0';
	if (!rc) {
		nl_cb_set(cb, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, exchange_check, exchange);
		nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, exchange_valid, exchange);
		nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, exchange_end, exchange);
		nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, exchange_end, exchange);
		nl_cb_err(cb, NL_CB_CUSTOM, exchange_error, exchange);
		rc = nl_send_auto(kernel->sock, msg);
		exchange->sequence = nlmsg_hdr(msg)->nlmsg_seq;
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

bool kernel_answered(const struct kernel *kernel)
{
	return kernel->answered;
}

struct nl_msg *kernel_message(struct kernel *kernel, int flags, uint8_t command,
			      struct error *err)
{
	struct nl_msg *msg = nlmsg_alloc_size(KERNEL_MESSAGE_MAX);

	if (msg && genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, kernel->family, 0, flags, command,
			       NBDCTL_FAMILY_VERSION))
		return msg;
	nlmsg_free(msg);
	error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot query the driver");
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
	case ENOTCONN:
		return EXIT_REACH;
	case EROFS:
	case ESTALE:
		return EXIT_EXPORT;
	case ETIMEDOUT:
		return EXIT_TIMEOUT;
	default:
		return EXIT_SYSTEM;
	}
}

int kernel_refused(const struct kernel *kernel, const char *doing, struct error *err)
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

uint64_t genl_number(const struct nlattr *attr)
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

void genl_text(const struct nlattr *attr, char *to, size_t room)
{
	size_t len = 0;

	if (attr) {
		len = strnlen(nla_data(attr), nla_len(attr));
		len = len < room ? len : room - 1;
		memcpy(to, nla_data(attr), len);
	}
	to[len] = '\0';
}
