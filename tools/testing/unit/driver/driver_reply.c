// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reply parser: every rule of "Structured reply message", "Simple reply
 * message" and the sections of the reply types in the NBD protocol, kept and
 * broken. Each stream is fed whole, byte by byte, and cut in two at each place:
 * what it means may not depend on how it comes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "driver_rig.h"

#define DONE		NBD_REPLY_FLAG_DONE
#define COOKIE		3u

/**
 * struct wire - bytes of a server
 * @n: how many
 * @b: the bytes
 */
struct wire {
	u32 n;
	u8 b[16384];
};

static void put(struct wire *w, u64 value, u32 bytes)
{
	while (bytes--)
		w->b[w->n++] = value >> (8 * bytes);
}

static void fill(struct wire *w, u32 bytes)
{
	memset(w->b + w->n, 0x5a, bytes);
	w->n += bytes;
}

static struct wire simple(u32 error, u64 cookie)
{
	struct wire w = {};

	put(&w, NBD_SIMPLE_REPLY_MAGIC, 4);
	put(&w, error, 4);
	put(&w, cookie, 8);
	return w;
}

static void chunk(struct wire *w, u32 flags, u32 type, u64 cookie, u32 length)
{
	put(w, NBD_STRUCTURED_REPLY_MAGIC, 4);
	put(w, flags, 2);
	put(w, type, 2);
	put(w, cookie, 8);
	put(w, length, 4);
}

static void data(struct wire *w, u32 flags, u64 offset, u32 length)
{
	chunk(w, flags, NBD_REPLY_TYPE_OFFSET_DATA, COOKIE, 8 + length);
	put(w, offset, 8);
	fill(w, length);
}

static void hole(struct wire *w, u32 flags, u64 offset, u32 length)
{
	chunk(w, flags, NBD_REPLY_TYPE_OFFSET_HOLE, COOKIE, 12);
	put(w, offset, 8);
	put(w, length, 4);
}

static void error(struct wire *w, u32 flags, u32 type, u32 number, u32 message, u32 tail)
{
	chunk(w, flags, type, COOKIE, 6 + message + tail);
	put(w, number, 4);
	put(w, message, 2);
	fill(w, message + tail);
}

static void status(struct wire *w, u32 flags, u64 cookie, u32 id, u32 length)
{
	chunk(w, flags, NBD_REPLY_TYPE_BLOCK_STATUS, cookie, 12);
	put(w, id, 4);
	put(w, length, 4);
	put(w, 1, 4);
}

static void none(struct wire *w)
{
	chunk(w, DONE, NBD_REPLY_TYPE_NONE, COOKIE, 0);
}

static const struct nbd_req
	read_64 = { .offset = 4096, .length = 64, .type = NBD_CMD_READ },
	write_64 = { .offset = 4096, .length = 64, .type = NBD_CMD_WRITE },
	flush = { .type = NBD_CMD_FLUSH },
	ask_64 = { .offset = 4096, .length = 64, .type = NBD_CMD_BLOCK_STATUS },
	last = { .offset = U64_MAX - 63, .length = 63, .type = NBD_CMD_READ };

/* Feed the stream, cut at @cut, or into pieces of @piece bytes; say what came of it */
static void feed(struct rig *rig, const struct wire *w, bool structured, const struct nbd_req *req,
		 u32 cut, u32 piece)
{
	u32 at = 0, n;

	rig_init(rig, structured);
	rig_ask(rig, COOKIE, *req);
	rig_ask(rig, COOKIE + 1, read_64);
	while (at < w->n) {
		n = min_t(u32, piece, w->n - at);
		if (at < cut)
			n = min_t(u32, n, cut - at);
		if (!rig_feed(rig, w->b + at, n)) {
			rig_say(rig, "broken: %s", rig->r.broken);
			break;
		}
		at += n;
	}
	if (rig->r.step != NBD_STEP_VIOLATION && !nbd_reply_idle(&rig->r))
		rig_say(rig, "within");
	rig_free(rig);
}

static void means(const struct wire *w, bool structured, const struct nbd_req *req,
		  const char *want)
{
	static struct rig rig;
	u32 cut, step = w->n > 512 ? 97 : 1;

	feed(&rig, w, structured, req, 0, U32_MAX);
	assert_string_equal(rig.log, want);
	feed(&rig, w, structured, req, 0, 1);
	assert_string_equal(rig.log, want);
	for (cut = 1; cut < w->n; cut += step) {
		feed(&rig, w, structured, req, cut, U32_MAX);
		assert_string_equal(rig.log, want);
	}
}

