// SPDX-License-Identifier: GPL-2.0-only
/*
 * The handshake of the NBD protocol, fixed newstyle, and what it demands of the client.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "evil.h"

#define MAX_OPTION_DATA	(64 * KiB)

/* Header and data leave in one piece: a reply is one segment unless a test trickles it. */
static bool send_replies(struct conn *c, unsigned int times, uint32_t option, uint32_t type,
			 const void *prefix, uint32_t prefix_len, const void *data, uint32_t len)
{
	struct wire_option_reply h = {
		.magic = htobe64(NBD_REP_MAGIC),
		.option = htobe32(option),
		.type = htobe32(type),
		.length = htobe32(prefix_len + len),
	};
	size_t size = sizeof(h) + prefix_len + len;
	uint8_t *buf = malloc(times * size), *to = buf;
	bool ok;

	if (!buf)
		return false;
	for (unsigned int i = 0; i < times; i++, to += size) {
		memcpy(to, &h, sizeof(h));
		if (prefix_len)
			memcpy(to + sizeof(h), prefix, prefix_len);
		if (len)
			memcpy(to + sizeof(h) + prefix_len, data, len);
	}
	ok = conn_write(c, buf, times * size);
	free(buf);
	return ok;
}

bool option_reply(struct conn *c, uint32_t option, uint32_t type, const void *data, uint32_t len)
{
	return send_replies(c, 1, option, type, NULL, 0, data, len);
}

/* The same reply so many times, at once: a system call for each would be most of the work. */
bool option_reply_again(struct conn *c, unsigned int times, uint32_t option, uint32_t type,
			const void *data, uint32_t len)
{
	return send_replies(c, times, option, type, NULL, 0, data, len);
}

bool option_error(struct conn *c, uint32_t option, uint32_t type, const char *text)
{
	return option_reply(c, option, type, text, strlen(text));
}

bool info_reply(struct conn *c, uint32_t option, uint16_t type, const void *data, uint32_t len)
{
	uint16_t be = htobe16(type);

	return send_replies(c, 1, option, NBD_REP_INFO, &be, sizeof(be), data, len);
}

bool meta_reply(struct conn *c, uint32_t option, uint32_t id, const void *name, uint32_t len)
{
	uint32_t be = htobe32(id);

	return send_replies(c, 1, option, NBD_REP_META_CONTEXT, &be, sizeof(be), name, len);
}

static uint16_t told_flags(const struct conn *c)
{
	return c->structured ? c->tflags : c->tflags & ~NBD_FLAG_SEND_DF;
}

bool info_export(struct conn *c, uint32_t option)
{
	struct { uint64_t size; uint16_t flags; } __attribute__((packed)) info = {
		.size = htobe64(c->size),
		.flags = htobe16(told_flags(c)),
	};

	return info_reply(c, option, NBD_INFO_EXPORT, &info, sizeof(info));
}

static bool info_block_size(struct conn *c, uint32_t option)
{
	uint32_t info[3] = { htobe32(c->min), htobe32(c->pref), htobe32(c->max) };

	return info_reply(c, option, NBD_INFO_BLOCK_SIZE, info, sizeof(info));
}

static bool greet(struct conn *c)
{
	struct { uint64_t magic, opts; uint16_t flags; } __attribute__((packed)) hello = {
		.magic = htobe64(NBD_MAGIC),
		.opts = htobe64(NBD_OPTS_MAGIC),
		.flags = htobe16(c->hflags),
	};

	return conn_write(c, &hello, sizeof(hello));
}

static bool client_flags(struct conn *c)
{
	uint32_t flags;

	if (!conn_read(c, &flags, sizeof(flags)))
		return false;
	flags = be32toh(flags);
	if (flags & ~(uint32_t)(c->hflags & 3))
		violation(c, "client flags 0x%x, offered 0x%x", flags, c->hflags);
	c->fixed = flags & NBD_FLAG_FIXED_NEWSTYLE;
	c->no_zeroes = flags & NBD_FLAG_NO_ZEROES;
	if (!c->fixed && (c->hflags & NBD_FLAG_FIXED_NEWSTYLE))
		violation(c, "fixed newstyle was offered and not taken");
	return true;
}

