// SPDX-License-Identifier: GPL-2.0-only
/*
 * The transmission phase: reads requests, holds each against the protocol, carries it out, and
 * queues its reply.
 */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "evil.h"

#define BATCH_REQUESTS	64
#define BATCH_BYTES	(8 * MiB)
#define SWALLOW_MAX	(64 * MiB)	/* an oversized WRITE is read and refused up to here */
#define LAST_WORDS_MS	200

static const struct command {
	const char *name;
	uint16_t flags;		/* command flags that have a meaning here */
	uint16_t gate;		/* transmission flag without which it must not be sent */
	bool range;		/* offset and length name a part of the export */
} commands[] = {
	[NBD_CMD_READ]		= { "READ", NBD_CMD_FLAG_DF, 0, true },
	[NBD_CMD_WRITE]		= { "WRITE", NBD_CMD_FLAG_FUA, 0, true },
	[NBD_CMD_DISC]		= { "DISC", 0, 0, false },
	[NBD_CMD_FLUSH]		= { "FLUSH", 0, NBD_FLAG_SEND_FLUSH, false },
	[NBD_CMD_TRIM]		= { "TRIM", NBD_CMD_FLAG_FUA, NBD_FLAG_SEND_TRIM, true },
	[NBD_CMD_CACHE]		= { "CACHE", 0, NBD_FLAG_SEND_CACHE, true },
	[NBD_CMD_WRITE_ZEROES]	= { "WRITE_ZEROES", NBD_CMD_FLAG_FUA | NBD_CMD_FLAG_NO_HOLE |
				    NBD_CMD_FLAG_FAST_ZERO, NBD_FLAG_SEND_WRITE_ZEROES, true },
	[NBD_CMD_BLOCK_STATUS]	= { "BLOCK_STATUS", NBD_CMD_FLAG_REQ_ONE, 0, true },
};

#define NR_COMMANDS	(sizeof(commands) / sizeof(commands[0]))

static const struct {
	uint16_t flag;
	uint16_t gate;
	const char *name;
} flag_gates[] = {
	{ NBD_CMD_FLAG_FUA,		NBD_FLAG_SEND_FUA,		"fua" },
	{ NBD_CMD_FLAG_NO_HOLE,		NBD_FLAG_SEND_WRITE_ZEROES,	"no_hole" },
	{ NBD_CMD_FLAG_DF,		NBD_FLAG_SEND_DF,		"df" },
	{ NBD_CMD_FLAG_REQ_ONE,		0,				"req_one" },
	{ NBD_CMD_FLAG_FAST_ZERO,	NBD_FLAG_SEND_FAST_ZERO,	"fast_zero" },
};

#define NR_FLAGS	(sizeof(flag_gates) / sizeof(flag_gates[0]))

