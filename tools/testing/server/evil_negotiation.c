// SPDX-License-Identifier: GPL-2.0-only
/*
 * Misbehaviours of the handshake, second half: replies to options, negotiated parameters, and
 * metadata contexts. The table is at the end.
 */
#include <endian.h>
#include <string.h>

#include "evil.h"

static enum verdict raw_header(struct conn *c, uint64_t magic, uint32_t option, uint32_t type,
			       uint32_t length)
{
	struct wire_option_reply h = {
		.magic = htobe64(magic),
		.option = htobe32(option),
		.type = htobe32(type),
		.length = htobe32(length),
	};

	return conn_write(c, &h, sizeof(h)) ? HS_CONTINUE : HS_CLOSE;
}

static enum verdict wrong_magic(struct conn *c, const struct evil *e, enum step step,
				uint32_t option)
{
	(void)e, (void)step;
	return raw_header(c, NBD_REP_MAGIC ^ 0x100, option, NBD_REP_ACK, 0);
}

static enum verdict wrong_echo(struct conn *c, const struct evil *e, enum step step,
			       uint32_t option)
{
	(void)e, (void)step;
	return raw_header(c, NBD_REP_MAGIC, option ^ 2, NBD_REP_ACK, 0);
}

static enum verdict huge_length(struct conn *c, const struct evil *e, enum step step,
				uint32_t option)
{
	(void)step;
	raw_header(c, NBD_REP_MAGIC, option, e->arg, UINT32_MAX);
	conn_stall(c);
	return HS_CLOSE;
}

static enum verdict half_header(struct conn *c, const struct evil *e, enum step step,
				uint32_t option)
{
	uint64_t magic = htobe64(NBD_REP_MAGIC);

	(void)step, (void)option;
	conn_write(c, &magic, sizeof(magic));
	if (e->arg)
		conn_stall(c);
	return HS_CLOSE;
}

static enum verdict ack_data(struct conn *c, const struct evil *e, enum step step, uint32_t option)
{
	(void)e, (void)step;
	c->structured = true;
	option_reply(c, option, NBD_REP_ACK, "junk", 4);
	return HS_CONTINUE;
}

static enum verdict reply_type(struct conn *c, const struct evil *e, enum step step,
			       uint32_t option)
{
	(void)step;
	option_error(c, option, e->arg, e->arg & 0x80000000U ? "told to say so" : "");
	return HS_CONTINUE;
}

static enum verdict bad_text(struct conn *c, const struct evil *e, enum step step, uint32_t option)
{
	(void)step;
	option_error(c, option, NBD_REP_ERR_POLICY, e->text);
	return HS_CONTINUE;
}

static enum verdict long_text(struct conn *c, const struct evil *e, enum step step, uint32_t option)
{
	char text[16384];

	(void)step;
	memset(text, 'x', sizeof(text));
	option_reply(c, option, NBD_REP_ERR_POLICY, text, e->arg);
	return HS_CONTINUE;
}

/* The same entry for as long as the client listens. */
static enum verdict endless(struct conn *c, const struct evil *e, enum step step, uint32_t option)
{
	static const uint8_t server[] = { 0, 0, 0, 1, 'x' };
	static const uint8_t info[] = { 0, NBD_INFO_NAME, 'x' };
	static const uint8_t context[] = { 0, 0, 0, 1, 'x', '-', 't', ':', 'y' };
	const uint8_t *data = e->arg == NBD_REP_SERVER ? server :
			      e->arg == NBD_REP_INFO ? info : context;
	uint32_t len = e->arg == NBD_REP_SERVER ? sizeof(server) :
		       e->arg == NBD_REP_INFO ? sizeof(info) : sizeof(context);

	(void)step;
	while (option_reply_again(c, 100, option, e->arg, data, len))
		;
	return HS_CLOSE;
}

/* GO is not known, so EXPORT_NAME is used; arg: what becomes of that. */
enum { NAME_BARE, NAME_PADDED, NAME_CLOSE, NAME_SHORT };