/* MEANS(request, meaning, statements that put bytes into w) */
#define MEANS(req, want, ...) do {						\
	struct wire w = {};							\
	__VA_ARGS__;								\
	means(&w, true, &(req), want);						\
} while (0)

/* The same where structured replies were not negotiated */
#define MEANS_SIMPLE(req, want, ...) do {					\
	struct wire w = {};							\
	__VA_ARGS__;								\
	means(&w, false, &(req), want);						\
} while (0)

static void magic(void **state)
{
	MEANS_SIMPLE(flush, "end; ", w = simple(0, COOKIE));
	MEANS_SIMPLE(flush, "broken: structured reply, which was not negotiated", none(&w));
	MEANS(flush, "end; ", none(&w));
	MEANS(flush, "broken: unknown reply magic", put(&w, 0x67446699, 4); fill(&w, 12));
	MEANS_SIMPLE(flush, "broken: unknown reply magic", fill(&w, 16));
	/* a request echoed back */
	MEANS(flush, "broken: unknown reply magic", put(&w, NBD_REQUEST_MAGIC, 4); fill(&w, 24));
}

static void simple_without_structured(void **state)
{
	MEANS_SIMPLE(read_64, "data 4096+64; end; ", w = simple(0, COOKIE); fill(&w, 64));
	MEANS_SIMPLE(read_64, "data 4096+64; within", w = simple(0, COOKIE); fill(&w, 63));
	MEANS_SIMPLE(read_64, "failed 28; ", w = simple(NBD_ENOSPC, COOKIE));
	MEANS_SIMPLE(write_64, "end; ", w = simple(0, COOKIE));
	MEANS_SIMPLE(write_64, "failed 1; ", w = simple(NBD_EPERM, COOKIE));
	/* no payload belongs to an error: the next bytes are a reply */
	MEANS_SIMPLE(read_64, "failed 5; broken: unknown reply magic",
		     w = simple(NBD_EIO, COOKIE); fill(&w, 64));
}

static void simple_with_structured(void **state)
{
	MEANS(write_64, "end; ", w = simple(0, COOKIE));
	MEANS(flush, "end; ", w = simple(0, COOKIE));
	MEANS(read_64, "failed 5; ", w = simple(NBD_EIO, COOKIE));
	MEANS(ask_64, "failed 95; ", w = simple(NBD_ENOTSUP, COOKIE));
	MEANS(read_64, "broken: simple reply without error to a request that requires chunks",
	      w = simple(0, COOKIE);
	      fill(&w, 64));
	MEANS(ask_64, "broken: simple reply without error to a request that requires chunks",
	      w = simple(0, COOKIE));
}

static void cookie(void **state)
{
	MEANS(read_64, "broken: reply to no request in flight", w = simple(0, COOKIE + 2));
	MEANS(read_64, "broken: reply to no request in flight", w = simple(0, 1ull << 32 | COOKIE));
	MEANS(read_64, "broken: reply to no request in flight",
	      chunk(&w, DONE, NBD_REPLY_TYPE_NONE, COOKIE + 2, 0));
	/* a reply that has ended has ended */
	MEANS(flush, "end; broken: reply to no request in flight", none(&w); none(&w));
	MEANS(write_64, "end; broken: reply to no request in flight",
	      w = simple(0, COOKIE); none(&w));
}

static void empty_chunk(void **state)
{
	MEANS(write_64, "end; ", none(&w));
	MEANS(write_64, "broken: empty chunk with a payload or without the done flag",
	      chunk(&w, 0, NBD_REPLY_TYPE_NONE, COOKIE, 0));
	MEANS(write_64, "broken: empty chunk with a payload or without the done flag",
	      chunk(&w, DONE, NBD_REPLY_TYPE_NONE, COOKIE, 1); fill(&w, 1));
	MEANS(read_64, "broken: data missing", none(&w));
	/* other flags are for later */
	MEANS(write_64, "end; ", chunk(&w, 0xffff, NBD_REPLY_TYPE_NONE, COOKIE, 0));
}