int command_by_name(const char *name)
{
	for (size_t i = 0; i < NR_COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return i;
	return -1;
}

static bool writes(const struct request *req)
{
	return (1U << req->command) & CMDS_WRITING;
}

static void log_request(struct conn *c, const struct request *req)
{
	char flags[80] = "";
	int n = 0;

	for (size_t i = 0; i < NR_FLAGS; i++)
		if (req->flags & flag_gates[i].flag)
			n += snprintf(flags + n, sizeof(flags) - n, " %s", flag_gates[i].name);
	logf_line("%s %llu %u%s conn=%u", commands[req->command].name,
		  (unsigned long long)req->offset, req->length, flags, c->no);
}

static uint32_t check_flags(struct conn *c, const struct request *req)
{
	const struct command *cmd = &commands[req->command];
	uint32_t error = 0;

	if (req->flags & ~cmd->flags) {
		violation(c, "%s with flags 0x%x", cmd->name, req->flags);
		error = NBD_EINVAL;
	}
	for (size_t i = 0; i < NR_FLAGS; i++)
		if ((req->flags & flag_gates[i].flag) &&
		    (c->tflags & flag_gates[i].gate) != flag_gates[i].gate) {
			violation(c, "%s with %s, which was not offered", cmd->name,
				  flag_gates[i].name);
			error = NBD_EINVAL;
		}
	if ((c->tflags & cmd->gate) != cmd->gate) {
		violation(c, "%s, which was not offered", cmd->name);
		error = NBD_EINVAL;
	}
	return error;
}

static uint32_t check_range(struct conn *c, const struct request *req)
{
	const char *name = commands[req->command].name;
	bool payload = req->command == NBD_CMD_READ || req->command == NBD_CMD_WRITE;

	if (!req->length) {
		violation(c, "%s of length 0", name);
		return NBD_EINVAL;
	}
	if (req->offset > opt.size || req->length > opt.size - req->offset) {
		violation(c, "%s %llu %u reaches past the end", name,
			  (unsigned long long)req->offset, req->length);
		return writes(req) ? NBD_ENOSPC : NBD_EINVAL;
	}
	if (req->offset % c->min || req->length % c->min) {
		violation(c, "%s %llu %u is not aligned to %u", name,
			  (unsigned long long)req->offset, req->length, c->min);
		return NBD_EINVAL;
	}
	if (payload && req->length > c->max) {
		violation(c, "%s of %u bytes, maximum %u", name, req->length, c->max);
		return NBD_EOVERFLOW;
	}
	return 0;
}

/* Everything the protocol says about one request; the error is what a strict server answers. */
static uint32_t check_request(struct conn *c, const struct request *req)
{
	const struct command *cmd = &commands[req->command];
	uint32_t error = check_flags(c, req);

	if (queue_has_cookie(c, req->cookie))
		violation(c, "%s reuses cookie 0x%llx of a request in flight", cmd->name,
			  (unsigned long long)req->cookie);
	if (cmd->range) {
		uint32_t range = check_range(c, req);

		error = range ? range : error;
	} else if (req->offset || req->length) {
		violation(c, "%s with offset %llu, length %u", cmd->name,
			  (unsigned long long)req->offset, req->length);
		error = NBD_EINVAL;
	}
	if (writes(req) && (c->tflags & NBD_FLAG_READ_ONLY)) {
		violation(c, "%s on a read-only export", cmd->name);
		error = NBD_EPERM;
	}
	if (req->command == NBD_CMD_BLOCK_STATUS && !c->nr_selected) {
		violation(c, "BLOCK_STATUS without contexts");
		error = NBD_EINVAL;
	}
	return error;
}

static void carry_out(const struct request *req, const void *payload)
{
	bool zeroes = req->command == NBD_CMD_TRIM || req->command == NBD_CMD_WRITE_ZEROES;

	if (zeroes && opt.zero_rate)
		pause_ms(req->length * 1000ULL / opt.zero_rate);
	switch (req->command) {
	case NBD_CMD_WRITE:
		store_write(req->offset, payload, req->length);
		break;
	case NBD_CMD_TRIM:
		store_zero(req->offset, req->length, true);
		break;
	case NBD_CMD_WRITE_ZEROES:
		store_zero(req->offset, req->length, !(req->flags & NBD_CMD_FLAG_NO_HOLE));
		break;
	}
	if (req->command == NBD_CMD_FLUSH || (req->flags & NBD_CMD_FLAG_FUA))
		store_flush();
}

static bool df_refused(const struct request *req)
{
	return opt.df_error && (req->flags & NBD_CMD_FLAG_DF) && req->length > opt.df_max;
}

static void answer(struct conn *c, struct reply *r)
{
	bool chunk = opt.write_reply == WRITE_CHUNK ||
		     (opt.write_reply == WRITE_RANDOM && random_below(&c->rng, 2));

	if (df_refused(&r->req))
		fail_answer(c, r, opt.df_error, "not as one piece");
	else if (r->req.command == NBD_CMD_READ)
		read_answer(c, r);
	else if (r->req.command == NBD_CMD_BLOCK_STATUS)
		status_answer(c, r);
	else if (c->structured && chunk)
		reply_none(r);
	else
		reply_simple(r, 0);
}

/* The misbehaviour answers in our stead; what it does not report as failed was really done. */
static void serve(struct conn *c, struct reply *r, const void *payload)
{
	const struct evil *e = evil_fires(c, &r->req, false);

	if (!e || e->outcome != OUTCOME_ERROR)
		carry_out(&r->req, payload);
	if (e)
		e->reply(c, r, e);
	else
		answer(c, r);
	if (r->first)
		queue_reply(c, r);
	else
		queue_unanswered(c, r);
}

static bool swallow(struct conn *c, uint64_t len)
{
	char sink[65536];

	while (len) {
		size_t n = len < sizeof(sink) ? len : sizeof(sink);

		if (!conn_read(c, sink, n))
			return false;
		len -= n;
	}
	return true;
}

static uint8_t *read_payload(struct conn *c, const struct request *req)
{
	uint8_t *payload = malloc(req->length ? req->length : 1);

	if (payload && conn_read(c, payload, req->length))
		return payload;
	free(payload);
	return NULL;
}

/* The reply, if there is one, goes out before any of the payload is read. */
static bool serve_early(struct conn *c, struct reply *r, const struct evil *e)
{
	struct request req = r->req;
	uint8_t *payload;
	bool ok;

	e->reply(c, r, e);
	if (!r->first) {
		reply_free(r);
		return false;
	}
	queue_reply(c, r);
	if (!queue_flush(c))
		return false;
	payload = read_payload(c, &req);
	if (payload && e->outcome != OUTCOME_ERROR)
		carry_out(&req, payload);
	ok = payload;
	free(payload);
	return ok;
}

static bool refuse_request(struct conn *c, struct reply *r, uint32_t error)
{
	if (r->req.command == NBD_CMD_WRITE &&
	    (r->req.length > SWALLOW_MAX || !swallow(c, r->req.length))) {
		reply_free(r);
		return false;
	}
	fail_answer(c, r, error, "the request breaks the protocol");
	queue_reply(c, r);
	return true;
}

static bool handle_request(struct conn *c, const struct request *req)
{
	struct reply *r = reply_new(req);
	uint32_t error = check_request(c, req);
	uint8_t *payload = NULL;

	log_request(c, req);
	if (error)
		return refuse_request(c, r, error);
	if (req->command == NBD_CMD_WRITE) {
		const struct evil *e = evil_fires(c, req, true);

		if (e)
			return serve_early(c, r, e);
		payload = read_payload(c, req);
		if (!payload) {
			reply_free(r);
			return false;
		}
	}
	serve(c, r, payload);
	free(payload);
	return true;
}

/* NBD protocol, "Disconnect": all zero, no reply, and nothing after it. */
static void take_disc(struct conn *c, const struct request *req)
{
	struct wire_request more = { 0 };
	ssize_t n;

	if (req->flags || req->offset || req->length)
		violation(c, "DISC with flags 0x%x, offset %llu, length %u", req->flags,
			  (unsigned long long)req->offset, req->length);
	if (c->pending)
		violation(c, "DISC with %u requests in flight", c->nr_pending);
	logf_line("DISC %u", c->no);
	c->disc = true;
	queue_flush(c);
	shutdown(c->fd, SHUT_WR);
	if (!conn_readable(c, LAST_WORDS_MS))
		return;
	n = recv(c->fd, &more, sizeof(more), MSG_DONTWAIT);
	if (n > 0)
		violation(c, "data after DISC: %zd bytes, command %u", n, be16toh(more.command));
}

static bool read_request(struct conn *c)
{
	struct wire_request w;
	struct request req;

	if (!conn_read(c, &w, sizeof(w)))
		return false;
	if (be32toh(w.magic) != NBD_REQUEST_MAGIC) {
		violation(c, "request magic 0x%08x", be32toh(w.magic));
		return false;
	}
	req.flags = be16toh(w.flags);
	req.command = be16toh(w.command);
	req.cookie = be64toh(w.cookie);
	req.offset = be64toh(w.offset);
	req.length = be32toh(w.length);
	if (req.command >= NR_COMMANDS) {
		violation(c, "command %u does not exist", req.command);
		return false;
	}
	if (req.command == NBD_CMD_DISC) {
		take_disc(c, &req);
		return false;
	}
	return handle_request(c, &req);
}

static bool batch_full(struct conn *c)
{
	return c->nr_pending >= BATCH_REQUESTS || c->pending_bytes >= BATCH_BYTES ||
	       !conn_readable(c, c->linger_ms);
}

void transmission(struct conn *c)
{
	bool more = true;

	while (more) {
		if (c->nr_pending == 1 && opt.shape == SHAPE_INTERLEAVE)
			c->linger_ms = 2;
		if (c->pending && batch_full(c))
			more = queue_flush(c);
		else
			more = read_request(c);
	}
	queue_free(c);
}
