/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_VERDICT_H
#define NBD_HELPER_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "error.h"
#include "export.h"
#include "handshake-proto.h"
#include "log.h"

/*
 * What a process that negotiates says, message by message (pass.h): notes for the user, which
 * addresses it tries, that it is connected, each context, and at last the export, with the socket,
 * or an error. Both ends are the same program, so messages are structs. The reader trusts none of
 * it.
 */

/* Addresses that may be tried, and told of. */
#define VERDICT_MAX_TRIED	32
/* Most notes that are passed on. */
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
 * @others: there are more addresses, which were not tried
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
 * @text: of a note; it and the name of a context end with the packet
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
 * struct verdict - what was heard so far
 * @connected: the process has a connection and has given up its rights
 * @over: nothing more will come: @export and @socket are there, or, with @socket -1, @error
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
/* Frees and closes what was heard. */
void verdict_free(struct verdict *verdict);

/*
 * Takes one message of @length bytes, which came with the file @fd, or -1; @fd becomes the
 * verdict's. What breaks the rules ends in an error. Notes go to the log.
 */
void verdict_take(struct verdict *verdict, const struct verdict_message *message, size_t length,
		  int fd);

/* Nothing more will come, for the reason in @verdict->error. */
void verdict_fail(struct verdict *verdict);

/* Reads one message. Returns 1, 0 if there is none yet, -1 at the end of the stream. */
int verdict_receive(struct verdict *verdict, int fd);

/* The other side. Each waits for the reader. */
void verdict_say_note(int fd, enum log_level level, const char *text);
void verdict_say_tried(int fd, const struct verdict_tried *tried);
void verdict_say_connected(int fd);
void verdict_say_error(int fd, const struct error *err);

/* The socket may not get through; then a negative errno. */
int verdict_say_export(int fd, const struct export *export, int socket);

#endif
