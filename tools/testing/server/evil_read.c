// SPDX-License-Identifier: GPL-2.0-only
/*
 * Misbehaviours in answering READ by structured replies: shapes that are legal but rare, and every
 * way to get a chunk wrong. The table is at the end.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "evil.h"

#define DONE		NBD_REPLY_FLAG_DONE
#define EVIL(name)	static void name(struct conn *c, struct reply *r, const struct evil *e)
#define UNUSED		((void)c, (void)e)

/* Data of one place told for another one. */
static struct msg *data_as(struct reply *r, uint16_t flags, uint64_t told, uint64_t offset,
			   uint32_t len)
{
	uint64_t be = htobe64(told);

	return reply_chunk(r, flags, NBD_REPLY_OFFSET_DATA, &be, sizeof(be),
			   store_at(offset, len), len);
}

/* n equal pieces of the range, all but the last without DONE */
static void pieces(struct reply *r, unsigned int n)
{
	uint32_t step = r->req.length / n;

	for (unsigned int i = 0; i < n - 1; i++)
		reply_data(r, 0, r->req.offset + i * step, step);
	reply_data(r, DONE, r->req.offset + (n - 1) * step, r->req.length - (n - 1) * step);
}

EVIL(two_pieces)
{
	uint32_t half = r->req.length / 2;

	UNUSED;
	reply_data(r, 0, r->req.offset + half, r->req.length - half);
	reply_data(r, e->arg, r->req.offset, half);
	if (!(e->arg & DONE))
		reply_none(r);
}

/* Waits a little for other requests, so that there is something to interleave with. */
EVIL(interleaved)
{
	UNUSED;
	pieces(r, 8);
	c->linger_ms = 50;
	c->mix_next = true;
}

EVIL(tiny)
{
	uint32_t n = r->req.length < 64 ? r->req.length / 2 : 64;

	UNUSED;
	for (uint32_t i = 0; i < n; i++)
		reply_data(r, 0, r->req.offset + i, 1);
	reply_data(r, DONE, r->req.offset + n, r->req.length - n);
}

EVIL(backwards)
{
	UNUSED;
	for (uint32_t i = r->req.length; i > 1; i--)
		reply_data(r, 0, r->req.offset + i - 1, 1);
	reply_data(r, DONE, r->req.offset, 1);
}

/* One data chunk with these flags and DONE */
EVIL(whole_with_flags)
{
	UNUSED;
	msg_set_flags(reply_data(r, 0, r->req.offset, r->req.length), e->arg | DONE);
}

/* arg 1: the overlap is sent twice, with other bytes */
EVIL(overlap)
{
	uint32_t half = r->req.length / 2;
	uint8_t *other = malloc(half + 1);
	struct msg *m;

	UNUSED;
	reply_data(r, 0, r->req.offset, r->req.length - half);
	m = reply_data(r, 0, r->req.offset + half - 1, half + 1);
	if (other) {
		memcpy(other, m->data, half + 1);
		if (e->arg)
			memset(other, 0xee, half + 1);
		msg_own(m, other, half + 1);
	}
	reply_none(r);
}

EVIL(whole_twice)
{
	UNUSED;
	reply_data(r, 0, r->req.offset, r->req.length);
	reply_data(r, DONE, r->req.offset, r->req.length);
}

EVIL(hole_over_data)
{
	UNUSED;
	reply_data(r, 0, r->req.offset, r->req.length);
	reply_hole(r, DONE, r->req.offset, r->req.length / 2);
}

/* arg 0: a gap at the end, 1: in the middle, 2: at the start, 3: of a single byte */
EVIL(gap)
{
	uint32_t quarter = r->req.length / 4;
	uint64_t o = r->req.offset;

	UNUSED;
	if (e->arg == 0) {
		reply_data(r, 0, o, 3 * quarter);
	} else if (e->arg == 1) {
		reply_data(r, 0, o, quarter);
		reply_data(r, 0, o + 2 * quarter, r->req.length - 2 * quarter);
	} else if (e->arg == 2) {
		reply_data(r, 0, o + quarter, r->req.length - quarter);
	} else {
		reply_data(r, 0, o, r->req.length - 1);
	}
	reply_none(r);
}

