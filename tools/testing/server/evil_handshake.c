// SPDX-License-Identifier: GPL-2.0-only
/*
 * Misbehaviours of the handshake, first half: the initial handshake, leaving and stalling at each
 * step, and what the export claims to be. The table is at the end.
 */
#include <endian.h>
#include <string.h>

#include "evil.h"

#define HELLO_SIZE	18

static enum verdict send_hello(struct conn *c, uint64_t magic, uint64_t opts, uint16_t flags,
			       size_t len)
{
	struct { uint64_t magic, opts; uint16_t flags; } __attribute__((packed)) hello = {
		.magic = htobe64(magic),
		.opts = htobe64(opts),
		.flags = htobe16(flags),
	};

	conn_write(c, &hello, len);
	return HS_CONTINUE;
}

static enum verdict http(struct conn *c, const struct evil *e, enum step step, uint32_t option)
{
	static const char text[] =
		"HTTP/1.1 400 Bad Request\r\nServer: not-nbd\r\nContent-Length: 0\r\n\r\n";

	(void)e, (void)step, (void)option;
	conn_write(c, text, sizeof(text) - 1);
	return HS_CONTINUE;
}

static enum verdict bad_magic(struct conn *c, const struct evil *e, enum step step, uint32_t option)
{
	(void)step, (void)option;
	if (e->arg == 1)
		return send_hello(c, NBD_MAGIC ^ 1, NBD_OPTS_MAGIC, c->hflags, HELLO_SIZE);
	return send_hello(c, NBD_MAGIC, NBD_OPTS_MAGIC ^ 1, c->hflags, HELLO_SIZE);
}

/* Size, flags and padding follow at once; transmission begins without a word of the client. */
static enum verdict oldstyle(struct conn *c, const struct evil *e, enum step step, uint32_t option)
{
	struct {
		uint64_t magic, old, size;
		uint32_t flags;
		uint8_t zeroes[NBD_NAME_PADDING];
	} __attribute__((packed)) hello = {
		.magic = htobe64(NBD_MAGIC),
		.old = htobe64(NBD_OLDSTYLE_MAGIC),
		.size = htobe64(c->size),
		.flags = htobe32(c->tflags & ~NBD_FLAG_SEND_DF),
	};

	(void)e, (void)step, (void)option;
	conn_write(c, &hello, sizeof(hello));
	c->in_transmission = true;
	return HS_TRANSMIT;
}

static enum verdict partial_hello(struct conn *c, const struct evil *e, enum step step,
				  uint32_t option)
{
	(void)step, (void)option;
	send_hello(c, NBD_MAGIC, NBD_OPTS_MAGIC, c->hflags, e->arg & 0xff);
	if (e->arg & 0x100)
		conn_stall(c);
	return HS_CLOSE;
}

static enum verdict hang_up(struct conn *c, const struct evil *e, enum step step, uint32_t option)
{
	(void)c, (void)e, (void)step, (void)option;
	return HS_CLOSE;
}

static enum verdict stall(struct conn *c, const struct evil *e, enum step step, uint32_t option)
{
	(void)e, (void)step, (void)option;
	conn_stall(c);
	return HS_CLOSE;
}

static enum verdict reset_bits(struct conn *c, const struct evil *e, enum step step,
			       uint32_t option)
{
	(void)step, (void)option;
	c->hflags &= ~e->arg;
	return HS_NORMAL;
}

static enum verdict more_bits(struct conn *c, const struct evil *e, enum step step, uint32_t option)
{
	(void)step, (void)option;
	c->hflags |= e->arg;
	return HS_NORMAL;
}

static enum verdict trickle(struct conn *c, const struct evil *e, enum step step, uint32_t option)
{
	(void)step, (void)option;
	c->trickle_ms = e->arg;
	return HS_NORMAL;
}

static enum verdict other_size(struct conn *c, const struct evil *e, enum step step,
			       uint32_t option)
{
	(void)step, (void)option;
	c->size = e->arg;
	return HS_NORMAL;
}

static enum verdict half_size(struct conn *c, const struct evil *e, enum step step, uint32_t option)
{
	(void)e, (void)step, (void)option;
	c->size /= 2;
	return HS_NORMAL;
}

static enum verdict flags_on(struct conn *c, const struct evil *e, enum step step, uint32_t option)
{
	(void)step, (void)option;
	c->tflags |= e->arg;
	return HS_NORMAL;
}

