// SPDX-License-Identifier: GPL-2.0-only
/*
 * Misbehaviours in answering the commands without reply payload: WRITE, FLUSH, TRIM, WRITE_ZEROES.
 * The table is at the end.
 */
#include <endian.h>
#include <stdlib.h>

#include "evil.h"

#define DONE		NBD_REPLY_FLAG_DONE
#define EVIL(name)	static void name(struct conn *c, struct reply *r, const struct evil *e)
#define UNUSED		((void)c, (void)e)

EVIL(simple)
{
	UNUSED;
	reply_simple(r, e->arg);
}

EVIL(error_chunk)
{
	UNUSED;
	reply_error(r, DONE, e->arg, "told to fail");
}

EVIL(error_then_none)
{
	UNUSED;
	reply_error(r, 0, e->arg, "told to fail");
	reply_none(r);
}

EVIL(error_offset)
{
	UNUSED;
	reply_error_offset(r, DONE, e->arg, "bad spot", r->req.offset);
}

EVIL(none)
{
	UNUSED;
	reply_none(r);
}

EVIL(none_unknown_flags)
{
	UNUSED;
	msg_set_flags(reply_none(r), 0xffff);
}

EVIL(none_not_done)
{
	UNUSED;
	reply_chunk(r, 0, NBD_REPLY_NONE, NULL, 0, NULL, 0);
	reply_none(r);
}

EVIL(data_chunk)
{
	uint64_t be = htobe64(r->req.offset);

	UNUSED;
	reply_chunk(r, e->arg, NBD_REPLY_OFFSET_DATA, &be, sizeof(be), store_at(0, 512), 512);
	if (!e->arg)
		reply_none(r);
}

EVIL(hole_chunk)
{
	UNUSED;
	reply_hole(r, DONE, r->req.offset, r->req.length);
}

EVIL(status_for_write)
{
	uint32_t payload[3] = { htobe32(1), htobe32(r->req.length), 0 };

	UNUSED;
	reply_chunk(r, DONE, NBD_REPLY_BLOCK_STATUS, payload, sizeof(payload), NULL, 0);
}

EVIL(twice)
{
	UNUSED;
	reply_simple(r, 0);
	reply_simple(r, 0);
	r->ordered = true;
}

EVIL(error_and_success)
{
	UNUSED;
	reply_simple(r, NBD_EIO);
	reply_simple(r, 0);
	r->ordered = true;
}

/* A simple reply never has a payload here; these bytes are read as the next header. */
EVIL(simple_with_data)
{
	struct msg *m = reply_simple(r, 0);

	UNUSED;
	m->data = store_at(r->req.offset, 512);
	m->data_len = 512;
}

/* Early: none of the payload was read yet. A queued reply means the payload is read afterwards. */
EVIL(early_error)
{
	UNUSED;
	reply_simple(r, e->arg);
}

EVIL(half_then_close)
{
	uint32_t half = r->req.length / 2;
	void *buf = malloc(half + 1);

	(void)e;
	if (buf)
		conn_read(c, buf, half);
	free(buf);
}

EVIL(never_read)
{
	(void)r, (void)e;
	conn_deaf(c);
}

#define ROW(n, o, cmd, f, a, w)								\
	{ .name = n, .phase = PHASE_WRITE, .outcome = OUTCOME_##o, .commands = CMD(cmd),	\
	  .reply = f, .arg = a, .what = w }
#define BOTH(n, o, cmd, f, a, w)							\
	{ .name = n, .phase = PHASE_WRITE, .outcome = OUTCOME_##o, .commands = CMD(cmd),	\
	  .reply = f, .arg = a, .what = w, .simple_too = true }
#define EARLY(n, o, f, a, w)								\
	{ .name = n, .phase = PHASE_WRITE, .outcome = OUTCOME_##o, .commands = CMD(WRITE),	\
	  .reply = f, .arg = a, .what = w, .simple_too = true, .early = true }

