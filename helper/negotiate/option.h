/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_OPTION_H
#define NBD_HELPER_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "negotiate/handshake-proto.h"

/*
 * Option haggling: an option is sent, and its replies are received up to the final one, which is an
 * ACK or an error.
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
 * struct option_chat - an option in progress
 * @option: its number
 * @replies: how many have come
 * @reply: the last of them
 */
struct option_chat {
	struct transport *transport;
	uint32_t option;
	unsigned int replies;
	struct option_reply reply;
};

const char *option_name(uint32_t option);

/* Fills in @err for @rc, the negative errno of a transport. Returns -1. */
int option_stream_error(int rc, const char *doing, struct error *err);

int option_send(struct option_chat *chat, uint32_t option, const void *data, uint32_t length,
		struct error *err);

/* Receives one reply; -1 for a stream error or a protocol violation: then only close. */
int option_receive(struct option_chat *chat, struct error *err);

/* True if the last reply ends the option. */
bool option_is_final(const struct option_chat *chat);

/* Fills in @err for an error reply, with the text of the server. Returns -1. */
int option_refused(const struct option_chat *chat, const char *doing, struct error *err);

/* Fills in @err for a protocol violation. Returns -1. */
int option_violation(const struct option_chat *chat, struct error *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