/* As many bytes as asked for, but a quarter twice and a quarter never: counting is fooled. */
EVIL(overlap_and_gap)
{
	uint32_t quarter = r->req.length / 4;
	uint64_t o = r->req.offset;

	UNUSED;
	reply_data(r, 0, o, 2 * quarter);
	reply_data(r, 0, o + quarter, quarter);
	reply_data(r, DONE, o + 3 * quarter, r->req.length - 3 * quarter);
}

/* The whole answer told for a place arg bytes away */
EVIL(shifted)
{
	UNUSED;
	data_as(r, DONE, r->req.offset + e->arg, r->req.offset, r->req.length);
}

EVIL(surplus)
{
	UNUSED;
	reply_data(r, 0, r->req.offset, r->req.length);
	data_as(r, DONE, r->req.offset + r->req.length, r->req.offset, 512);
}

EVIL(too_long)
{
	UNUSED;
	reply_data(r, DONE, r->req.offset, r->req.length + 512);
}

/* offset + length wraps around 2^64 to a harmless value */
EVIL(wrap)
{
	UNUSED;
	data_as(r, DONE, UINT64_MAX - 511, r->req.offset, r->req.length);
}

EVIL(hole_shifted)
{
	UNUSED;
	reply_hole(r, DONE, r->req.offset + e->arg, r->req.length);
}

EVIL(hole_size)
{
	UNUSED;
	reply_data(r, 0, r->req.offset, r->req.length);
	reply_hole(r, DONE, r->req.offset, e->arg);
}

EVIL(hole_only_size)
{
	UNUSED;
	reply_hole(r, DONE, r->req.offset, e->arg);
}

EVIL(hole_wrap)
{
	UNUSED;
	reply_hole(r, DONE, UINT64_MAX - 511, r->req.length);
}

/* A chunk with a payload of arg bytes that is too short or too long for its type */
EVIL(hole_length)
{
	static const uint8_t zeroes[16];
	struct { uint64_t offset; uint32_t size; } __attribute__((packed)) hole = {
		.offset = htobe64(r->req.offset),
		.size = htobe32(r->req.length),
	};
	size_t fixed = e->arg < sizeof(hole) ? e->arg : sizeof(hole);

	UNUSED;
	reply_chunk(r, DONE, NBD_REPLY_OFFSET_HOLE, &hole, fixed, zeroes, e->arg - fixed);
}

EVIL(data_length)
{
	uint64_t be = htobe64(r->req.offset);

	UNUSED;
	reply_data(r, 0, r->req.offset, r->req.length);
	reply_chunk(r, DONE, NBD_REPLY_OFFSET_DATA, &be, e->arg, NULL, 0);
}

EVIL(absurd_length)
{
	UNUSED;
	msg_set_length(reply_data(r, DONE, r->req.offset, r->req.length), e->arg);
}

EVIL(error_code)
{
	UNUSED;
	reply_error(r, DONE, e->arg, "told to fail");
}

EVIL(error_empty_text)
{
	UNUSED;
	reply_error(r, DONE, e->arg, "");
}

EVIL(error_then_data)
{
	UNUSED;
	reply_error(r, 0, NBD_EIO, "half of it is bad");
	reply_data(r, e->arg, r->req.offset, r->req.length);
	if (!e->arg)
		reply_none(r);
}

EVIL(data_then_error)
{
	UNUSED;
	reply_data(r, 0, r->req.offset, r->req.length / 2);
	reply_error(r, DONE, NBD_EIO, "the rest is bad");
}

EVIL(error_twice)
{
	UNUSED;
	reply_error(r, 0, NBD_EIO, "first");
	reply_error_offset(r, 0, NBD_ENOMEM, "second", r->req.offset);
	reply_none(r);
}

EVIL(error_offset)
{
	UNUSED;
	reply_error_offset(r, DONE, NBD_EIO, "bad spot", r->req.offset + e->arg);
}

EVIL(error_offset_data)
{
	UNUSED;
	reply_error_offset(r, 0, NBD_EIO, "bad spot", r->req.offset + 1);
	reply_data(r, DONE, r->req.offset, r->req.length);
}

/* The message claims arg bytes more than the chunk has */
EVIL(error_text_beyond)
{
	uint8_t *p = reply_error(r, DONE, NBD_EIO, "short")->head;
	uint16_t len = htobe16(5 + e->arg);

	UNUSED;
	memcpy(p + 24, &len, sizeof(len));
}