const struct evil evil_write_table[] = {
	BOTH("write-eperm", ERROR, WRITE, simple, NBD_EPERM, "simple reply EPERM"),
	BOTH("write-eio", ERROR, WRITE, simple, NBD_EIO, "simple reply EIO"),
	BOTH("write-enomem", ERROR, WRITE, simple, NBD_ENOMEM, "simple reply ENOMEM"),
	BOTH("write-einval", ERROR, WRITE, simple, NBD_EINVAL, "simple reply EINVAL"),
	BOTH("write-enospc", ERROR, WRITE, simple, NBD_ENOSPC, "simple reply ENOSPC"),
	BOTH("write-eoverflow", ERROR, WRITE, simple, NBD_EOVERFLOW, "simple reply EOVERFLOW"),
	BOTH("write-enotsup", ERROR, WRITE, simple, NBD_ENOTSUP, "simple reply ENOTSUP"),
	BOTH("write-eshutdown", DROP, WRITE, simple, NBD_ESHUTDOWN, "simple reply ESHUTDOWN"),
	BOTH("write-error-unknown", ERROR, WRITE, simple, 0x12345678,
	     "simple reply with an error number nobody knows"),
	ROW("write-eperm-chunk", ERROR, WRITE, error_chunk, NBD_EPERM, "error chunk EPERM"),
	ROW("write-eio-chunk", ERROR, WRITE, error_chunk, NBD_EIO, "error chunk EIO"),
	ROW("write-enomem-chunk", ERROR, WRITE, error_chunk, NBD_ENOMEM, "error chunk ENOMEM"),
	ROW("write-einval-chunk", ERROR, WRITE, error_chunk, NBD_EINVAL, "error chunk EINVAL"),
	ROW("write-enospc-chunk", ERROR, WRITE, error_chunk, NBD_ENOSPC, "error chunk ENOSPC"),
	ROW("write-eoverflow-chunk", ERROR, WRITE, error_chunk, NBD_EOVERFLOW,
	    "error chunk EOVERFLOW"),
	ROW("write-enotsup-chunk", ERROR, WRITE, error_chunk, NBD_ENOTSUP, "error chunk ENOTSUP"),
	ROW("write-eshutdown-chunk", DROP, WRITE, error_chunk, NBD_ESHUTDOWN,
	    "error chunk ESHUTDOWN"),
	ROW("write-error-unknown-chunk", ERROR, WRITE, error_chunk, 0x12345678,
	    "error chunk with an error number nobody knows"),
	ROW("write-error-0-chunk", ERROR, WRITE, error_chunk, 0, "error chunk with error 0"),
	ROW("write-error-none", ERROR, WRITE, error_then_none, NBD_EIO, "error chunk, then NONE"),
	ROW("write-error-offset", ERROR, WRITE, error_offset, NBD_EIO, "ERROR_OFFSET chunk"),
	ROW("write-none", OK, WRITE, none, 0, "success as NONE with DONE"),
	ROW("write-none-flags", OK, WRITE, none_unknown_flags, 0,
	    "success as NONE with unknown flags"),
	ROW("write-none-not-done", DROP, WRITE, none_not_done, 0, "NONE without DONE"),
	ROW("write-data", DROP, WRITE, data_chunk, DONE, "data chunk as the answer"),
	ROW("write-data-none", DROP, WRITE, data_chunk, 0, "data chunk, then NONE"),
	ROW("write-hole", DROP, WRITE, hole_chunk, 0, "hole chunk as the answer"),
	ROW("write-status", DROP, WRITE, status_for_write, 0, "block status chunk as the answer"),
	BOTH("write-twice", DROP, WRITE, twice, 0, "success, twice"),
	BOTH("write-error-success", DROP, WRITE, error_and_success, 0, "EIO, then success"),
	BOTH("write-simple-data", DROP, WRITE, simple_with_data, 0,
	     "simple reply with 512 bytes behind it"),
	EARLY("write-early-error", ERROR, early_error, NBD_ENOSPC,
	      "ENOSPC before the payload was read; the payload is swallowed"),
	EARLY("write-early-success", OK, early_error, 0,
	      "success before the payload was read (which it then is)"),
	EARLY("write-half-close", DROP, half_then_close, 0, "EOF after half the payload"),
	EARLY("write-never-read", DROP, never_read, 0, "the payload is never read: sends block"),

	BOTH("flush-eio", ERROR, FLUSH, simple, NBD_EIO, "simple reply EIO to FLUSH"),
	ROW("flush-eio-chunk", ERROR, FLUSH, error_chunk, NBD_EIO, "error chunk EIO to FLUSH"),
	BOTH("flush-enospc", ERROR, FLUSH, simple, NBD_ENOSPC, "simple reply ENOSPC to FLUSH"),
	BOTH("flush-eshutdown", DROP, FLUSH, simple, NBD_ESHUTDOWN, "ESHUTDOWN to FLUSH"),
	ROW("flush-none", OK, FLUSH, none, 0, "success of FLUSH as NONE with DONE"),
	ROW("flush-data", DROP, FLUSH, data_chunk, DONE, "data chunk as the answer to FLUSH"),
	BOTH("flush-twice", DROP, FLUSH, twice, 0, "success of FLUSH, twice"),

	BOTH("trim-eio", ERROR, TRIM, simple, NBD_EIO, "simple reply EIO to TRIM"),
	ROW("trim-eperm-chunk", ERROR, TRIM, error_chunk, NBD_EPERM, "error chunk EPERM to TRIM"),
	BOTH("trim-enotsup", ERROR, TRIM, simple, NBD_ENOTSUP, "simple reply ENOTSUP to TRIM"),
	BOTH("trim-eshutdown", DROP, TRIM, simple, NBD_ESHUTDOWN, "ESHUTDOWN to TRIM"),
	ROW("trim-none", OK, TRIM, none, 0, "success of TRIM as NONE with DONE"),
	ROW("trim-hole", DROP, TRIM, hole_chunk, 0, "hole chunk as the answer to TRIM"),

	BOTH("zeroes-eio", ERROR, WRITE_ZEROES, simple, NBD_EIO,
	     "simple reply EIO to WRITE_ZEROES"),
	BOTH("zeroes-enospc", ERROR, WRITE_ZEROES, simple, NBD_ENOSPC,
	     "simple reply ENOSPC to WRITE_ZEROES"),
	BOTH("zeroes-enotsup", ERROR, WRITE_ZEROES, simple, NBD_ENOTSUP,
	     "ENOTSUP to WRITE_ZEROES (the caller may fall back to writing)"),
	ROW("zeroes-einval-chunk", ERROR, WRITE_ZEROES, error_chunk, NBD_EINVAL,
	    "error chunk EINVAL to WRITE_ZEROES"),
	BOTH("zeroes-eshutdown", DROP, WRITE_ZEROES, simple, NBD_ESHUTDOWN,
	     "ESHUTDOWN to WRITE_ZEROES"),
	ROW("zeroes-none", OK, WRITE_ZEROES, none, 0, "success of WRITE_ZEROES as NONE with DONE"),
	ROW("zeroes-hole", DROP, WRITE_ZEROES, hole_chunk, 0,
	    "hole chunk as the answer to WRITE_ZEROES"),
	{ 0 },
};
