/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_OPTION_H
#define NBD_HELPER_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "handshake-proto.h"

/*
 * Option haggling: one option goes out, its replies come in until the final
 * one, which is an ACK or an error.
 */

/* Most replies to one option, before the final one. */
#define OPTION_MAX_REPLIES	10000

struct error;
struct transport;

/**
 * struct option_reply - a reply whose header and length were checked
 * @type: NBD_REP_*
 * @length: bytes in @data, at most NBD_OPTION_REPLY_MAX
 */
struct option_reply {
	uint32_t type;
	uint32_t length;
	char data[NBD_OPTION_REPLY_MAX];
};

/**
 * struct option_chat - one option under way
 * @option: its number
 * @replies: how many came
 * @reply: the last of them
 */
struct option_chat {
	struct transport *transport;
	uint32_t option;
	unsigned int replies;
	struct option_reply reply;
};

const char *option_name(uint32_t option);

/* Turns what a transport returned into words. */
int option_stream_error(int rc, const char *doing, struct error *err);

int option_send(struct option_chat *chat, uint32_t option, const void *data, uint32_t length,
		struct error *err);

/* Gets one reply; -1 for a dead stream or a violation, after which only closing is left. */
int option_receive(struct option_chat *chat, struct error *err);

/* Whether the last reply ends the option. */
bool option_is_final(const struct option_chat *chat);

/* Says what an error reply means, with the server's own text. */
int option_refused(const struct option_chat *chat, const char *doing, struct error *err);

/* The server broke the protocol. */
int option_violation(const struct option_chat *chat, struct error *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
