// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "base/transport.h"
#include "negotiate/option.h"

/* Bytes of a text of the server, escaped, that are shown. */
#define OPTION_TEXT_MAX		600

struct refusal {
	uint32_t type;
	enum exit_code code;
	const char *meaning;
	const char *hint;
};

static const struct refusal option_refusals[] = {
	{ NBD_REP_ERR_UNSUP, EXIT_PROTOCOL, "the server does not know this option", "" },
	{ NBD_REP_ERR_POLICY, EXIT_EXPORT, "the server's policy forbids it",
	  "look at the server's access rules, and whether this client may use the export" },
	{ NBD_REP_ERR_INVALID, EXIT_EXPORT, "the server reports an invalid request",
	  "the names given may be too long or of a form that this server does not accept" },
	{ NBD_REP_ERR_PLATFORM, EXIT_EXPORT, "the server's platform cannot do it", "" },
	{ NBD_REP_ERR_TLS_REQD, EXIT_TLS, "the server requires TLS",
	  "TLS is not built in yet: use a tunnel, or have it served without TLS" },
	{ NBD_REP_ERR_UNKNOWN, EXIT_EXPORT, "the server has no such export",
	  "\"nbd-info HOST\" lists what the server has" },
	{ NBD_REP_ERR_SHUTDOWN, EXIT_REACH, "the server is shutting down",
	  "try again when it is back" },
	{ NBD_REP_ERR_BLOCK_SIZE_REQD, EXIT_PROTOCOL,
	  "the server requires a request for block sizes, but got one", "" },
	{ NBD_REP_ERR_TOO_BIG, EXIT_PROTOCOL, "too big for the server",
	  "give fewer or shorter --context" },
	{ NBD_REP_ERR_EXT_HEADER_REQD, EXIT_MODULE,
	  "the server requires extended headers, which this client does not support", "" },
};

const char *option_name(uint32_t option)
{
	switch (option) {
	case NBD_OPT_EXPORT_NAME:
		return "EXPORT_NAME";
	case NBD_OPT_ABORT:
		return "ABORT";
	case NBD_OPT_LIST:
		return "LIST";
	case NBD_OPT_INFO:
		return "INFO";
	case NBD_OPT_GO:
		return "GO";
	case NBD_OPT_STRUCTURED_REPLY:
		return "STRUCTURED_REPLY";
	case NBD_OPT_LIST_META_CONTEXT:
		return "LIST_META_CONTEXT";
	case NBD_OPT_SET_META_CONTEXT:
		return "SET_META_CONTEXT";
	default:
		return "an unknown option";
	}
}

int option_stream_error(int rc, const char *doing, struct error *err)
{
	switch (rc) {
	case -ETIMEDOUT:
		error_set(err, EXIT_TIMEOUT, "%s: the server took too long", doing);
		error_hint(err, "it may serve few clients at once; see also --connect-timeout");
		return -1;
	case -ENOTCONN:
	case -ECONNRESET:
	case -EPIPE:
		return error_set(err, EXIT_REACH, "%s: the server closed the connection", doing);
	default:
		return error_errno(err, EXIT_REACH, -rc, "%s", doing);
	}
}

int option_violation(const struct option_chat *chat, struct error *err, const char *fmt, ...)
{
	char what[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	error_set(err, EXIT_PROTOCOL, "protocol violation in the reply to %s: %s",
		  option_name(chat->option), what);
	error_hint(err, "update the server: this is a bug in it");
	return -1;
}

int option_send(struct option_chat *chat, uint32_t option, const void *data, uint32_t length,
		struct error *err)
{
	struct nbd_option_header header = {
		.magic = htobe64(NBD_OPTION_MAGIC),
		.option = htobe32(option),
		.length = htobe32(length),
	};
	struct transport *t = chat->transport;
	int rc;

	chat->option = option;
	chat->replies = 0;
	t->more = length;
	rc = t->write(t, &header, sizeof(header));
	t->more = false;
	if (!rc && length)
		rc = t->write(t, data, length);
	return rc ? option_stream_error(rc, option_name(option), err) : 0;
}

int option_receive(struct option_chat *chat, struct error *err)
{
	struct transport *t = chat->transport;
	struct option_reply *reply = &chat->reply;
	struct nbd_option_reply header;
	int rc;

	if (chat->replies++ > OPTION_MAX_REPLIES)
		return option_violation(chat, err, "more than %u replies", OPTION_MAX_REPLIES);
	rc = t->read(t, &header, sizeof(header));
	if (rc)
		return option_stream_error(rc, option_name(chat->option), err);
	if (be64toh(header.magic) != NBD_OPTION_REPLY_MAGIC)
		return option_violation(chat, err, "wrong magic");
	if (be32toh(header.option) != chat->option)
		return option_violation(chat, err, "it is for option %u", be32toh(header.option));
	reply->type = be32toh(header.type);
	reply->length = be32toh(header.length);
	if (reply->length > sizeof(reply->data))
		return option_violation(chat, err, "%u bytes long", reply->length);
	rc = reply->length ? t->read(t, reply->data, reply->length) : 0;
	if (rc)
		return option_stream_error(rc, option_name(chat->option), err);
	if (reply->type == NBD_REP_ACK && reply->length)
		return option_violation(chat, err, "an ACK with %u bytes of data",
					reply->length);
	return 0;
}

bool option_is_final(const struct option_chat *chat)
{
	return chat->reply.type == NBD_REP_ACK || (chat->reply.type & NBD_REP_ERROR);
}

int option_refused(const struct option_chat *chat, const char *doing, struct error *err)
{
	static const struct refusal other = { 0, EXIT_PROTOCOL, "unknown error", "" };
	const struct refusal *refusal = &other;
	char text[OPTION_TEXT_MAX];
	size_t i;

	for (i = 0; i < sizeof(option_refusals) / sizeof(option_refusals[0]); i++)
		if (option_refusals[i].type == chat->reply.type)
			refusal = &option_refusals[i];
	text_escape(text, sizeof(text), chat->reply.data, chat->reply.length);
	if (refusal == &other)
		error_set(err, refusal->code, "%s: error %#x%s%s", doing, chat->reply.type,
			  text[0] ? ", server says: " : "", text);
	else
		error_set(err, refusal->code, "%s: %s%s%s", doing, refusal->meaning,
			  text[0] ? ", it says: " : "", text);
	error_hint(err, "%s", refusal->hint);
	return -1;
}