EVIL(error_text_long)
{
	char *text = malloc(e->arg + 1);

	UNUSED;
	if (!text)
		abort();
	memset(text, 't', e->arg);
	text[e->arg] = '\0';
	reply_error(r, DONE, NBD_EIO, text);
	free(text);
}

EVIL(error_chunk_length)
{
	uint8_t fixed[6] = { 0, 0, 0, NBD_EIO, 0, 0 };

	UNUSED;
	reply_chunk(r, DONE, NBD_REPLY_ERROR, fixed, e->arg, NULL, 0);
}

EVIL(error_offset_short)
{
	uint8_t fixed[13] = { 0, 0, 0, NBD_EIO };

	UNUSED;
	reply_chunk(r, DONE, NBD_REPLY_ERROR_OFFSET, fixed, sizeof(fixed), NULL, 0);
}

EVIL(error_type)
{
	uint8_t fixed[14] = { 0, 0, 0, NBD_EIO, 0, 2, 'h', 'i' };

	UNUSED;
	reply_chunk(r, DONE, e->arg, fixed, sizeof(fixed), NULL, 0);
}

EVIL(chunk_type)
{
	UNUSED;
	reply_data(r, 0, r->req.offset, r->req.length);
	reply_chunk(r, DONE, e->arg, NULL, 0, "payload!", 8);
}

EVIL(status_chunk_for_read)
{
	uint32_t payload[3] = { htobe32(1), htobe32(r->req.length), 0 };

	UNUSED;
	reply_chunk(r, DONE, NBD_REPLY_BLOCK_STATUS, payload, sizeof(payload), NULL, 0);
}

EVIL(none_payload)
{
	UNUSED;
	reply_data(r, 0, r->req.offset, r->req.length);
	reply_chunk(r, DONE, NBD_REPLY_NONE, NULL, 0, "junk", 4);
}

EVIL(none_not_done)
{
	UNUSED;
	reply_data(r, 0, r->req.offset, r->req.length);
	reply_chunk(r, 0, NBD_REPLY_NONE, NULL, 0, NULL, 0);
	reply_none(r);
}

EVIL(none_only)
{
	UNUSED;
	reply_none(r);
}

EVIL(after_done)
{
	UNUSED;
	read_whole(c, r);
	if (e->arg)
		reply_data(r, DONE, r->req.offset, r->req.length);
	else
		reply_none(r);
	r->ordered = true;
}

EVIL(simple_reply)
{
	struct msg *m = reply_simple(r, e->arg);

	UNUSED;
	if (!e->arg) {
		m->data = store_at(r->req.offset, r->req.length);
		m->data_len = r->req.length;
	}
}

EVIL(simple_without_data)
{
	UNUSED;
	reply_simple(r, 0);
}

/* EOF or silence after all but the last arg bytes of the payload */
EVIL(cut_payload)
{
	struct msg *m;

	read_whole(c, r);
	m = reply_last(r);
	msg_truncate(m, m->head_len + m->data_len / 2, e->arg);
}

EVIL(cut_between)
{
	UNUSED;
	reply_data(r, 0, r->req.offset, r->req.length / 2)->end = e->arg;
}

#define ROW(n, o, f, a, w)								\
	{ .name = n, .phase = PHASE_READ, .outcome = OUTCOME_##o, .commands = CMD(READ),	\
	  .reply = f, .arg = a, .what = w }
#define BOTH(n, o, f, a, w)								\
	{ .name = n, .phase = PHASE_READ, .outcome = OUTCOME_##o, .commands = CMD(READ),	\
	  .reply = f, .arg = a, .what = w, .simple_too = true }

