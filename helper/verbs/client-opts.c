// SPDX-License-Identifier: GPL-2.0-only
/* Options of nbd-client, on its command line and in nbdtab(5). */
#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "verbs/attach-args.h"
#include "verbs/client-opts.h"
#include "verbs/operands.h"
#include "verbs/opts.h"

/* Refused by operands_no_tls() */
static const char no_tls[] = "TLS";

static const struct client_opt client_opts[] = {
	{ 'C', "conns", true, OPT_CONNECTIONS_AT_MOST, NULL, NULL },
	{ 'N', NULL, true, 'N', NULL, NULL },
	{ 'R', "readonly", false, 'r', NULL, NULL },
	{ 'T', "dead-timeout", true, 'T', NULL, NULL },
	{ 'b', "bs", true, OPT_BLOCK_SIZE, NULL, NULL },
	{ 'i', "identifier", true, 'i', NULL, NULL },
	{ 'n', NULL, false, 'F', NULL, NULL },
	{ 't', "timeout", true, 't', NULL, NULL },
	{ 0, "port", true, OPT_PORT, NULL, NULL },
	/* not of nbd-client */
	{ 0, "connect-timeout", true, OPT_CONNECT_TIMEOUT, NULL, NULL },
	{ 0, "context", true, OPT_CONTEXT, NULL, NULL },
	{ 0, "no-contexts", false, OPT_NO_CONTEXTS, NULL, NULL },
	{ 0, "peer-timeout", true, OPT_PEER_TIMEOUT, NULL, NULL },
	{ 0, "queue-size", true, 'Q', NULL, NULL },
	{ 0, "require-context", false, OPT_REQUIRE_CONTEXT, NULL, NULL },
	/* for the generator */
	{ 0, "noauto", false, 0, NULL, NULL },
	/* The tools always do what these are for, or find out whether it is needed. */
	{ 'L', NULL, false, 0, NULL, NULL },
	{ 'g', "no_optgo", false, 0, NULL, NULL },
	{ 'm', NULL, false, 0, NULL, NULL },
	{ 'p', "persist", false, 0, NULL, NULL },
	{ 's', "swap", false, 0, NULL, NULL },
	{ 'B', NULL, true, 0, "a disk has the size of its export",
	  "omit the size, or have the server export a part of its data" },
	{ 'P', "preinit", false, 0, "the handshake phase cannot be omitted",
	  "use a server that supports the handshake of the NBD protocol" },
	{ 'S', "sdp", false, 0, "Linux does not support SDP any more",
	  "omit sdp to connect by TCP" },
	{ 'A', "cacertfile", true, 0, no_tls, NULL },
	{ 'F', "certfile", true, 0, no_tls, NULL },
	{ 'H', "tlshostname", true, 0, no_tls, NULL },
	{ 'K', "keyfile", true, 0, no_tls, NULL },
	{ 'x', "tls", false, 0, no_tls, NULL },
	{ 'y', "priority", true, 0, no_tls, NULL },
};

#define CLIENT_OPTS	(sizeof(client_opts) / sizeof(client_opts[0]))

const struct client_opt *client_opt_of_letter(int letter)
{
	size_t i;

	for (i = 0; i < CLIENT_OPTS; i++)
		if (letter && client_opts[i].letter == letter)
			return &client_opts[i];
	return NULL;
}

const struct client_opt *client_opt_of_key(const char *key)
{
	size_t i;

	for (i = 0; i < CLIENT_OPTS; i++)
		if (client_opts[i].key && !strcmp(client_opts[i].key, key))
			return &client_opts[i];
	return NULL;
}

int client_opt_apply(const struct client_opt *opt, struct attach_args *args, const char *value,
		     struct error *err)
{
	if (opt->refusal == no_tls)
		return operands_no_tls(err);
	if (opt->refusal) {
		error_set(err, EXIT_USAGE, "%s", opt->refusal);
		error_hint(err, "%s", opt->hint);
		return -1;
	}
	return opt->id ? attach_option(args, opt->id, value, err) : 0;
}
