// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "base/transport.h"
#include "negotiate/handshake.h"

/* Stream error or protocol violation: the connection can only be closed. */
static int handshake_broken(struct handshake *hs)
{
	hs->phase = HANDSHAKE_DEAD;
	return -1;
}

static int handshake_send(struct handshake *hs, uint32_t option, const void *data, uint32_t length,
			  struct error *err)
{
	if (option_send(&hs->chat, option, data, length, err))
		return handshake_broken(hs);
	return 0;
}

static int handshake_receive(struct handshake *hs, struct error *err)
{
	if (option_receive(&hs->chat, err))
		return handshake_broken(hs);
	return 0;
}

static bool handshake_acked(const struct handshake *hs)
{
	return hs->chat.reply.type == NBD_REP_ACK;
}

/* True for errors that end the attempt, whatever the option. */
static bool handshake_refusal_is_final(const struct handshake *hs)
{
	return hs->chat.reply.type == NBD_REP_ERR_TLS_REQD ||
	       hs->chat.reply.type == NBD_REP_ERR_SHUTDOWN;
}

static int handshake_not_newstyle(uint64_t magic, uint64_t style, struct error *err)
{
	if (magic != NBD_MAGIC) {
		error_set(err, EXIT_PROTOCOL, "not an NBD server: wrong magic");
		error_hint(err, "check the address and the port");
	} else if (style == NBD_OLDSTYLE_MAGIC) {
		error_set(err, EXIT_PROTOCOL, "the server uses the oldstyle handshake");
		error_hint(err, "update the server, or switch it to newstyle (nbdkit: without -o)");
	} else {
		error_set(err, EXIT_PROTOCOL, "the server uses an unknown style of the handshake");
	}
	return -1;
}

