// SPDX-License-Identifier: GPL-2.0-only
/*
 * Misbehaviours in answering BLOCK_STATUS. The table is at the end.
 */
#include <endian.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "evil.h"

#define DONE		NBD_REPLY_FLAG_DONE
#define MANY		((1UL << 20) + 1000)
#define EVIL(name)	static void name(struct conn *c, struct reply *r, const struct evil *e)
#define UNUSED		((void)c, (void)e)

static struct wire_descriptor *descriptors(size_t n)
{
	struct wire_descriptor *d = calloc(n ? n : 1, sizeof(*d));

	if (!d)
		err(1, "descriptors");
	return d;
}

static void set(struct wire_descriptor *d, uint32_t length, uint32_t status)
{
	d->length = htobe32(length);
	d->status = htobe32(status);
}

/* The right chunk of one selected context */
static struct msg *right(struct conn *c, struct reply *r, unsigned int i, uint16_t flags)
{
	size_t n;
	struct wire_descriptor *d = status_descriptors(c, &r->req, c->selected[i].context, &n);

	return status_chunk(r, flags, c->selected[i].id, d, n);
}

/* Right chunks of all contexts but the first: the caller has spoken, or speaks, for that one. */
static void others(struct conn *c, struct reply *r)
{
	for (unsigned int i = 1; i < c->nr_selected; i++)
		right(c, r, i, 0);
	reply_none(r);
}

/* The first context gets these descriptors instead of the right ones. */
static void first_is(struct conn *c, struct reply *r, struct wire_descriptor *d, size_t n)
{
	status_chunk(r, 0, c->selected[0].id, d, n);
	others(c, r);
}

EVIL(unknown_id)
{
	struct msg *m = right(c, r, 0, 0);
	uint32_t id;

	if (!e->arg || !foreign_context_id(c, &id))
		id = ~c->selected[0].id;
	id = htobe32(id);
	memcpy(m->head + sizeof(struct wire_chunk), &id, sizeof(id));
	others(c, r);
}

EVIL(duplicate_id)
{
	(void)e;
	right(c, r, 0, 0);
	right(c, r, 0, 0);
	others(c, r);
}

EVIL(missing)
{
	(void)e;
	others(c, r);
}

EVIL(none_at_all)
{
	UNUSED;
	reply_none(r);
}

EVIL(unknown_extra)
{
	size_t n;
	struct wire_descriptor *d = status_descriptors(c, &r->req, c->selected[0].context, &n);

	(void)e;
	right(c, r, 0, 0);
	status_chunk(r, 0, ~c->selected[0].id, d, n);
	others(c, r);
}

/* arg: bit 0: the first of two descriptors has a length, bit 1: the second has one */
EVIL(zero_length)
{
	struct wire_descriptor *d = descriptors(2);

	set(&d[0], e->arg & 1 ? r->req.length / 2 : 0, 0);
	set(&d[1], e->arg & 2 ? r->req.length : 0, 0);
	first_is(c, r, d, 2);
}

EVIL(no_descriptor)
{
	(void)e;
	first_is(c, r, descriptors(1), 0);
}

/* arg bytes of payload, not 4 + 8n */
EVIL(payload_length)
{
	uint8_t bytes[32] = { 0 };
	uint32_t id = htobe32(c->selected[0].id), len = htobe32(r->req.length);

	memcpy(bytes, &id, 4);
	memcpy(bytes + 4, &len, 4);
	memcpy(bytes + 12, &len, 4);
	reply_chunk(r, 0, NBD_REPLY_BLOCK_STATUS, bytes, e->arg, NULL, 0);
	others(c, r);
}

EVIL(absurd_length)
{
	msg_set_length(right(c, r, 0, DONE), e->arg);
}

EVIL(two_descriptors)
{
	struct wire_descriptor *d = descriptors(2);
	uint32_t half = r->req.length / 2;

	(void)e;
	set(&d[0], half, 1);
	set(&d[1], r->req.length - half, 2);
	first_is(c, r, d, 2);
}

/* One descriptor of the given length, or of the request's length plus it */
EVIL(overshoot)
{
	struct wire_descriptor *d = descriptors(1);
	uint64_t len = e->arg == UINT32_MAX ? e->arg : r->req.length + e->arg;

	set(&d[0], len > UINT32_MAX ? UINT32_MAX : len, 3);
	first_is(c, r, d, 1);
}

EVIL(past_the_end)
{
	struct wire_descriptor *d = descriptors(1);
	uint64_t len = opt.size - r->req.offset + MiB + 1;

	(void)e;
	set(&d[0], len > UINT32_MAX ? UINT32_MAX : len, 3);
	first_is(c, r, d, 1);
}

