// SPDX-License-Identifier: GPL-2.0-only
/* The handshake phase ("Newstyle negotiation", NBD protocol), for a client that means well. */
#include <endian.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "../wire.h"
#include "lean.h"

#define CONTEXT		"base:allocation"
#define OPTION_MAX	(64U << 10)

static bool take(int fd, void *data, size_t len)
{
	return !len || recv(fd, data, len, MSG_WAITALL) == (ssize_t)len;
}

static bool give(int fd, const void *data, size_t len)
{
	return send(fd, data, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static bool reply(int fd, uint32_t option, uint32_t type, const void *data, uint32_t len)
{
	struct wire_option_reply header = {
		.magic = htobe64(NBD_REP_MAGIC),
		.option = htobe32(option),
		.type = htobe32(type),
		.length = htobe32(len),
	};

	return give(fd, &header, sizeof(header)) && (!len || give(fd, data, len));
}

static uint16_t flags(const struct lean_conn *conn)
{
	return NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA | NBD_FLAG_SEND_TRIM |
	       NBD_FLAG_SEND_WRITE_ZEROES | NBD_FLAG_CAN_MULTI_CONN |
	       (conn->structured ? NBD_FLAG_SEND_DF : 0);
}

struct info_export {
	uint16_t type;
	uint64_t size;
	uint16_t flags;
} __attribute__((packed));

static bool tell_export(const struct lean_conn *conn, uint32_t option)
{
	struct info_export info = {
		.type = htobe16(NBD_INFO_EXPORT),
		.size = htobe64(lean.size),
		.flags = htobe16(flags(conn)),
	};

	return reply(conn->fd, option, NBD_REP_INFO, &info, sizeof(info)) &&
	       reply(conn->fd, option, NBD_REP_ACK, NULL, 0);
}

/* One context, whatever was asked for, as far as it was asked for */
static bool select_context(const struct lean_conn *conn, const char *data, uint32_t len)
{
	struct {
		uint32_t id;
		char name[sizeof(CONTEXT) - 1];
	} __attribute__((packed)) context = { htobe32(1), CONTEXT };

	if (conn->structured && memmem(data, len, CONTEXT, sizeof(CONTEXT) - 1) &&
	    !reply(conn->fd, NBD_OPT_SET_META_CONTEXT, NBD_REP_META_CONTEXT, &context,
		   sizeof(context)))
		return false;
	return reply(conn->fd, NBD_OPT_SET_META_CONTEXT, NBD_REP_ACK, NULL, 0);
}

/* Old clients; there is no way to refuse, and what follows is no reply */
static bool export_name(const struct lean_conn *conn, bool no_zeroes)
{
	struct {
		uint64_t size;
		uint16_t flags;
		char zeroes[NBD_NAME_PADDING];
	} __attribute__((packed)) answer = {
		.size = htobe64(lean.size),
		.flags = htobe16(flags(conn)),
	};

	return give(conn->fd, &answer, sizeof(answer) - (no_zeroes ? NBD_NAME_PADDING : 0));
}

static bool greet(int fd, bool *no_zeroes)
{
	struct {
		uint64_t magic;
		uint64_t opts;
		uint16_t flags;
	} __attribute__((packed)) greeting = {
		.magic = htobe64(NBD_MAGIC),
		.opts = htobe64(NBD_OPTS_MAGIC),
		.flags = htobe16(NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES),
	};
	uint32_t answer;

	if (!give(fd, &greeting, sizeof(greeting)) || !take(fd, &answer, sizeof(answer)))
		return false;
	*no_zeroes = be32toh(answer) & NBD_FLAG_NO_ZEROES;
	return true;
}

/* Carries out an option; *@open tells that the transmission phase has begun */
static bool option(struct lean_conn *conn, uint32_t number, const char *data, uint32_t len,
		   bool no_zeroes, bool *open)
{
	switch (number) {
	case NBD_OPT_EXPORT_NAME:
		*open = true;
		return export_name(conn, no_zeroes);
	case NBD_OPT_GO:
		*open = true;
		return tell_export(conn, number);
	case NBD_OPT_INFO:
		return tell_export(conn, number);
	case NBD_OPT_STRUCTURED_REPLY:
		if (lean.simple)
			break;
		conn->structured = true;
		return reply(conn->fd, number, NBD_REP_ACK, NULL, 0);
	case NBD_OPT_SET_META_CONTEXT:
		return select_context(conn, data, len);
	case NBD_OPT_ABORT:
		reply(conn->fd, number, NBD_REP_ACK, NULL, 0);
		return false;
	}
	return reply(conn->fd, number, NBD_REP_ERR_UNSUP, NULL, 0);
}

bool lean_handshake(struct lean_conn *conn)
{
	static char data[OPTION_MAX];
	struct wire_option header;
	bool no_zeroes, open = false;
	uint32_t len;

	if (!greet(conn->fd, &no_zeroes))
		return false;
	while (!open) {
		if (!take(conn->fd, &header, sizeof(header)))
			return false;
		len = be32toh(header.length);
		if (be64toh(header.magic) != NBD_OPTS_MAGIC || len > sizeof(data) ||
		    !take(conn->fd, data, len))
			return false;
		if (!option(conn, be32toh(header.option), data, len, no_zeroes, &open))
			return false;
	}
	return true;
}
