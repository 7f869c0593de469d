/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_UNIT_SCRIPT_H
#define NBD_UNIT_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

#include "base/transport.h"

/**
 * struct script - a server that says what it was told to, whatever it hears
 * @in: what the client reads
 * @repeat_from: with @repeat, what follows here comes again without end
 * @at: how far the client has read
 * @end: what a read beyond the end returns
 * @out: what the client wrote
 */
struct script {
	struct transport transport;
	uint8_t in[65536];
	size_t in_length;
	size_t repeat_from;
	int repeat;
	size_t at;
	int end;
	uint8_t out[65536];
	size_t out_length;
};

void script_init(struct script *script);
void script_raw(struct script *script, const void *data, size_t length);
void script_u16(struct script *script, uint16_t value);
void script_u32(struct script *script, uint32_t value);
void script_u64(struct script *script, uint64_t value);

/* The newstyle initial handshake. */
void script_greeting(struct script *script, uint16_t flags);
/* A reply to an option. */
void script_reply(struct script *script, uint32_t option, uint32_t type, const void *data,
		  uint32_t length);
void script_ack(struct script *script, uint32_t option);
void script_context(struct script *script, uint32_t option, uint32_t id, const char *name);
void script_info_export(struct script *script, uint32_t option, uint64_t size, uint16_t flags);
void script_info_block(struct script *script, uint32_t option, uint32_t minimum,
		       uint32_t preferred, uint32_t maximum);
void script_server(struct script *script, const char *name, const char *description);

/* From here on, again and again. */
void script_repeat(struct script *script);

/*
 * The @n-th option that the client sent, from 0: its number, or 0 if there is
 * none; *@data and *@length are what came with it.
 */
uint32_t script_option(const struct script *script, unsigned int n, const uint8_t **data,
		       uint32_t *length);

#endif