static void enter_transmission(struct conn *c, const char *how, const uint8_t *name, uint32_t len)
{
	bool same = c->set_export && strlen(c->set_export) == len &&
		    !memcmp(c->set_export, name, len);

	if (c->nr_selected && !same) {
		violation(c, "SET_META_CONTEXT named another export than %s", how);
		c->nr_selected = 0;
	}
	if (!(c->tflags & NBD_FLAG_CAN_MULTI_CONN) && other_in_transmission(c))
		violation(c, "second connection without CAN_MULTI_CONN");
	if (!c->block_size_asked || !c->min)
		c->min = 1;
	c->in_transmission = true;
	logf_line("%s %u %.*s contexts=%u structured=%d", how, c->no, (int)len,
		  (const char *)name, c->nr_selected, c->structured);
}

static bool known_export(const uint8_t *name, uint32_t len)
{
	return !opt.export || (strlen(opt.export) == len && !memcmp(opt.export, name, len));
}

static enum verdict opt_export_name(struct conn *c, uint32_t option, const uint8_t *data,
				    uint32_t len)
{
	struct {
		uint64_t size;
		uint16_t flags;
		uint8_t zeroes[NBD_NAME_PADDING];
	} __attribute__((packed)) answer = { 0 };
	size_t size = c->no_zeroes ? sizeof(answer) - NBD_NAME_PADDING : sizeof(answer);

	(void)option;
	check_string(c, "export name", data, len);
	if (!known_export(data, len))
		return HS_CLOSE;
	answer.size = htobe64(c->size);
	answer.flags = htobe16(told_flags(c));
	enter_transmission(c, "EXPORT_NAME", data, len);
	return conn_write(c, &answer, size) ? HS_TRANSMIT : HS_CLOSE;
}

static enum verdict opt_abort(struct conn *c, uint32_t option, const uint8_t *data, uint32_t len)
{
	(void)data;
	if (len)
		violation(c, "ABORT with %u bytes of data", len);
	option_reply(c, option, NBD_REP_ACK, NULL, 0);
	logf_line("ABORT %u", c->no);
	c->provoked = true;
	return HS_CLOSE;
}

static enum verdict opt_list(struct conn *c, uint32_t option, const uint8_t *data, uint32_t len)
{
	const char *name = opt.export ? opt.export : "";
	uint8_t entry[4 + NBD_MAX_STRING];
	uint32_t be = htobe32(strlen(name));

	(void)data;
	if (len) {
		violation(c, "LIST with %u bytes of data", len);
		option_error(c, option, NBD_REP_ERR_INVALID, "LIST takes no data");
		return HS_CONTINUE;
	}
	memcpy(entry, &be, 4);
	memcpy(entry + 4, name, strlen(name));
	option_reply(c, option, NBD_REP_SERVER, entry, 4 + strlen(name));
	option_reply(c, option, NBD_REP_ACK, NULL, 0);
	return HS_CONTINUE;
}

static enum verdict opt_structured(struct conn *c, uint32_t option, const uint8_t *data,
				   uint32_t len)
{
	(void)data;
	if (len || c->structured) {
		violation(c, len ? "STRUCTURED_REPLY with data" : "STRUCTURED_REPLY twice");
		option_error(c, option, NBD_REP_ERR_INVALID, "malformed, or asked again");
	} else if (!opt.structured) {
		option_error(c, option, NBD_REP_ERR_UNSUP, "structured replies are switched off");
	} else {
		c->structured = true;
		option_reply(c, option, NBD_REP_ACK, NULL, 0);
	}
	return HS_CONTINUE;
}

