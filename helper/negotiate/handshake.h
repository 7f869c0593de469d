/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_HANDSHAKE_H
#define NBD_HELPER_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "negotiate/export.h"
#include "negotiate/option.h"

struct error;
struct transport;

/* Most bytes of all entries in the list of a server; OPTION_MAX_REPLIES limits their number. */
#define HANDSHAKE_LIST_BYTES_MAX	(16U << 20)

/**
 * enum handshake_phase - state of a connection, which determines how to end it
 * @HANDSHAKE_DEAD: before the initial handshake, or after an error: it can only be closed
 * @HANDSHAKE_HAGGLING: options may be sent
 * @HANDSHAKE_BARE: not fixed newstyle: only NBD_OPT_EXPORT_NAME may be sent
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
 * @no_zeroes: negotiated: no zeroes follow the reply to NBD_OPT_EXPORT_NAME
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
 * @export: name of the export, the same bytes in every option
 * @structured: negotiate structured replies
 * @contexts: metadata contexts to select, each once
 */
struct handshake_request {
	const char *export;
	bool structured;
	const char *const *contexts;
	size_t n_contexts;
};

/* The initial handshake: checks the magic numbers, and exchanges flags. */
int handshake_open(struct handshake *hs, struct transport *transport, struct error *err);

/* Negotiates structured replies; a server that does not support them is not an error. */
int handshake_structured(struct handshake *hs, struct error *err);

/*
 * Stores the contexts of an export in @export: those selected by NBD_OPT_SET_META_CONTEXT, or all
 * by NBD_OPT_LIST_META_CONTEXT without names. If the server refuses, there are none, which is not
 * an error.
 */
int handshake_contexts(struct handshake *hs, uint32_t option,
		       const struct handshake_request *request, struct export *export,
		       struct error *err);

/*
 * Queries an export without opening it. *@known is false if the server does not support
 * NBD_OPT_INFO or refuses it for this export; @err then says why, also if 0 is returned.
 */
int handshake_info(struct handshake *hs, const char *name, struct export *export, bool *known,
		   struct error *err);

/*
 * Opens the export by NBD_OPT_GO, or NBD_OPT_EXPORT_NAME if the server does not support that, and
 * enters the transmission phase.
 */
int handshake_go(struct handshake *hs, const char *name, struct export *export, struct error *err);

/* Called for each export of NBD_OPT_LIST. The strings have no final NUL, and may hold any bytes. */
typedef int (*handshake_entry_fn)(void *context, const char *name, size_t name_length,
				  const char *description, size_t description_length,
				  struct error *err);
int handshake_list(struct handshake *hs, handshake_entry_fn entry, void *context,
		   struct error *err);

/* Ends the connection as the phase requires. The caller closes the socket. */
void handshake_leave(struct handshake *hs);

/*
 * The whole handshake phase. On success the transmission phase is open, nothing beyond the
 * handshake was read, and the caller frees @export. On failure the connection has been ended.
 */
int handshake_attach(struct transport *transport, const struct handshake_request *request,
		     struct export *export, struct error *err);

#endif