/* The first descriptor covers the request (arg 0) or 4 GiB - 1 (arg 1), and another follows. */
EVIL(early_overrun)
{
	struct wire_descriptor *d = descriptors(2);

	set(&d[0], e->arg ? UINT32_MAX : r->req.length, 0);
	set(&d[1], 512, 3);
	first_is(c, r, d, 2);
}

/* Lengths whose 32-bit sum comes out small */
EVIL(sum_wraps)
{
	struct wire_descriptor *d = descriptors(3);

	(void)e;
	set(&d[0], 0x80000000U, 0);
	set(&d[1], 0x80000000U, 1);
	set(&d[2], r->req.length, 2);
	first_is(c, r, d, 3);
}

static void short_chunk(struct conn *c, struct reply *r, unsigned int i, uint32_t len)
{
	struct wire_descriptor *d = descriptors(1);

	set(&d[0], len, i & 3);
	status_chunk(r, 0, c->selected[i].id, d, 1);
}

EVIL(too_short)
{
	for (unsigned int i = 0; i < c->nr_selected; i++)
		short_chunk(c, r, i, e->arg < r->req.length ? e->arg : r->req.length);
	reply_none(r);
}

EVIL(differ)
{
	(void)e;
	for (unsigned int i = 0; i < c->nr_selected; i++)
		short_chunk(c, r, i, r->req.length > 512 * (i + 1) ? 512 * (i + 1) : r->req.length);
	reply_none(r);
}

/* All unknown bits of base:allocation are set, and neighbours are equal. */
EVIL(unknown_bits)
{
	struct wire_descriptor *d = descriptors(2);
	uint32_t half = r->req.length / 2;

	set(&d[0], half, e->arg);
	set(&d[1], r->req.length - half, e->arg);
	first_is(c, r, d, r->req.flags & NBD_CMD_FLAG_REQ_ONE ? 1 : 2);
}

/* Descriptors of one byte; under REQ_ONE a single one, as it must be */
EVIL(many)
{
	size_t n = r->req.flags & NBD_CMD_FLAG_REQ_ONE ? 1 : e->arg;
	struct wire_descriptor *d;

	if (n > r->req.length)
		n = r->req.length;
	d = descriptors(n);
	for (size_t i = 0; i < n; i++)
		set(&d[i], 1, i & 3);
	first_is(c, r, d, n);
}

EVIL(wrong_order)
{
	(void)e;
	for (unsigned int i = c->nr_selected; i-- > 0; )
		right(c, r, i, i ? 0 : DONE);
}

/*
 * What a well-known server does when the query of one context fails: the error says DONE, and the
 * chunks of the other contexts follow all the same.
 */
EVIL(error_done_chunks)
{
	reply_error(r, DONE, e->arg, "block status of the first context failed");
	for (unsigned int i = 1; i < c->nr_selected; i++)
		right(c, r, i, i == c->nr_selected - 1 ? DONE : 0);
	r->ordered = true;
}

EVIL(error_chunk)
{
	UNUSED;
	reply_error(r, DONE, e->arg, "no block status today: \x1b[31mred\x1b[0m");
}

EVIL(error_among)
{
	right(c, r, 0, 0);
	reply_error(r, DONE, e->arg, "the rest failed");
}

EVIL(error_offset)
{
	UNUSED;
	reply_error_offset(r, DONE, e->arg, "bad spot", r->req.offset);
}

EVIL(simple)
{
	UNUSED;
	reply_simple(r, e->arg);
}

/* The payload of a right answer under another type */
EVIL(other_type)
{
	struct msg *m = right(c, r, 0, 0);
	uint16_t type = htobe16(e->arg);

	memcpy(m->head + 6, &type, sizeof(type));
	others(c, r);
}

EVIL(data_for_status)
{
	(void)c;
	reply_data(r, e->arg, r->req.offset, r->req.length > 4096 ? 4096 : r->req.length);
	if (!e->arg)
		reply_none(r);
}

EVIL(chunk_after_done)
{
	(void)e;
	status_answer(c, r);
	right(c, r, 0, DONE);
	r->ordered = true;
}

EVIL(cut)
{
	struct msg *m = right(c, r, 0, 0);

	msg_truncate(m, m->head_len + m->data_len / 2, e->arg);
}

#define ROW(n, o, f, a, w)								\
	{ .name = n, .phase = PHASE_STATUS, .outcome = OUTCOME_##o,			\
	  .commands = CMD(BLOCK_STATUS), .reply = f, .arg = a, .what = w }