const struct evil evil_read_table[] = {
	ROW("read-reverse", OK, two_pieces, DONE, "second half first, DONE on the last chunk"),
	ROW("read-reverse-none", OK, two_pieces, 0, "second half first, then NONE with DONE"),
	ROW("read-interleaved", OK, interleaved, 0, "8 chunks among those of other cookies"),
	ROW("read-tiny", OK, tiny, 0, "64 chunks of one byte, then the rest"),
	ROW("read-backwards", OK, backwards, 0, "chunks of one byte, from the last to the first"),
	ROW("read-unknown-flags", OK, whole_with_flags, 0xfffe, "all unknown chunk flags are set"),

	ROW("read-overlap-same", DROP, overlap, 0, "chunks overlap, with the same data"),
	ROW("read-overlap-other", DROP, overlap, 1, "chunks overlap, with other data"),
	ROW("read-whole-twice", DROP, whole_twice, 0, "the whole range in two chunks"),
	ROW("read-hole-over-data", DROP, hole_over_data, 0, "a hole over data already sent"),
	ROW("read-gap-end", DROP, gap, 0, "the last quarter is missing at DONE"),
	ROW("read-gap-middle", DROP, gap, 1, "the second quarter is missing at DONE"),
	ROW("read-gap-start", DROP, gap, 2, "the first quarter is missing at DONE"),
	ROW("read-gap-byte", DROP, gap, 3, "the last byte is missing at DONE"),
	ROW("read-overlap-gap", DROP, overlap_and_gap, 0, "right byte count by overlap and gap"),
	ROW("read-surplus", DROP, surplus, 0, "right data, then a chunk behind the range"),
	ROW("read-too-long", DROP, too_long, 0, "one chunk, 512 bytes longer than the request"),
	ROW("read-beyond", DROP, shifted, 512, "data told for 512 bytes further on"),
	ROW("read-before", DROP, shifted, -512ULL, "data told for 512 bytes before"),
	ROW("read-relative", DROP, shifted, 1ULL << 62, "offset of 2^62 and more"),
	ROW("read-wrap", DROP, wrap, 0, "offset + length wraps around"),
	ROW("read-data-empty", DROP, data_length, 8, "data chunk without data"),
	ROW("read-data-short4", DROP, data_length, 4, "data chunk with half an offset"),
	ROW("read-data-short0", DROP, data_length, 0, "data chunk without payload"),
	ROW("read-length-max", DROP, absurd_length, UINT32_MAX, "payload length of 4 GiB - 1"),
	ROW("read-length-2g", DROP, absurd_length, 0x80000000U, "payload length of 2 GiB"),

	ROW("read-hole-0", DROP, hole_size, 0, "hole of 0 bytes after the data"),
	ROW("read-hole-only-0", DROP, hole_only_size, 0, "nothing but a hole of 0 bytes"),
	ROW("read-hole-huge", DROP, hole_only_size, UINT32_MAX, "hole of 4 GiB - 1"),
	ROW("read-hole-beyond", DROP, hole_shifted, 512, "hole told for 512 bytes further on"),
	ROW("read-hole-before", DROP, hole_shifted, -512ULL, "hole told for 512 bytes before"),
	ROW("read-hole-wrap", DROP, hole_wrap, 0, "hole whose end wraps around"),
	ROW("read-hole-length8", DROP, hole_length, 8, "hole chunk without size"),
	ROW("read-hole-length11", DROP, hole_length, 11, "hole chunk of 11 bytes"),
	ROW("read-hole-length16", DROP, hole_length, 16, "hole chunk of 16 bytes"),

	ROW("read-eperm", ERROR, error_code, NBD_EPERM, "error chunk EPERM"),
	ROW("read-eio", ERROR, error_code, NBD_EIO, "error chunk EIO"),
	ROW("read-enomem", ERROR, error_code, NBD_ENOMEM, "error chunk ENOMEM"),
	ROW("read-einval", ERROR, error_code, NBD_EINVAL, "error chunk EINVAL"),
	ROW("read-enospc", ERROR, error_code, NBD_ENOSPC, "error chunk ENOSPC"),
	ROW("read-eoverflow", ERROR, error_code, NBD_EOVERFLOW, "error chunk EOVERFLOW"),
	ROW("read-enotsup", ERROR, error_code, NBD_ENOTSUP, "error chunk ENOTSUP"),
	ROW("read-eshutdown", DROP, error_code, NBD_ESHUTDOWN, "error chunk ESHUTDOWN"),
	ROW("read-error-unknown", ERROR, error_code, 0x12345678, "error number nobody knows"),
	ROW("read-error-negative", ERROR, error_code, -5U, "error number with the top bit set"),
	ROW("read-error-0", ERROR, error_code, 0, "error chunk with error 0"),
	ROW("read-error-no-text", ERROR, error_empty_text, NBD_EIO, "error chunk without text"),
	ROW("read-error-data", ERROR, error_then_data, DONE, "error, then all data with DONE"),
	ROW("read-error-data-none", ERROR, error_then_data, 0, "error, data, NONE with DONE"),
	ROW("read-data-error", ERROR, data_then_error, 0, "half the data, then an error"),
	ROW("read-error-twice", ERROR, error_twice, 0, "two error chunks, then NONE"),
	ROW("read-error-offset", ERROR, error_offset, 512, "ERROR_OFFSET inside the range"),
	ROW("read-error-offset-out", ERROR, error_offset, 1ULL << 40,
	    "ERROR_OFFSET outside the range"),
	ROW("read-error-offset-data", ERROR, error_offset_data, 0,
	    "ERROR_OFFSET, then all data with DONE"),
	ROW("read-error-text-4096", ERROR, error_text_long, 4096, "error text of 4096 bytes"),
	ROW("read-error-text-4097", DROP, error_text_long, 4097, "error text of 4097 bytes"),
	ROW("read-error-text-long", DROP, error_text_long, 60000, "error text of 60000 bytes"),
	ROW("read-error-text-beyond", DROP, error_text_beyond, 1,
	    "error text longer than its chunk"),
	ROW("read-error-text-beyond-far", DROP, error_text_beyond, 60000,
	    "error text far longer than its chunk"),
	ROW("read-error-length5", DROP, error_chunk_length, 5, "error chunk of 5 bytes"),
	ROW("read-error-length0", DROP, error_chunk_length, 0, "error chunk of 0 bytes"),
	ROW("read-error-offset-short", DROP, error_offset_short, 0, "ERROR_OFFSET of 13 bytes"),
	ROW("read-error-type", ERROR, error_type, 0x8003, "unknown type of the error class"),
	ROW("read-error-type-max", ERROR, error_type, 0xffff, "type 0xffff, of the error class"),

	ROW("read-type-3", DROP, chunk_type, 3, "chunk type 3 (unassigned)"),
	ROW("read-type-4", DROP, chunk_type, 4, "chunk type 4 (unassigned)"),
	ROW("read-type-unknown", DROP, chunk_type, 0x7fff, "unknown type, not an error"),
	ROW("read-type-status", DROP, status_chunk_for_read, 0, "a block status chunk"),
	ROW("read-none-payload", DROP, none_payload, 0, "NONE with 4 bytes of payload"),
	ROW("read-none-not-done", DROP, none_not_done, 0, "NONE without DONE"),
	ROW("read-none-only", DROP, none_only, 0, "NONE with DONE and no data at all"),
	ROW("read-after-done", DROP, after_done, 0, "right answer, then NONE for the same cookie"),
	ROW("read-done-twice", DROP, after_done, 1, "right answer, twice"),
	ROW("read-simple", DROP, simple_reply, 0, "simple reply with data in structured mode"),
	ROW("read-simple-bare", DROP, simple_without_data, 0,
	    "simple reply of success without data in structured mode"),
	BOTH("read-simple-error", ERROR, simple_reply, NBD_EIO, "simple reply EIO"),
	BOTH("read-simple-error-unknown", ERROR, simple_reply, 0x12345678,
	     "simple reply with an error number nobody knows"),
	BOTH("read-simple-eshutdown", DROP, simple_reply, NBD_ESHUTDOWN,
	     "simple reply ESHUTDOWN"),
	BOTH("read-eof-payload", DROP, cut_payload, END_CLOSE, "EOF in the middle of the data"),
	BOTH("read-stall-payload", DROP, cut_payload, END_STALL,
	     "silence from the middle of the data on"),
	ROW("read-eof-chunks", DROP, cut_between, END_CLOSE, "EOF between two chunks"),
	ROW("read-stall-chunks", DROP, cut_between, END_STALL, "silence between two chunks"),
	{ .name = "read-chunk-unasked", .phase = PHASE_READ, .outcome = OUTCOME_DROP,
	  .commands = CMD(READ), .reply = whole_with_flags, .simple_only = true,
	  .what = "a chunk though only simple replies were negotiated (--flags no-structured)" },
	{ 0 },
};