static void data_chunk(void **state)
{
	MEANS(read_64, "data 4096+64; end; ", data(&w, DONE, 4096, 64));
	MEANS(read_64, "data 4096+64; end; ", data(&w, 0, 4096, 64); none(&w));
	MEANS(read_64, "data 4128+32; data 4096+32; end; ",
	      data(&w, 0, 4128, 32); data(&w, DONE, 4096, 32));
	MEANS(read_64, "data 4096+1; data 4159+1; broken: data missing", data(&w, 0, 4096, 1);
	      data(&w, DONE, 4159, 1));
	MEANS(read_64, "data 4096+64; broken: data sent twice", data(&w, 0, 4096, 64);
	      data(&w, DONE, 4096, 64));
	MEANS(read_64, "data 4096+32; broken: data sent twice", data(&w, 0, 4096, 32);
	      data(&w, DONE, 4127, 33));
	MEANS(write_64, "broken: data chunk for a request that is not a READ",
	      data(&w, DONE, 4096, 64));
	MEANS(ask_64, "broken: data chunk for a request that is not a READ",
	      data(&w, DONE, 4096, 64));
}

static void data_length(void **state)
{
	MEANS(read_64, "broken: data chunk of a wrong length", data(&w, DONE, 4096, 0));
	MEANS(read_64, "broken: data chunk of a wrong length",
	      chunk(&w, DONE, NBD_REPLY_TYPE_OFFSET_DATA, COOKIE, 7); fill(&w, 7));
	MEANS(read_64, "broken: data chunk of a wrong length",
	      chunk(&w, DONE, NBD_REPLY_TYPE_OFFSET_DATA, COOKIE, 0));
	MEANS(read_64, "broken: data chunk of a wrong length", data(&w, DONE, 4096, 65));
	MEANS(read_64, "broken: data chunk of a wrong length",
	      chunk(&w, DONE, NBD_REPLY_TYPE_OFFSET_DATA, COOKIE, U32_MAX); put(&w, 4096, 8));
}

static void data_range(void **state)
{
	static const char out[] = "broken: data chunk outside of the request";

	MEANS(read_64, out, data(&w, DONE, 4095, 64));
	MEANS(read_64, out, data(&w, DONE, 4097, 64));
	MEANS(read_64, out, data(&w, DONE, 4160, 1));
	MEANS(read_64, out, data(&w, DONE, 0, 64));
	MEANS(read_64, out, data(&w, DONE, U64_MAX, 1));
	MEANS(read_64, out, data(&w, DONE, U64_MAX - 10, 64));
	MEANS(read_64, out, data(&w, DONE, (1ull << 32) + 4096, 64));
	/* a request that ends where 64 bits do */
	MEANS(last, "data 18446744073709551552+63; end; ", data(&w, DONE, U64_MAX - 63, 63));
	MEANS(last, out, data(&w, DONE, U64_MAX - 62, 63));
	MEANS(last, out, data(&w, DONE, 0, 63));
}

static void hole_chunk(void **state)
{
	static const char out[] = "broken: hole chunk empty or outside of the request";
	static const char size[] = "broken: hole chunk of a wrong length";

	MEANS(read_64, "hole 4096+64; end; ", hole(&w, DONE, 4096, 64));
	MEANS(read_64, "hole 4096+32; data 4128+32; end; ",
	      hole(&w, 0, 4096, 32); data(&w, DONE, 4128, 32));
	MEANS(read_64, "data 4096+32; broken: data sent twice", data(&w, 0, 4096, 32);
	      hole(&w, DONE, 4100, 4));
	MEANS(read_64, out, hole(&w, DONE, 4096, 0));
	MEANS(read_64, out, hole(&w, DONE, 4096, 65));
	MEANS(read_64, out, hole(&w, DONE, 4095, 2));
	MEANS(read_64, out, hole(&w, DONE, 4160, 1));
	MEANS(read_64, out, hole(&w, DONE, 4097, U32_MAX));
	MEANS(read_64, out, hole(&w, DONE, U64_MAX, 2));
	MEANS(write_64, "broken: hole chunk for a request that is not a READ",
	      hole(&w, DONE, 4096, 64));
	MEANS(read_64, size, chunk(&w, DONE, NBD_REPLY_TYPE_OFFSET_HOLE, COOKIE, 11); fill(&w, 11));
	MEANS(read_64, size, chunk(&w, DONE, NBD_REPLY_TYPE_OFFSET_HOLE, COOKIE, 13); fill(&w, 13));
	MEANS(read_64, size, chunk(&w, DONE, NBD_REPLY_TYPE_OFFSET_HOLE, COOKIE, 0));
}