static enum verdict export_name(struct conn *c, const struct evil *e, enum step step,
				uint32_t option)
{
	uint64_t size = htobe64(c->size);

	if (step == STEP_FACTS && e->arg == NAME_PADDED)
		c->hflags &= ~NBD_FLAG_NO_ZEROES;
	if (step == STEP_OPTION && option == NBD_OPT_GO) {
		option_error(c, option, NBD_REP_ERR_UNSUP, "GO is not known here");
		return HS_CONTINUE;
	}
	if (step != STEP_OPTION || option != NBD_OPT_EXPORT_NAME)
		return HS_NORMAL;
	if (e->arg == NAME_SHORT)
		conn_write(c, &size, sizeof(size));
	return e->arg == NAME_SHORT || e->arg == NAME_CLOSE ? HS_CLOSE : HS_NORMAL;
}

static enum verdict no_info_export(struct conn *c, const struct evil *e, enum step step,
				   uint32_t option)
{
	(void)c, (void)e, (void)step, (void)option;
	return HS_TRANSMIT;
}

static enum verdict info_length(struct conn *c, const struct evil *e, enum step step,
				uint32_t option)
{
	struct { uint64_t size; uint16_t flags; uint8_t junk[6]; } __attribute__((packed)) info = {
		.size = htobe64(c->size),
		.flags = htobe16(c->tflags),
	};

	(void)step;
	info_reply(c, option, NBD_INFO_EXPORT, &info, e->arg);
	return HS_TRANSMIT;
}

static enum verdict info_of_one_byte(struct conn *c, const struct evil *e, enum step step,
				     uint32_t option)
{
	(void)e, (void)step;
	option_reply(c, option, NBD_REP_INFO, "", 1);
	return HS_NORMAL;
}

static enum verdict block_size_length(struct conn *c, const struct evil *e, enum step step,
				      uint32_t option)
{
	uint32_t sizes[4] = { htobe32(1), htobe32(4096), htobe32(32 * MiB), 0 };

	(void)step;
	info_reply(c, option, NBD_INFO_BLOCK_SIZE, sizes, e->arg);
	return HS_NORMAL;
}

static enum verdict unknown_infos(struct conn *c, const struct evil *e, enum step step,
				  uint32_t option)
{
	(void)e, (void)step;
	info_reply(c, option, 4, "four", 4);
	info_reply(c, option, 0x8000, NULL, 0);
	info_reply(c, option, 0xffff, "last", 4);
	return HS_NORMAL;
}

/* The client's buffer then has the end of the handshake and the beginning of the transmission. */
static enum verdict early_reply(struct conn *c, const struct evil *e, enum step step,
				uint32_t option)
{
	(void)e, (void)step, (void)option;
	c->early_reply = true;
	return HS_NORMAL;
}

static enum verdict padding(struct conn *c, const struct evil *e, enum step step, uint32_t option)
{
	static const uint8_t zeroes[NBD_NAME_PADDING];

	(void)e, (void)step, (void)option;
	conn_write(c, zeroes, sizeof(zeroes));
	return HS_NORMAL;
}

static enum verdict fewer(struct conn *c, const struct evil *e, enum step step, uint32_t option)
{
	(void)step, (void)option;
	c->nr_selected = e->arg < c->nr_selected ? c->nr_selected - e->arg : 0;
	return HS_NORMAL;
}

static enum verdict extra_context(struct conn *c, const struct evil *e, enum step step,
				  uint32_t option)
{
	const char *name = e->text;

	(void)step;
	meta_reply(c, option, random64(&c->rng), name, strlen(name));
	return HS_NORMAL;
}

/* Repeats the first selected context, with its own id or with another. */
static enum verdict repeat_context(struct conn *c, const struct evil *e, enum step step,
				   uint32_t option)
{
	const char *name;

	(void)step;
	if (!c->nr_selected)
		return HS_NORMAL;
	name = c->selected[0].context->name;
	meta_reply(c, option, c->selected[0].id ^ e->arg, name, strlen(name));
	return HS_NORMAL;
}

