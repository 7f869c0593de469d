/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_VERDICT_H
#define NBD_HELPER_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/log.h"
#include "negotiate/export.h"
#include "negotiate/handshake-proto.h"

/*
 * Messages of a child that negotiates, one per packet (pass.h): notes for the user, the addresses
 * that it has tried, that it is connected, each context, and last the export, with the socket, or
 * an error. Both ends are the same program, so messages are structs. The reader trusts none of
 * them.
 */

/* Most addresses that are reported for one connection */
#define VERDICT_MAX_TRIED	32
/* Most notes for one connection */
#define VERDICT_MAX_NOTES	64

enum verdict_kind {
	VERDICT_NOTE = 1,
	VERDICT_WARNING,
	VERDICT_CONNECTED,
	VERDICT_CONTEXT,
	VERDICT_EXPORT,
	VERDICT_ERROR,
	VERDICT_TRIED,
};

struct verdict_context {
	uint32_t id;
	char name[NBD_STRING_MAX];
};

struct verdict_export {
	uint64_t size;
	uint32_t minimum;
	uint32_t preferred;
	uint32_t maximum;
	uint16_t flags;
	uint8_t structured;
	uint8_t has_block_size;
};

/**
 * struct verdict_tried - an attempt to connect
 * @connected: it succeeded
 * @others: other addresses are left or in progress
 */
struct verdict_tried {
	struct sockaddr_storage address;
	uint32_t length;
	uint8_t connected;
	uint8_t others;
};

/**
 * struct verdict_message - one packet
 * @kind: enum verdict_kind
 * @text: of a note; like the name of a context, it has no NUL and ends with the packet
 */
struct verdict_message {
	uint32_t kind;
	union {
		char text[LOG_TEXT_ROOM];
		struct verdict_tried tried;
		struct verdict_context context;
		struct verdict_export export;
		struct error error;
	};
};

/**
 * struct verdict - what was reported so far of one connection
 * @connected: the child has a connection, and is in the sandbox
 * @over: the last message has come: @export and @socket are valid, or, if @socket is -1, @error
 * @notes: how many there were
 * @tried: addresses, of which only the last can have been connected
 */
struct verdict {
	bool connected;
	bool over;
	unsigned int notes;
	unsigned int n_tried;
	struct verdict_tried tried[VERDICT_MAX_TRIED];
	int socket;
	struct export export;
	struct error error;
};

void verdict_init(struct verdict *verdict);
/* Frees and closes all that was received. */
void verdict_free(struct verdict *verdict);

/*
 * Takes one message of @length bytes, and the file @fd that came with it, or -1, which the verdict
 * owns then. A message that violates the rules makes the verdict an error. Notes are logged.
 */
void verdict_take(struct verdict *verdict, const struct verdict_message *message, size_t length,
		  int fd);

/* Ends the verdict, with @verdict->error as the reason. */
void verdict_fail(struct verdict *verdict);

/* Receives one message without waiting. Returns 1, 0 if there is none yet, -1 at the end. */
int verdict_receive(struct verdict *verdict, int fd);

/* For the child. Each waits for space; errors are ignored. */
void verdict_say_note(int fd, enum log_level level, const char *text);
void verdict_say_tried(int fd, const struct verdict_tried *tried);
void verdict_say_connected(int fd);
void verdict_say_error(int fd, const struct error *err);

/* Sends the contexts, and the export with its socket. Returns 0, or -errno if the last failed. */
int verdict_say_export(int fd, const struct export *export, int socket);

#endif