static enum verdict flags_off(struct conn *c, const struct evil *e, enum step step, uint32_t option)
{
	(void)step, (void)option;
	c->tflags &= ~e->arg;
	return HS_NORMAL;
}

#define SIZES(min, pref, max)	((uint64_t)(min) << 40 | (uint64_t)(pref) << 20 | (max) / 4096)

/* Three sizes in one number: minimum, preferred, and maximum in pages. */
static enum verdict block_size(struct conn *c, const struct evil *e, enum step step,
			       uint32_t option)
{
	(void)step, (void)option;
	c->tell_block_size = true;
	c->min = e->arg >> 40;
	c->pref = e->arg >> 20 & 0xfffff;
	c->max = (e->arg & 0xfffff) * 4096;
	return HS_NORMAL;
}

static enum verdict no_context(struct conn *c, const struct evil *e, enum step step,
			       uint32_t option)
{
	(void)e, (void)step, (void)option;
	c->nr_selected = 0;
	return HS_NORMAL;
}

#define ROW(n, o, s, opt_, f, a, w)							\
	{ .name = n, .phase = PHASE_HANDSHAKE, .outcome = OUTCOME_##o, .steps = s,	\
	  .option = opt_, .shake = f, .arg = a, .what = w }
#define SECOND(n, o, s, opt_, f, a, w)							\
	{ .name = n, .phase = PHASE_HANDSHAKE, .outcome = OUTCOME_##o, .steps = s,	\
	  .option = opt_, .shake = f, .arg = a, .what = w, .second = true }

#define SR	NBD_OPT_STRUCTURED_REPLY
#define SET	NBD_OPT_SET_META_CONTEXT
#define GO	NBD_OPT_GO