/* With one context selected, a name that was not asked for shares its id. */
static enum verdict shared_id(struct conn *c, const struct evil *e, enum step step, uint32_t option)
{
	(void)e, (void)step;
	if (c->nr_selected > 1)
		c->selected[1].id = c->selected[0].id;
	else if (c->nr_selected)
		meta_reply(c, option, c->selected[0].id, "x-test:unasked", 14);
	return HS_NORMAL;
}

static enum verdict long_context(struct conn *c, const struct evil *e, enum step step,
				 uint32_t option)
{
	char name[16384] = "x-test:";

	(void)step;
	memset(name + 7, 'n', sizeof(name) - 7);
	meta_reply(c, option, random64(&c->rng), name, e->arg);
	return HS_NORMAL;
}

static enum verdict short_context(struct conn *c, const struct evil *e, enum step step,
				  uint32_t option)
{
	(void)e, (void)step;
	option_reply(c, option, NBD_REP_META_CONTEXT, "id", 2);
	return HS_NORMAL;
}

static enum verdict error_after_contexts(struct conn *c, const struct evil *e, enum step step,
					 uint32_t option)
{
	(void)e, (void)step;
	for (unsigned int i = 0; i < c->nr_selected; i++) {
		const char *name = c->selected[i].context->name;

		meta_reply(c, option, c->selected[i].id, name, strlen(name));
	}
	c->nr_selected = 0;
	option_error(c, option, NBD_REP_ERR_INVALID, "on second thoughts");
	return HS_CONTINUE;
}

#define ROW(n, o, s, opt_, f, a, w)							\
	{ .name = n, .phase = PHASE_HANDSHAKE, .outcome = OUTCOME_##o, .steps = s,	\
	  .option = opt_, .shake = f, .arg = a, .what = w }
#define TEXT(n, o, s, opt_, f, t, w)							\
	{ .name = n, .phase = PHASE_HANDSHAKE, .outcome = OUTCOME_##o, .steps = s,	\
	  .option = opt_, .shake = f, .text = t, .what = w }