static void status_chunk(void **state)
{
	MEANS(ask_64, "status 0; status 1; end; ",
	      status(&w, 0, COOKIE, rig_ids[0], 64); status(&w, DONE, COOKIE, rig_ids[1], 64));
	MEANS(ask_64, "status 1; status 0; end; ", status(&w, 0, COOKIE, rig_ids[1], 64);
	      status(&w, 0, COOKIE, rig_ids[0], 64); none(&w));
	MEANS(ask_64, "status 0; broken: context missing",
	      status(&w, DONE, COOKIE, rig_ids[0], 64));
	MEANS(ask_64, "broken: context missing", none(&w));
	MEANS(ask_64, "status 0; broken: second chunk for one context",
	      status(&w, 0, COOKIE, rig_ids[0], 64); status(&w, 0, COOKIE, rig_ids[0], 64));
	MEANS(ask_64, "broken: unknown context", status(&w, 0, COOKIE, 8, 64));
	MEANS(read_64, "broken: block status chunk for a request that is not BLOCK_STATUS",
	      status(&w, DONE, COOKIE, rig_ids[0], 64));
	MEANS(flush, "broken: block status chunk for a request that is not BLOCK_STATUS",
	      status(&w, DONE, COOKIE, rig_ids[0], 64));
	/* what descriptors say is not the parser's business */
	MEANS(ask_64, "status 0; status 1; end; ",
	      status(&w, 0, COOKIE, rig_ids[0], 0); status(&w, DONE, COOKIE, rig_ids[1], 65));
}

static void status_length(void **state)
{
	static const char size[] = "broken: block status chunk of a wrong length";
	static const u32 wrong[] = { 0, 3, 4, 5, 11, 13, 16, 4 + 8 * (NBD_MAX_DESCRIPTORS + 1),
				     U32_MAX, U32_MAX - 3 };
	u32 i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		MEANS(ask_64, size, chunk(&w, DONE, NBD_REPLY_TYPE_BLOCK_STATUS, COOKIE, wrong[i]));
	/* the longest that is taken, of which only the beginning comes */
	MEANS(ask_64, "status 0; within",
	      chunk(&w, 0, NBD_REPLY_TYPE_BLOCK_STATUS, COOKIE, 4 + 8 * NBD_MAX_DESCRIPTORS);
	      put(&w, rig_ids[0], 4); put(&w, 64, 4));
}

static void error_chunk(void **state)
{
	MEANS(write_64, "failed 28; ", error(&w, DONE, NBD_REPLY_TYPE_ERROR, NBD_ENOSPC, 0, 0));
	MEANS(read_64, "failed 5; ", error(&w, DONE, NBD_REPLY_TYPE_ERROR, NBD_EIO, 11, 0));
	MEANS(read_64, "failed 5; ", error(&w, DONE, NBD_REPLY_TYPE_ERROR, NBD_EIO, 4096, 0));
	MEANS(read_64, "failed 5; ", error(&w, DONE, NBD_REPLY_TYPE_ERROR_OFFSET, NBD_EIO, 0, 8));
	MEANS(read_64, "failed 5; ",
	      error(&w, DONE, NBD_REPLY_TYPE_ERROR_OFFSET, NBD_EIO, 4096, 8));
	/* one without a number is one all the same */
	MEANS(write_64, "failed 5; ", error(&w, DONE, NBD_REPLY_TYPE_ERROR, 0, 0, 0));
	/* the first counts, the rest of the reply is still held to the rules */
	MEANS(read_64, "data 4096+32; failed 12; ", data(&w, 0, 4096, 32);
	      error(&w, 0, NBD_REPLY_TYPE_ERROR, NBD_ENOMEM, 3, 0);
	      error(&w, 0, NBD_REPLY_TYPE_ERROR, NBD_EIO, 0, 0); none(&w));
	MEANS(read_64, "data 4096+32; broken: data sent twice",
	      error(&w, 0, NBD_REPLY_TYPE_ERROR, NBD_EIO, 0, 0);
	      data(&w, 0, 4096, 32); data(&w, DONE, 4096, 32));
	/* an error type of tomorrow, with fields we do not know */
	MEANS(write_64, "failed 75; ", error(&w, DONE, 0x8fff, NBD_EOVERFLOW, 2, 17));
}

