/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_HANDSHAKE_H
#define NBD_HELPER_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "export.h"
#include "option.h"

struct error;
struct transport;

/* Most exports looked at on one server, and the bytes of their names. */
#define HANDSHAKE_MAX_EXPORTS		OPTION_MAX_REPLIES
#define HANDSHAKE_LIST_BYTES_MAX	(16U << 20)

/**
 * enum handshake_phase - where a connection is, hence how it may be left
 * @HANDSHAKE_DEAD: no greeting yet, or the stream is of no use any more
 * @HANDSHAKE_HAGGLING: options may be sent
 * @HANDSHAKE_BARE: only EXPORT_NAME may be sent
 * @HANDSHAKE_TRANSMISSION: the server waits for requests
 */
enum handshake_phase {
	HANDSHAKE_DEAD,
	HANDSHAKE_HAGGLING,
	HANDSHAKE_BARE,
	HANDSHAKE_TRANSMISSION,
};

/**
 * struct handshake - the handshake phase of one connection
 * @no_zeroes: both sides agreed that no zeroes follow EXPORT_NAME's answer
 * @structured: structured replies were negotiated
 */
struct handshake {
	struct transport *transport;
	enum handshake_phase phase;
	bool no_zeroes;
	bool structured;
	struct option_chat chat;
};

/**
 * struct handshake_request - what to negotiate
 * @export: name, the same bytes in every option
 * @structured: ask for structured replies
 * @contexts: metadata contexts to select, each once
 */
struct handshake_request {
	const char *export;
	bool structured;
	const char *const *contexts;
	size_t n_contexts;
};

/* Takes the greeting and answers it. */
int handshake_open(struct handshake *hs, struct transport *transport, struct error *err);

/* Asks for structured replies; a server without them is no error. */
int handshake_structured(struct handshake *hs, struct error *err);

/*
 * Selects, or lists, the contexts of an export; listing takes no names. A
 * server that refuses leaves @export without contexts and is no error.
 */
int handshake_contexts(struct handshake *hs, uint32_t option,
		       const struct handshake_request *request, struct export *export,
		       struct error *err);

/*
 * Learns about an export; @known is false when the server cannot do INFO or
 * does not tell of this export, and then @err says why.
 */
int handshake_info(struct handshake *hs, const char *name, struct export *export, bool *known,
		   struct error *err);

/* Enters the transmission phase. */
int handshake_go(struct handshake *hs, const char *name, struct export *export, struct error *err);

/* One name of LIST; returns 0 or -1 with @err filled in. */
typedef int (*handshake_entry_fn)(void *context, const char *name, size_t name_length,
				  const char *description, size_t description_length,
				  struct error *err);
int handshake_list(struct handshake *hs, handshake_entry_fn entry, void *context,
		   struct error *err);

/* Says goodbye in the way the phase asks for. Closing the socket is the caller's. */
void handshake_leave(struct handshake *hs);

/*
 * All of it, from the greeting to the transmission phase. On failure the
 * connection was left; on success nothing was read beyond the handshake.
 */
int handshake_attach(struct transport *transport, const struct handshake_request *request,
		     struct export *export, struct error *err);

#endif