#define ERR(n, o, opt_, t)								\
	ROW(n, o, STEP_OPTION, opt_, reply_type, NBD_REP_ERR_##t, "error reply " #t)

#define SR	NBD_OPT_STRUCTURED_REPLY
#define SET	NBD_OPT_SET_META_CONTEXT
#define GO	NBD_OPT_GO

const struct evil evil_negotiation_table[] = {
	ROW("option-magic", REFUSE, STEP_OPTION, SR, wrong_magic, 0,
	    "option reply with a wrong magic"),
	ROW("option-echo", REFUSE, STEP_OPTION, SR, wrong_echo, 0,
	    "reply names another option"),
	ROW("option-huge-ack", REFUSE, STEP_OPTION, SR, huge_length, NBD_REP_ACK,
	    "ACK of 4 GiB - 1"),
	ROW("option-huge-error", REFUSE, STEP_OPTION, GO, huge_length, NBD_REP_ERR_POLICY,
	    "error text of 4 GiB - 1"),
	ROW("option-huge-info", REFUSE, STEP_OPTION, GO, huge_length, NBD_REP_INFO,
	    "REP_INFO of 4 GiB - 1"),
	ROW("option-ack-data", REFUSE, STEP_OPTION, SR, ack_data, 0, "ACK that carries data"),
	ROW("option-mid-close", REFUSE, STEP_OPTION, SR, half_header, 0,
	    "EOF in a reply header"),
	ROW("option-mid-stall", REFUSE, STEP_OPTION, SR, half_header, 1,
	    "stall in a reply header"),
	ROW("option-unknown-type", REFUSE, STEP_OPTION, SR, reply_type, 77,
	    "reply type nobody knows, not an error"),

	ERR("structured-err-unsup", DEGRADE, SR, UNSUP),
	ERR("structured-err-policy", DEGRADE, SR, POLICY),
	ERR("structured-err-invalid", DEGRADE, SR, INVALID),
	ERR("structured-err-platform", DEGRADE, SR, PLATFORM),
	ERR("structured-err-tls-reqd", REFUSE, SR, TLS_REQD),
	ERR("structured-err-unknown", DEGRADE, SR, UNKNOWN),
	ERR("structured-err-shutdown", REFUSE, SR, SHUTDOWN),
	ERR("structured-err-block-size-reqd", DEGRADE, SR, BLOCK_SIZE_REQD),
	ERR("structured-err-too-big", DEGRADE, SR, TOO_BIG),
	ROW("structured-err-other", DEGRADE, STEP_OPTION, SR, reply_type, 0x800000ffU,
	    "error reply nobody knows"),

	ERR("set-err-unsup", DEGRADE, SET, UNSUP),
	ERR("set-err-policy", DEGRADE, SET, POLICY),
	ERR("set-err-invalid", DEGRADE, SET, INVALID),
	ERR("set-err-platform", DEGRADE, SET, PLATFORM),
	ERR("set-err-tls-reqd", REFUSE, SET, TLS_REQD),
	ERR("set-err-unknown", DEGRADE, SET, UNKNOWN),
	ERR("set-err-shutdown", REFUSE, SET, SHUTDOWN),
	ERR("set-err-block-size-reqd", DEGRADE, SET, BLOCK_SIZE_REQD),
	ERR("set-err-too-big", DEGRADE, SET, TOO_BIG),
	ROW("set-err-other", DEGRADE, STEP_OPTION, SET, reply_type, 0x800000ffU,
	    "error reply nobody knows"),

	ERR("go-err-policy", REFUSE, GO, POLICY),
	ERR("go-err-invalid", REFUSE, GO, INVALID),
	ERR("go-err-platform", REFUSE, GO, PLATFORM),
	ERR("go-err-tls-reqd", REFUSE, GO, TLS_REQD),
	ERR("go-err-unknown", REFUSE, GO, UNKNOWN),
	ERR("go-err-shutdown", REFUSE, GO, SHUTDOWN),
	ERR("go-err-block-size-reqd", REFUSE, GO, BLOCK_SIZE_REQD),
	ERR("go-err-too-big", REFUSE, GO, TOO_BIG),
	ROW("go-err-other", REFUSE, STEP_OPTION, GO, reply_type, 0x800000ffU,
	    "error reply nobody knows"),
	TEXT("go-err-escapes", REFUSE, STEP_OPTION, GO, bad_text,
	     "\x1b[2J\x1b]0;gotcha\x07\r\nforged line\x7f",
	     "error text with terminal escapes"),
	TEXT("go-err-not-utf8", REFUSE, STEP_OPTION, GO, bad_text, "caf\xe9 \xff\xfe",
	     "error text that is not UTF-8"),
	ROW("go-err-long", REFUSE, STEP_OPTION, GO, long_text, 5000, "error text of 5000 bytes"),
	ROW("go-err-unsup", OK, STEP_OPTION | STEP_FACTS, 0, export_name, NAME_BARE,
	    "GO is ERR_UNSUP; EXPORT_NAME works, without padding"),
	ROW("export-name-padded", OK, STEP_OPTION | STEP_FACTS, 0, export_name, NAME_PADDED,
	    "GO is ERR_UNSUP; EXPORT_NAME works, with 124 zeroes"),
	ROW("export-name-close", REFUSE, STEP_OPTION | STEP_FACTS, 0, export_name, NAME_CLOSE,
	    "GO is ERR_UNSUP; EOF at EXPORT_NAME"),
	ROW("export-name-short", REFUSE, STEP_OPTION | STEP_FACTS, 0, export_name, NAME_SHORT,
	    "GO is ERR_UNSUP; EOF in the answer to EXPORT_NAME"),

	ROW("go-no-info-export", REFUSE, STEP_INFO, GO, no_info_export, 0,
	    "ACK without INFO_EXPORT"),
	ROW("go-info-short", REFUSE, STEP_INFO, GO, info_length, 8, "INFO_EXPORT without flags"),
	ROW("go-info-long", REFUSE, STEP_INFO, GO, info_length, 12, "INFO_EXPORT 2 bytes longer"),
	ROW("go-info-one-byte", REFUSE, STEP_INFO, GO, info_of_one_byte, 0,
	    "REP_INFO of a single byte"),
	ROW("go-block-size-short", REFUSE, STEP_INFO, GO, block_size_length, 8,
	    "INFO_BLOCK_SIZE without maximum"),
	ROW("go-block-size-long", REFUSE, STEP_INFO, GO, block_size_length, 16,
	    "INFO_BLOCK_SIZE 4 bytes longer"),
	ROW("go-unknown-info", OK, STEP_INFO, GO, unknown_infos, 0, "info types nobody knows"),
	ROW("go-endless-info", REFUSE, STEP_INFO, GO, endless, NBD_REP_INFO,
	    "REP_INFO without end"),
	ROW("go-early-reply", DROP, STEP_INFO, GO, early_reply, 0,
	    "reply to no request in one write with the ACK to GO"),
	ROW("go-padding", DROP, STEP_OPENED, 0, padding, 0, "124 zeroes after the ACK to GO"),

	ROW("set-missing-all", DEGRADE, STEP_SELECTED, SET, fewer, MAX_CONTEXTS,
	    "no context is selected"),
	ROW("set-missing-one", DEGRADE, STEP_SELECTED, SET, fewer, 1,
	    "the last context asked for is missing"),
	TEXT("set-extra", OK, STEP_SELECTED, SET, extra_context, "x-test:unasked",
	     "a context nobody asked for"),
	TEXT("set-extra-control", OK, STEP_SELECTED, SET, extra_context,
	     "x-test:\x1b[31m\r\n\x07", "an extra context with control bytes in its name"),
	TEXT("set-not-utf8", REFUSE, STEP_SELECTED, SET, extra_context, "x-test:\xff\xc0",
	     "a context name that is not UTF-8"),
	ROW("set-name-4096", OK, STEP_SELECTED, SET, long_context, 4096,
	    "an extra context name of 4096 bytes"),
	ROW("set-name-4097", REFUSE, STEP_SELECTED, SET, long_context, 4097,
	    "a context name of 4097 bytes"),
	ROW("set-duplicate", OK, STEP_SELECTED, SET, repeat_context, 0,
	    "one context told twice, same id"),
	ROW("set-two-ids", REFUSE, STEP_SELECTED, SET, repeat_context, 0x10,
	    "one context told twice, other id"),
	ROW("set-shared-id", REFUSE, STEP_SELECTED, SET, shared_id, 0, "two contexts, one id"),
	ROW("set-reply-short", REFUSE, STEP_SELECTED, SET, short_context, 0,
	    "REP_META_CONTEXT too short for an id"),
	ROW("set-error-after", DEGRADE, STEP_SELECTED, SET, error_after_contexts, 0,
	    "contexts, then an error: nothing is selected"),
	ROW("set-endless", REFUSE, STEP_SELECTED, SET, endless, NBD_REP_META_CONTEXT,
	    "REP_META_CONTEXT without end"),

	ROW("list-endless", REFUSE, STEP_OPTION, NBD_OPT_LIST, endless, NBD_REP_SERVER,
	    "LIST: REP_SERVER without end (fits a listing client)"),
	ROW("list-contexts-endless", REFUSE, STEP_OPTION, NBD_OPT_LIST_META_CONTEXT, endless,
	    NBD_REP_META_CONTEXT, "LIST_META_CONTEXT without end (fits a listing client)"),
	{ 0 },
};