int handshake_open(struct handshake *hs, struct transport *transport, struct error *err)
{
	struct nbd_greeting greeting;
	uint16_t offered;
	uint32_t agreed;
	int rc;

	hs->transport = transport;
	hs->chat.transport = transport;
	hs->phase = HANDSHAKE_DEAD;
	hs->structured = false;
	rc = transport->read(transport, &greeting, sizeof(greeting));
	if (rc)
		return option_stream_error(rc, "no initial handshake", err);
	greeting.magic = be64toh(greeting.magic);
	greeting.style = be64toh(greeting.style);
	if (greeting.magic != NBD_MAGIC || greeting.style != NBD_OPTION_MAGIC)
		return handshake_not_newstyle(greeting.magic, greeting.style, err);
	rc = transport->read(transport, &offered, sizeof(offered));
	if (rc)
		return option_stream_error(rc, "no initial handshake", err);
	/* Only flags that the server offered may be set; unknown ones are ignored. */
	agreed = be16toh(offered) & (NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
	hs->no_zeroes = agreed & NBD_FLAG_NO_ZEROES;
	hs->phase = agreed & NBD_FLAG_FIXED_NEWSTYLE ? HANDSHAKE_HAGGLING : HANDSHAKE_BARE;
	agreed = htobe32(agreed);
	/* The server does not reply to the flags: the first option can go in the same packet. */
	transport->more = true;
	rc = transport->write(transport, &agreed, sizeof(agreed));
	transport->more = false;
	if (rc) {
		hs->phase = HANDSHAKE_DEAD;
		return option_stream_error(rc, "initial handshake", err);
	}
	return 0;
}

int handshake_structured(struct handshake *hs, struct error *err)
{
	if (hs->phase != HANDSHAKE_HAGGLING)
		return 0;
	if (handshake_send(hs, NBD_OPT_STRUCTURED_REPLY, NULL, 0, err) ||
	    handshake_receive(hs, err))
		return -1;
	if (!option_is_final(&hs->chat)) {
		option_violation(&hs->chat, err, "reply type %u", hs->chat.reply.type);
		return handshake_broken(hs);
	}
	hs->structured = handshake_acked(hs);
	if (handshake_refusal_is_final(hs))
		return option_refused(&hs->chat, "cannot negotiate", err);
	return 0;
}

static void *put_u16(void *to, uint16_t value)
{
	value = htobe16(value);
	return mempcpy(to, &value, sizeof(value));
}

static void *put_u32(void *to, uint32_t value)
{
	value = htobe32(value);
	return mempcpy(to, &value, sizeof(value));
}

static void *put_string(void *to, const char *s)
{
	size_t len = strlen(s);

	return mempcpy(put_u32(to, len), s, len);
}

static uint32_t get_u32(const void *from)
{
	uint32_t value;

	memcpy(&value, from, sizeof(value));
	return be32toh(value);
}

/* Returns a copy of a string of the server, which is only shown: escaped if it is not UTF-8. */
static char *handshake_text(const char *s, size_t len)
{
	char *copy;

	if (text_is_utf8(s, len))
		return strndup(s, len);
	copy = malloc(TEXT_ESCAPED_MAX(len));
	return copy ? text_escape(copy, TEXT_ESCAPED_MAX(len), s, len) : NULL;
}

/* Adds a context to @export, unless it is there already. With @ids_matter, ids must be unique. */
static int handshake_add_context(struct handshake *hs, const char *name, size_t len, uint32_t id,
				 bool ids_matter, struct export *export, struct error *err)
{
	struct option_chat *chat = &hs->chat;
	struct export_context *context;
	unsigned int i;

	for (i = 0; i < export->n_contexts; i++) {
		bool same_name, same_id;

		context = &export->contexts[i];
		same_name = strlen(context->name) == len && !memcmp(context->name, name, len);
		same_id = context->id == id;
		if (same_name && (same_id || !ids_matter))
			return 0;
		if (ids_matter && (same_name || same_id))
			return option_violation(chat, err, "context id %u is not unique", id);
	}
	if (export->n_contexts == EXPORT_MAX_CONTEXTS)
		return option_violation(chat, err, "more than %u contexts", EXPORT_MAX_CONTEXTS);
	context = &export->contexts[export->n_contexts];
	context->id = id;
	context->name = strndup(name, len);
	if (!context->name)
		return error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot allocate context names");
	export->n_contexts++;
	return 0;
}

static int handshake_get_context(struct handshake *hs, bool ids_matter, struct export *export,
				 struct error *err)
{
	const struct option_reply *reply = &hs->chat.reply;
	const char *name = reply->data + 4;
	size_t len = reply->length - 4;

	if (reply->type != NBD_REP_META_CONTEXT)
		return option_violation(&hs->chat, err, "reply type %u", reply->type);
	if (reply->length <= 4 || len > NBD_STRING_MAX)
		return option_violation(&hs->chat, err, "%u bytes for a context", reply->length);
	if (!text_is_utf8(name, len))
		return option_violation(&hs->chat, err, "a context name that is not UTF-8");
	return handshake_add_context(hs, name, len, get_u32(reply->data), ids_matter, export, err);
}

static int handshake_send_queries(struct handshake *hs, uint32_t option,
				  const struct handshake_request *request, struct error *err)
{
	size_t i, len = 4 + strlen(request->export) + 4;
	char *data, *at;
	int rc;

	for (i = 0; i < request->n_contexts; i++)
		len += 4 + strlen(request->contexts[i]);
	data = malloc(len);
	if (!data)
		return error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot allocate context names");
	at = put_string(data, request->export);
	at = put_u32(at, request->n_contexts);
	for (i = 0; i < request->n_contexts; i++)
		at = put_string(at, request->contexts[i]);
	rc = handshake_send(hs, option, data, len, err);
	free(data);
	return rc;
}

int handshake_contexts(struct handshake *hs, uint32_t option,
		       const struct handshake_request *request, struct export *export,
		       struct error *err)
{
	/* Clients should disregard the ids in replies to NBD_OPT_LIST_META_CONTEXT. */
	bool ids_matter = option == NBD_OPT_SET_META_CONTEXT;
	struct error refusal;

	export_forget_contexts(export);
	/* Both options require structured replies. */
	if (hs->phase != HANDSHAKE_HAGGLING || !hs->structured)
		return 0;
	if (handshake_send_queries(hs, option, request, err) || handshake_receive(hs, err))
		return -1;
	while (!option_is_final(&hs->chat)) {
		if (handshake_get_context(hs, ids_matter, export, err))
			return handshake_broken(hs);
		if (handshake_receive(hs, err))
			return -1;
	}
	if (handshake_acked(hs))
		return 0;
	/* An error voids the replies before it: nothing is selected. */
	export_forget_contexts(export);
	if (handshake_refusal_is_final(hs))
		return option_refused(&hs->chat, "cannot negotiate", err);
	option_refused(&hs->chat, "no metadata contexts", &refusal);
	log_note("%s", refusal.cause);
	return 0;
}

static int handshake_get_block_size(struct handshake *hs, const char *data, size_t len,
				    struct export *export, struct error *err)
{
	struct nbd_info_block_size info;

	if (len != sizeof(info))
		return option_violation(&hs->chat, err, "%zu bytes of block sizes", len);
	memcpy(&info, data, sizeof(info));
	export->minimum = be32toh(info.minimum);
	export->preferred = be32toh(info.preferred);
	export->maximum = be32toh(info.maximum);
	export->has_block_size = true;
	if (!export_blocks_are_sound(export->minimum, export->preferred, export->maximum))
		return option_violation(&hs->chat, err, "impossible block sizes %u/%u/%u",
					export->minimum, export->preferred, export->maximum);
	return 0;
}

static int handshake_get_export(struct handshake *hs, const char *data, size_t len, bool *seen,
				struct export *export, struct error *err)
{
	struct nbd_info_export info;

	if (len != sizeof(info))
		return option_violation(&hs->chat, err, "%zu bytes of size and flags", len);
	memcpy(&info, data, sizeof(info));
	if (*seen && (export->size != be64toh(info.size) || export->flags != be16toh(info.flags)))
		return option_violation(&hs->chat, err, "two different sizes or flags");
	export->size = be64toh(info.size);
	export->flags = be16toh(info.flags);
	*seen = true;
	return 0;
}

static int handshake_get_string(struct handshake *hs, const char *data, size_t len, char **string,
				struct error *err)
{
	if (len > NBD_STRING_MAX)
		return option_violation(&hs->chat, err, "a string of %zu bytes", len);
	free(*string);
	*string = handshake_text(data, len);
	if (!*string)
		return error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot allocate a string");
	return 0;
}

static int handshake_get_info(struct handshake *hs, bool *seen, struct export *export,
			      struct error *err)
{
	const struct option_reply *reply = &hs->chat.reply;
	const char *data = reply->data + 2;
	size_t len = reply->length - 2;
	uint16_t type;

	if (reply->type != NBD_REP_INFO)
		return option_violation(&hs->chat, err, "reply type %u", reply->type);
	if (reply->length < 2)
		return option_violation(&hs->chat, err, "information of %u bytes", reply->length);
	memcpy(&type, reply->data, sizeof(type));
	switch (be16toh(type)) {
	case NBD_INFO_EXPORT:
		return handshake_get_export(hs, data, len, seen, export, err);
	case NBD_INFO_BLOCK_SIZE:
		return handshake_get_block_size(hs, data, len, export, err);
	case NBD_INFO_NAME:
		return handshake_get_string(hs, data, len, &export->canonical, err);
	case NBD_INFO_DESCRIPTION:
		return handshake_get_string(hs, data, len, &export->description, err);
	default:
		return 0;
	}
}

/* Sends NBD_OPT_INFO or NBD_OPT_GO. The caller checks the final reply. */
static int handshake_ask(struct handshake *hs, uint32_t option, const char *name,
			 const uint16_t *infos, uint16_t n_infos, struct export *export,
			 struct error *err)
{
	char data[4 + NBD_STRING_MAX + 2 + 8], *at;
	bool seen = false;
	uint16_t i;

	at = put_u16(put_string(data, name), n_infos);
	for (i = 0; i < n_infos; i++)
		at = put_u16(at, infos[i]);
	if (handshake_send(hs, option, data, at - data, err) || handshake_receive(hs, err))
		return -1;
	while (!option_is_final(&hs->chat)) {
		if (handshake_get_info(hs, &seen, export, err))
			return handshake_broken(hs);
		if (handshake_receive(hs, err))
			return -1;
	}
	if (handshake_acked(hs) && !seen) {
		option_violation(&hs->chat, err, "no size and flags before the ACK");
		return handshake_broken(hs);
	}
	return 0;
}

int handshake_info(struct handshake *hs, const char *name, struct export *export, bool *known,
		   struct error *err)
{
	static const uint16_t infos[] = {
		NBD_INFO_NAME, NBD_INFO_DESCRIPTION, NBD_INFO_BLOCK_SIZE,
	};

	*known = false;
	export->structured = hs->structured;
	if (hs->phase != HANDSHAKE_HAGGLING) {
		error_set(err, EXIT_PROTOCOL, "the server cannot describe exports");
		return 0;
	}
	if (handshake_ask(hs, NBD_OPT_INFO, name, infos, 3, export, err))
		return -1;
	*known = handshake_acked(hs);
	if (*known)
		return 0;
	option_refused(&hs->chat, "cannot query the export", err);
	return handshake_refusal_is_final(hs) ? -1 : 0;
}

/* For servers without NBD_OPT_GO. Instead of an error reply, the server disconnects. */
static int handshake_export_name(struct handshake *hs, const char *name, struct export *export,
				 struct error *err)
{
	struct nbd_export_name_reply reply;
	char zeroes[NBD_EXPORT_NAME_ZEROES];
	int rc;

	if (handshake_send(hs, NBD_OPT_EXPORT_NAME, name, strlen(name), err))
		return -1;
	rc = hs->transport->read(hs->transport, &reply, sizeof(reply));
	if (!rc && !hs->no_zeroes)
		rc = hs->transport->read(hs->transport, zeroes, sizeof(zeroes));
	if (rc) {
		option_stream_error(rc, "cannot open the export", err);
		if (rc == -ENOTCONN || rc == -ECONNRESET) {
			err->code = EXIT_EXPORT;
			error_hint(err, "no such export, TLS needed, or this client not allowed");
		}
		return handshake_broken(hs);
	}
	export->size = be64toh(reply.size);
	export->flags = be16toh(reply.flags);
	return 0;
}

int handshake_go(struct handshake *hs, const char *name, struct export *export, struct error *err)
{
	static const uint16_t infos[] = { NBD_INFO_BLOCK_SIZE };
	bool bare = hs->phase == HANDSHAKE_BARE;

	export->structured = hs->structured;
	if (!bare) {
		if (handshake_ask(hs, NBD_OPT_GO, name, infos, 1, export, err))
			return -1;
		/* After any other error, EXPORT_NAME would only hide the reason. */
		bare = hs->chat.reply.type == NBD_REP_ERR_UNSUP;
		if (!bare && !handshake_acked(hs))
			return option_refused(&hs->chat, "cannot open the export", err);
	}
	if (bare && handshake_export_name(hs, name, export, err))
		return -1;
	/* "Transmission flags": bit 0 must always be set. */
	if (!(export->flags & NBD_FLAG_HAS_FLAGS)) {
		option_violation(&hs->chat, err, "impossible flags %#x", export->flags);
		return handshake_broken(hs);
	}
	hs->phase = HANDSHAKE_TRANSMISSION;
	return 0;
}

int handshake_list(struct handshake *hs, handshake_entry_fn entry, void *context,
		   struct error *err)
{
	const struct option_reply *reply = &hs->chat.reply;
	size_t len, total = 0;

	if (hs->phase != HANDSHAKE_HAGGLING)
		return error_set(err, EXIT_PROTOCOL, "the server is too old to list its exports");
	if (handshake_send(hs, NBD_OPT_LIST, NULL, 0, err) || handshake_receive(hs, err))
		return -1;
	for (; !option_is_final(&hs->chat); total += reply->length) {
		len = reply->length >= 4 ? get_u32(reply->data) : 0;
		if (reply->type != NBD_REP_SERVER || reply->length < 4 ||
		    len > reply->length - 4 || len > NBD_STRING_MAX ||
		    total > HANDSHAKE_LIST_BYTES_MAX) {
			option_violation(&hs->chat, err, "not a list of exports");
			return handshake_broken(hs);
		}
		if (entry(context, reply->data + 4, len, reply->data + 4 + len,
			  reply->length - 4 - len, err) || handshake_receive(hs, err))
			return -1;
	}
	if (!handshake_acked(hs))
		return option_refused(&hs->chat, "cannot list the exports", err);
	return 0;
}

void handshake_leave(struct handshake *hs)
{
	struct nbd_request disc = {
		.magic = htobe32(NBD_REQUEST_MAGIC),
		.command = htobe16(NBD_CMD_DISC),
	};
	struct error ignored;

	if (hs->phase == HANDSHAKE_TRANSMISSION)
		hs->transport->write(hs->transport, &disc, sizeof(disc));
	/* The reply to NBD_OPT_ABORT may be an ACK, an error or a reset: do not wait for it. */
	if (hs->phase == HANDSHAKE_HAGGLING)
		option_send(&hs->chat, NBD_OPT_ABORT, NULL, 0, &ignored);
	hs->phase = HANDSHAKE_DEAD;
}

int handshake_attach(struct transport *transport, const struct handshake_request *request,
		     struct export *export, struct error *err)
{
	struct handshake hs;

	export_init(export);
	if (handshake_open(&hs, transport, err))
		return -1;
	if (request->structured && handshake_structured(&hs, err))
		goto leave;
	/* Directly before GO: some servers drop the selection when another option comes. */
	if (request->n_contexts &&
	    handshake_contexts(&hs, NBD_OPT_SET_META_CONTEXT, request, export, err))
		goto leave;
	if (handshake_go(&hs, request->export, export, err))
		goto leave;
	return 0;

leave:
	handshake_leave(&hs);
	export_free(export);
	return -1;
}