/* NBD protocol, option messages NBD_OPT_INFO and NBD_OPT_GO: name, then a list of info types. */
static bool parse_info(struct conn *c, const uint8_t *data, uint32_t len, uint32_t *name_len,
		       uint32_t *asked)
{
	uint32_t n;
	uint16_t count, type;

	*asked = 0;
	if (len < 6)
		return false;
	memcpy(&n, data, 4);
	n = be32toh(n);
	if (n > len - 6)
		return false;
	*name_len = n;
	memcpy(&count, data + 4 + n, 2);
	count = be16toh(count);
	if (len != 6 + n + 2U * count)
		return false;
	for (unsigned int i = 0; i < count; i++) {
		memcpy(&type, data + 6 + n + 2 * i, 2);
		type = be16toh(type);
		if (type > 31)
			continue;
		if (*asked & (1U << type))
			violation(c, "info type %u asked for twice", type);
		*asked |= 1U << type;
	}
	return true;
}

static void send_infos(struct conn *c, uint32_t option, const uint8_t *name, uint32_t len,
		       uint32_t asked)
{
	static const char text[] = "export of the test server";

	if (asked & (1U << NBD_INFO_NAME))
		info_reply(c, option, NBD_INFO_NAME, name, len);
	if (asked & (1U << NBD_INFO_DESCRIPTION))
		info_reply(c, option, NBD_INFO_DESCRIPTION, text, sizeof(text) - 1);
	if (c->tell_block_size)
		info_block_size(c, option);
}

/* An INFO for another export between SET_META_CONTEXT and GO makes some servers forget. */
static void check_info_name(struct conn *c, const uint8_t *name, uint32_t len)
{
	if (c->nr_selected &&
	    (strlen(c->set_export) != len || memcmp(c->set_export, name, len)))
		violation(c, "another export named after SET_META_CONTEXT");
}

static bool ack_go(struct conn *c)
{
	struct {
		struct wire_option_reply ack;
		struct wire_simple reply;
	} __attribute__((packed)) msg = {
		.ack.magic = htobe64(NBD_REP_MAGIC),
		.ack.option = htobe32(NBD_OPT_GO),
		.ack.type = htobe32(NBD_REP_ACK),
		.reply.magic = htobe32(NBD_SIMPLE_MAGIC),
		.reply.cookie = random64(&c->rng),
	};

	return conn_write(c, &msg, c->early_reply ? sizeof(msg) : sizeof(msg.ack));
}

static enum verdict opt_info_go(struct conn *c, uint32_t option, const uint8_t *data, uint32_t len)
{
	enum verdict v;
	uint32_t name_len, asked;
	bool sizes;

	if (!parse_info(c, data, len, &name_len, &asked)) {
		violation(c, "malformed %s", option == NBD_OPT_GO ? "GO" : "INFO");
		option_error(c, option, NBD_REP_ERR_INVALID, "malformed");
		return HS_CONTINUE;
	}
	check_string(c, "export name", data + 4, name_len);
	check_info_name(c, data + 4, name_len);
	if (!known_export(data + 4, name_len)) {
		option_error(c, option, NBD_REP_ERR_UNKNOWN, "no such export");
		return HS_CONTINUE;
	}
	sizes = asked & (1U << NBD_INFO_BLOCK_SIZE);
	if (!sizes && c->tell_block_size && c->min > 512) {
		option_error(c, option, NBD_REP_ERR_BLOCK_SIZE_REQD, "ask for the block size");
		return HS_CONTINUE;
	}
	if (option == NBD_OPT_GO)
		c->block_size_asked = sizes;
	v = option == NBD_OPT_GO ? evil_step(c, STEP_INFO, option) : HS_NORMAL;
	if (v != HS_NORMAL && v != HS_TRANSMIT)
		return v;
	send_infos(c, option, data + 4, name_len, asked);
	if (v == HS_NORMAL)
		info_export(c, option);
	if (option == NBD_OPT_GO)
		enter_transmission(c, "GO", data + 4, name_len);
	if (option == NBD_OPT_GO)
		return ack_go(c) ? HS_TRANSMIT : HS_CLOSE;
	return option_reply(c, option, NBD_REP_ACK, NULL, 0) ? HS_CONTINUE : HS_CLOSE;
}