const struct evil evil_status_table[] = {
	ROW("status-order", OK, wrong_order, 0, "contexts in reverse order"),
	ROW("status-short", OK, too_short, 512, "only the first 512 bytes are answered"),
	ROW("status-short-1", OK, too_short, 1, "only the first byte is answered"),
	ROW("status-differ", OK, differ, 0, "contexts stop at different places"),
	ROW("status-overshoot", OK, overshoot, 4096, "last descriptor passes the request"),
	ROW("status-overshoot-max", OK, overshoot, UINT32_MAX, "one descriptor of 4 GiB - 1"),
	ROW("status-past-end", OK, past_the_end, 0, "last descriptor passes the export's end"),
	ROW("status-overrun", OK, early_overrun, 0,
	    "a descriptor follows one that covers the request"),
	ROW("status-overrun-max", OK, early_overrun, 1, "a descriptor follows one of 4 GiB - 1"),
	ROW("status-sum-wraps", OK, sum_wraps, 0, "lengths whose 32-bit sum is small"),
	ROW("status-zero-first", OK, zero_length, 2, "first descriptor has length 0"),
	ROW("status-zero-last", OK, zero_length, 1, "last descriptor has length 0"),
	ROW("status-zero-both", OK, zero_length, 0, "two descriptors of length 0"),
	ROW("status-unknown-bits", OK, unknown_bits, 0xfffffffc,
	    "unknown bits are set, neighbours are equal"),
	ROW("status-million", OK, many, 1UL << 20, "2^20 descriptors (for 1 MiB and more)"),
	ROW("status-over-million", OK, many, MANY, "2^20 + 1000 descriptors (for 2 MiB)"),
	ROW("status-one-two", OK, two_descriptors, 0,
	    "two descriptors; under REQ_ONE the first one counts"),

	ROW("status-eio", ERROR, error_chunk, NBD_EIO, "error chunk EIO, text with escapes"),
	ROW("status-einval", ERROR, error_chunk, NBD_EINVAL, "error chunk EINVAL"),
	ROW("status-eoverflow", ERROR, error_chunk, NBD_EOVERFLOW, "error chunk EOVERFLOW"),
	ROW("status-error-0", ERROR, error_chunk, 0, "error chunk with error 0"),
	ROW("status-error-unknown", ERROR, error_chunk, 0x12345678, "error number nobody knows"),
	ROW("status-error-offset", ERROR, error_offset, NBD_EIO, "ERROR_OFFSET chunk"),
	ROW("status-error-among", ERROR, error_among, NBD_EIO, "first context right, then EIO"),
	ROW("status-error-done", ERROR, error_done_chunks, NBD_EIO,
	    "EIO with DONE, then chunks of the other contexts (needs two)"),
	ROW("status-eshutdown", DROP, error_chunk, NBD_ESHUTDOWN, "error chunk ESHUTDOWN"),
	ROW("status-simple-einval", ERROR, simple, NBD_EINVAL, "simple reply EINVAL"),
	ROW("status-simple", DROP, simple, 0, "simple reply of success"),

	ROW("status-unknown-id", DROP, unknown_id, 0, "an id that was never told"),
	ROW("status-foreign-id", DROP, unknown_id, 1, "an id of another connection (needs two)"),
	ROW("status-unknown-extra", DROP, unknown_extra, 0, "all right, and one unknown id"),
	ROW("status-duplicate", DROP, duplicate_id, 0, "two chunks of the first context"),
	ROW("status-missing", DROP, missing, 0, "no chunk of the first context"),
	ROW("status-none", DROP, none_at_all, 0, "NONE with DONE, no status at all"),
	ROW("status-empty", DROP, no_descriptor, 0, "a chunk without descriptors"),
	ROW("status-length-0", DROP, payload_length, 0, "chunk without payload"),
	ROW("status-length-3", DROP, payload_length, 3, "chunk too short for an id"),
	ROW("status-length-8", DROP, payload_length, 8, "half a descriptor"),
	ROW("status-length-15", DROP, payload_length, 15, "15 bytes: not 4 + 8n"),
	ROW("status-length-max", DROP, absurd_length, UINT32_MAX, "payload length of 4 GiB - 1"),
	ROW("status-type-3", DROP, other_type, 3, "chunk type 3, of an old draft"),
	ROW("status-type-6", DROP, other_type, NBD_REPLY_BLOCK_STATUS_EXT,
	    "chunk type 6, of extended headers"),
	ROW("status-data", DROP, data_for_status, DONE, "read data as the answer"),
	ROW("status-data-none", DROP, data_for_status, 0, "read data, then NONE"),
	ROW("status-after-done", DROP, chunk_after_done, 0,
	    "right answer, then another chunk for the same cookie"),
	ROW("status-eof", DROP, cut, END_CLOSE, "EOF among the descriptors"),
	ROW("status-stall", DROP, cut, END_STALL, "silence among the descriptors"),
	{ 0 },
};
