// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "negotiate/handshake-proto.h"
#include "script.h"

static int script_read(struct transport *t, void *buf, size_t len)
{
	struct script *script = (struct script *)t;
	size_t n;

	while (len) {
		if (script->at == script->in_length && script->repeat)
			script->at = script->repeat_from;
		n = script->in_length - script->at;
		n = n < len ? n : len;
		if (!n)
			return script->end;
		memcpy(buf, script->in + script->at, n);
		script->at += n;
		buf = (char *)buf + n;
		len -= n;
	}
	return 0;
}

static int script_write(struct transport *t, const void *buf, size_t len)
{
	struct script *script = (struct script *)t;

	if (len > sizeof(script->out) - script->out_length)
		return -EPIPE;
	memcpy(script->out + script->out_length, buf, len);
	script->out_length += len;
	return 0;
}

void script_init(struct script *script)
{
	memset(script, 0, sizeof(*script));
	script->transport.read = script_read;
	script->transport.write = script_write;
	script->end = -ENOTCONN;
}

void script_raw(struct script *script, const void *data, size_t length)
{
	memcpy(script->in + script->in_length, data, length);
	script->in_length += length;
}

void script_u16(struct script *script, uint16_t value)
{
	value = htobe16(value);
	script_raw(script, &value, sizeof(value));
}

void script_u32(struct script *script, uint32_t value)
{
	value = htobe32(value);
	script_raw(script, &value, sizeof(value));
}

void script_u64(struct script *script, uint64_t value)
{
	value = htobe64(value);
	script_raw(script, &value, sizeof(value));
}

void script_greeting(struct script *script, uint16_t flags)
{
	script_u64(script, NBD_MAGIC);
	script_u64(script, NBD_OPTION_MAGIC);
	script_u16(script, flags);
}

void script_reply(struct script *script, uint32_t option, uint32_t type, const void *data,
		  uint32_t length)
{
	script_u64(script, NBD_OPTION_REPLY_MAGIC);
	script_u32(script, option);
	script_u32(script, type);
	script_u32(script, length);
	script_raw(script, data, length);
}

void script_ack(struct script *script, uint32_t option)
{
	script_reply(script, option, NBD_REP_ACK, "", 0);
}

static void script_header(struct script *script, uint32_t option, uint32_t type, uint32_t length)
{
	script_reply(script, option, type, "", 0);
	/* The payload is added behind it. */
	script->in_length -= 4;
	script_u32(script, length);
}

void script_context(struct script *script, uint32_t option, uint32_t id, const char *name)
{
	script_header(script, option, NBD_REP_META_CONTEXT, 4 + strlen(name));
	script_u32(script, id);
	script_raw(script, name, strlen(name));
}

void script_info_export(struct script *script, uint32_t option, uint64_t size, uint16_t flags)
{
	script_header(script, option, NBD_REP_INFO, 12);
	script_u16(script, NBD_INFO_EXPORT);
	script_u64(script, size);
	script_u16(script, flags);
}

void script_info_block(struct script *script, uint32_t option, uint32_t minimum,
		       uint32_t preferred, uint32_t maximum)
{
	script_header(script, option, NBD_REP_INFO, 14);
	script_u16(script, NBD_INFO_BLOCK_SIZE);
	script_u32(script, minimum);
	script_u32(script, preferred);
	script_u32(script, maximum);
}

void script_server(struct script *script, const char *name, const char *description)
{
	script_header(script, NBD_OPT_LIST, NBD_REP_SERVER,
		      4 + strlen(name) + strlen(description));
	script_u32(script, strlen(name));
	script_raw(script, name, strlen(name));
	script_raw(script, description, strlen(description));
}

void script_repeat(struct script *script)
{
	script->repeat = 1;
	script->repeat_from = script->in_length;
}

uint32_t script_option(const struct script *script, unsigned int n, const uint8_t **data,
		       uint32_t *length)
{
	struct nbd_option_header header;
	size_t at = sizeof(uint32_t);	/* behind the client flags */

	for (;; n--) {
		if (script->out_length < at + sizeof(header))
			return 0;
		memcpy(&header, script->out + at, sizeof(header));
		if (be64toh(header.magic) != NBD_OPTION_MAGIC)
			return 0;
		at += sizeof(header);
		*data = script->out + at;
		*length = be32toh(header.length);
		if (script->out_length - at < *length)
			return 0;
		if (!n)
			return be32toh(header.option);
		at += *length;
	}
}