const struct evil evil_handshake_table[] = {
	ROW("greeting-http", REFUSE, STEP_GREETING, 0, http, 0, "text of a web server"),
	ROW("greeting-magic", REFUSE, STEP_GREETING, 0, bad_magic, 1, "first magic is wrong"),
	ROW("greeting-magic2", REFUSE, STEP_GREETING, 0, bad_magic, 2, "second magic is wrong"),
	ROW("greeting-oldstyle", REFUSE, STEP_GREETING, 0, oldstyle, 0, "oldstyle negotiation"),
	ROW("greeting-no-fixed", DEGRADE, STEP_FACTS, 0, reset_bits, NBD_FLAG_FIXED_NEWSTYLE,
	    "no fixed newstyle: only EXPORT_NAME is left"),
	ROW("greeting-no-flags", DEGRADE, STEP_FACTS, 0, reset_bits, 3,
	    "neither fixed newstyle nor NO_ZEROES"),
	ROW("greeting-unknown-flags", OK, STEP_FACTS, 0, more_bits, 0x8004,
	    "handshake flags nobody knows"),
	ROW("greeting-no-no-zeroes", OK, STEP_FACTS, 0, reset_bits, NBD_FLAG_NO_ZEROES,
	    "NO_ZEROES not offered; GO has no padding all the same"),
	ROW("trickle", OK, STEP_FACTS, 0, trickle, 3, "handshake byte by byte, 3 ms apart"),
	ROW("trickle-slow", REFUSE, STEP_FACTS, 0, trickle, 1000,
	    "handshake byte by byte, 1 s apart: minutes"),

	ROW("close-greeting", REFUSE, STEP_GREETING, 0, hang_up, 0,
	    "EOF instead of the initial handshake"),
	ROW("close-mid-greeting", REFUSE, STEP_GREETING, 0, partial_hello, 9,
	    "EOF in the initial handshake"),
	ROW("close-after-greeting", REFUSE, STEP_GREETED, 0, hang_up, 0,
	    "EOF after the initial handshake"),
	ROW("close-structured", REFUSE, STEP_OPTION, SR, hang_up, 0, "EOF at STRUCTURED_REPLY"),
	ROW("close-set", REFUSE, STEP_OPTION, SET, hang_up, 0, "EOF at SET_META_CONTEXT"),
	ROW("close-go", REFUSE, STEP_OPTION, GO, hang_up, 0, "EOF at GO"),
	ROW("close-info", REFUSE, STEP_INFO, GO, hang_up, 0, "EOF among the replies to GO"),
	ROW("close-opened", DROP, STEP_OPENED, 0, hang_up, 0, "EOF just after the handshake"),

	ROW("stall-greeting", REFUSE, STEP_GREETING, 0, stall, 0, "no initial handshake, ever"),
	ROW("stall-mid-greeting", REFUSE, STEP_GREETING, 0, partial_hello, 0x109,
	    "half of the initial handshake"),
	ROW("stall-after-greeting", REFUSE, STEP_GREETED, 0, stall, 0,
	    "unresponsive after the initial handshake"),
	ROW("stall-structured", REFUSE, STEP_OPTION, SR, stall, 0,
	    "unresponsive at STRUCTURED_REPLY"),
	ROW("stall-set", REFUSE, STEP_OPTION, SET, stall, 0, "unresponsive at SET_META_CONTEXT"),
	ROW("stall-go", REFUSE, STEP_OPTION, GO, stall, 0, "unresponsive at GO"),
	ROW("stall-info", REFUSE, STEP_INFO, GO, stall, 0, "unresponsive among the replies to GO"),

	ROW("size-0", REFUSE, STEP_FACTS, 0, other_size, 0, "export of 0 bytes"),
	ROW("size-511", REFUSE, STEP_FACTS, 0, other_size, 511, "not even a sector"),
	ROW("size-2to63", REFUSE, STEP_FACTS, 0, other_size, 1ULL << 63, "more than an off_t"),
	ROW("size-max", REFUSE, STEP_FACTS, 0, other_size, ~0ULL, "2^64 - 1 bytes"),
	ROW("flags-none", REFUSE, STEP_FACTS, 0, flags_off, NBD_FLAG_HAS_FLAGS,
	    "HAS_FLAGS is clear"),
	ROW("flags-bit9", OK, STEP_FACTS, 0, flags_on, NBD_FLAG_SEND_RESIZE,
	    "transmission flag bit 9 of an old draft"),
	ROW("flags-unknown", OK, STEP_FACTS, 0, flags_on, NBD_FLAG_UNASSIGNED,
	    "transmission flags nobody knows"),

	ROW("bs-zero", REFUSE, STEP_FACTS, 0, block_size, SIZES(0, 4096, 32 * MiB),
	    "minimum block 0"),
	ROW("bs-not-power", REFUSE, STEP_FACTS, 0, block_size, SIZES(513, 4096, 32 * MiB),
	    "minimum block 513"),
	ROW("bs-min-128k", REFUSE, STEP_FACTS, 0, block_size, SIZES(128 * KiB, 128 * KiB, 32 * MiB),
	    "minimum block 128 KiB"),
	ROW("bs-min-over-pref", REFUSE, STEP_FACTS, 0, block_size, SIZES(8192, 4096, 32 * MiB),
	    "minimum over preferred"),
	ROW("bs-pref-not-power", REFUSE, STEP_FACTS, 0, block_size, SIZES(512, 5000, 32 * MiB),
	    "preferred block 5000"),
	ROW("bs-max-under-pref", REFUSE, STEP_FACTS, 0, block_size, SIZES(512, 65536, 4096),
	    "maximum under preferred"),
	ROW("bs-max-zero", REFUSE, STEP_FACTS, 0, block_size, SIZES(512, 4096, 0),
	    "maximum payload 0"),
	ROW("bs-max-odd", OK, STEP_FACTS, 0, block_size, SIZES(512, 4096, MiB + 12288),
	    "maximum payload no power of two"),

	ROW("bs-required", OK, STEP_FACTS, 0, block_size, SIZES(4096, 4096, 32 * MiB),
	    "GO must ask for the block size, else ERR_BLOCK_SIZE_REQD"),

	SECOND("second-mute", REFUSE, STEP_GREETING, 0, stall, 0,
	       "no initial handshake on the second connection"),
	SECOND("second-close", REFUSE, STEP_GREETING, 0, hang_up, 0,
	       "EOF on the second connection"),
	SECOND("second-size", REFUSE, STEP_FACTS, 0, half_size, 0,
	       "half the size on the second connection"),
	SECOND("second-read-only", REFUSE, STEP_FACTS, 0, flags_on, NBD_FLAG_READ_ONLY,
	       "second connection is read-only"),
	SECOND("second-flags", REFUSE, STEP_FACTS, 0, flags_off,
	       NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_TRIM, "second connection lacks FLUSH and TRIM"),
	SECOND("second-block-size", REFUSE, STEP_FACTS, 0, block_size, SIZES(4096, 8192, 16 * MiB),
	       "other block sizes on the second connection"),
	SECOND("second-no-context", REFUSE, STEP_SELECTED, SET, no_context, 0,
	       "no context on the second connection"),
	{ 0 },
};