static void error_length(void **state)
{
	static const char size[] = "broken: error chunk of a wrong length";
	static const char message[] = "broken: error message longer than its chunk, or too long";

	MEANS(read_64, size, chunk(&w, DONE, NBD_REPLY_TYPE_ERROR, COOKIE, 0));
	MEANS(read_64, size, chunk(&w, DONE, NBD_REPLY_TYPE_ERROR, COOKIE, 5); fill(&w, 5));
	MEANS(read_64, size, error(&w, DONE, NBD_REPLY_TYPE_ERROR, NBD_EIO, 3, 1));
	MEANS(read_64, size, error(&w, DONE, NBD_REPLY_TYPE_ERROR, NBD_EIO, 0, 8));
	MEANS(read_64, size, error(&w, DONE, NBD_REPLY_TYPE_ERROR_OFFSET, NBD_EIO, 0, 0));
	MEANS(read_64, size, error(&w, DONE, NBD_REPLY_TYPE_ERROR_OFFSET, NBD_EIO, 3, 7));
	MEANS(read_64, size, error(&w, DONE, 0x8fff, NBD_EIO, 0, 4353));
	MEANS(write_64, "failed 5; ", error(&w, DONE, 0x8fff, NBD_EIO, 0, 4352));
	MEANS(read_64, message, chunk(&w, DONE, NBD_REPLY_TYPE_ERROR, COOKIE, 8);
	      put(&w, NBD_EIO, 4); put(&w, 3, 2); fill(&w, 2));
	MEANS(read_64, message, error(&w, DONE, NBD_REPLY_TYPE_ERROR, NBD_EIO, 4097, 0));
	MEANS(read_64, size, chunk(&w, DONE, NBD_REPLY_TYPE_ERROR, COOKIE, U32_MAX));
}

static void unknown_chunk(void **state)
{
	MEANS(read_64, "broken: chunk of an unknown type", chunk(&w, DONE, 3, COOKIE, 0));
	MEANS(read_64, "broken: chunk of an unknown type", chunk(&w, DONE, 6, COOKIE, 12));
	MEANS(ask_64, "broken: chunk of an unknown type", chunk(&w, 0, 0x7fff, COOKIE, 0));
}

/* Chunks of several replies may be mixed, those of one need not be together */
static void mixed(void **state)
{
	MEANS(read_64, "data 4096+32; hole 4096+64; end; data 4128+32; end; ",
	      data(&w, 0, 4096, 32);
	      chunk(&w, DONE, NBD_REPLY_TYPE_OFFSET_HOLE, COOKIE + 1, 12);
	      put(&w, 4096, 8); put(&w, 64, 4);
	      data(&w, DONE, 4128, 32));
	MEANS(write_64, "end; hole 4096+64; end; ", w = simple(0, COOKIE);
	      chunk(&w, DONE, NBD_REPLY_TYPE_OFFSET_HOLE, COOKIE + 1, 12);
	      put(&w, 4096, 8); put(&w, 64, 4));
}

/* A server may continue with another context after it ended a block status with an error */
static void orphans(void **state)
{
	MEANS(ask_64, "failed 5; orphan; ", error(&w, DONE, NBD_REPLY_TYPE_ERROR, NBD_EIO, 0, 0);
	      status(&w, DONE, COOKIE, rig_ids[1], 64));
	MEANS(ask_64, "failed 5; orphan; broken: reply to no request in flight",
	      error(&w, DONE, NBD_REPLY_TYPE_ERROR, NBD_EIO, 0, 0);
	      status(&w, 0, COOKIE, rig_ids[1], 64); status(&w, DONE, COOKIE, rig_ids[1], 64));
	MEANS(ask_64, "failed 5; orphan; broken: second simple reply to one request",
	      w = simple(NBD_EIO, COOKIE); put(&w, NBD_SIMPLE_REPLY_MAGIC, 4); put(&w, 0, 4);
	      put(&w, COOKIE, 8));
	MEANS(ask_64, "failed 5; orphan; broken: stray chunk is too long",
	      error(&w, DONE, NBD_REPLY_TYPE_ERROR, NBD_EIO, 0, 0);
	      chunk(&w, 0, NBD_REPLY_TYPE_BLOCK_STATUS, COOKIE, 5 + 8 * NBD_MAX_DESCRIPTORS));
	/* an empty one */
	MEANS(ask_64, "failed 5; orphan; ", error(&w, DONE, NBD_REPLY_TYPE_ERROR, NBD_EIO, 0, 0);
	      none(&w));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(magic),
		cmocka_unit_test(simple_without_structured),
		cmocka_unit_test(simple_with_structured),
		cmocka_unit_test(cookie),
		cmocka_unit_test(empty_chunk),
		cmocka_unit_test(data_chunk),
		cmocka_unit_test(data_length),
		cmocka_unit_test(data_range),
		cmocka_unit_test(hole_chunk),
		cmocka_unit_test(status_chunk),
		cmocka_unit_test(status_length),
		cmocka_unit_test(error_chunk),
		cmocka_unit_test(error_length),
		cmocka_unit_test(unknown_chunk),
		cmocka_unit_test(mixed),
		cmocka_unit_test(orphans),
	};

	return cmocka_run_group_tests_name("driver reply", tests, NULL, NULL);
}