static enum verdict opt_unknown(struct conn *c, uint32_t option, const uint8_t *data, uint32_t len)
{
	(void)data;
	if (option == NBD_OPT_STARTTLS && len)
		violation(c, "STARTTLS with %u bytes of data", len);
	if (option == NBD_OPT_PEEK_EXPORT || !option || option > NBD_OPT_EXTENDED_HEADERS)
		violation(c, "option %u does not exist", option);
	option_error(c, option, NBD_REP_ERR_UNSUP, "option not known");
	return HS_CONTINUE;
}

static const struct {
	uint32_t option;
	const char *name;
	enum verdict (*run)(struct conn *c, uint32_t option, const uint8_t *data, uint32_t len);
} option_table[] = {
	{ NBD_OPT_EXPORT_NAME,		"EXPORT_NAME",		opt_export_name },
	{ NBD_OPT_ABORT,		"ABORT",		opt_abort },
	{ NBD_OPT_LIST,			"LIST",			opt_list },
	{ NBD_OPT_INFO,			"INFO",			opt_info_go },
	{ NBD_OPT_GO,			"GO",			opt_info_go },
	{ NBD_OPT_STRUCTURED_REPLY,	"STRUCTURED_REPLY",	opt_structured },
	{ NBD_OPT_LIST_META_CONTEXT,	"LIST_META_CONTEXT",	meta_option },
	{ NBD_OPT_SET_META_CONTEXT,	"SET_META_CONTEXT",	meta_option },
};

#define NR_OPTIONS	(sizeof(option_table) / sizeof(option_table[0]))

static enum verdict run_option(struct conn *c, uint32_t option, const uint8_t *data, uint32_t len)
{
	size_t i = 0;
	enum verdict v;
	char early;

	while (i < NR_OPTIONS && option_table[i].option != option)
		i++;
	logf_line("OPTION %s (%u) len=%u conn=%u", i < NR_OPTIONS ? option_table[i].name : "?",
		  option, len, c->no);
	if (!c->fixed && option != NBD_OPT_EXPORT_NAME)
		violation(c, "option %u without fixed newstyle", option);

	if (recv(c->fd, &early, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
		violation(c, "more bytes before the reply to option %u", option);

	v = evil_step(c, STEP_OPTION, option);
	if (v != HS_NORMAL)
		return v;
	return (i < NR_OPTIONS ? option_table[i].run : opt_unknown)(c, option, data, len);
}

static enum verdict read_option(struct conn *c)
{
	struct wire_option h;
	enum verdict v;
	uint8_t *data;
	uint32_t len;

	if (!conn_read(c, &h, sizeof(h))) {
		if (!c->provoked)
			violation(c, "left the handshake without ABORT");
		return HS_CLOSE;
	}
	len = be32toh(h.length);
	if (be64toh(h.magic) != NBD_OPTS_MAGIC || len > MAX_OPTION_DATA) {
		violation(c, "option magic or length 0x%x is wrong", len);
		return HS_CLOSE;
	}
	data = calloc(1, len + 1);
	if (!data)
		return HS_CLOSE;
	v = conn_read(c, data, len) ? run_option(c, be32toh(h.option), data, len) : HS_CLOSE;
	free(data);
	return v;
}

/* True: the transmission phase is open. */
bool handshake(struct conn *c)
{
	enum verdict v;

	evil_step(c, STEP_FACTS, 0);
	v = evil_step(c, STEP_GREETING, 0);
	if (v == HS_NORMAL && !greet(c))
		return false;
	if (v == HS_NORMAL)
		v = evil_step(c, STEP_GREETED, 0);
	if (v == HS_TRANSMIT)
		return true;
	if (v == HS_CLOSE || !client_flags(c))
		return false;
	do {
		v = read_option(c);
	} while (v == HS_NORMAL || v == HS_CONTINUE);
	if (v == HS_TRANSMIT)
		v = evil_step(c, STEP_OPENED, 0) == HS_CLOSE ? HS_CLOSE : HS_TRANSMIT;
	c->trickle_ms = 0;
	return v == HS_TRANSMIT;
}
