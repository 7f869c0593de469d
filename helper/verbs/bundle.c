// SPDX-License-Identifier: GPL-2.0-only
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/transport.h"
#include "negotiate/peers.h"
#include "negotiate/target.h"
#include "verbs/bundle.h"

/*
 * If connection and handshake take no longer than this, another process costs more than it saves.
 */
#define BUNDLE_NEAR_MS		20

static struct negotiation *bundle_negotiation(struct bundle *bundle, unsigned int i)
{
	return &bundle->negotiations[bundle->near ? 0 : i % BUNDLE_AT_ONCE];
}

/* Called in the process that connects, a child of this one. */
static bool bundle_avoid(void *context, const struct sockaddr *address, socklen_t length)
{
	return peers_has(context, address, length);
}

/*
 * Adds the addresses that were tried to @failed. True if others are left, and the last one was
 * connected but the handshake failed. As the server may control the process that negotiates, each
 * round has to add an address, so that this ends.
 */
static bool bundle_has_others(const struct negotiation *neg, struct peers *failed,
			      const struct error *err)
{
	const struct verdict *verdict = &neg->verdict;
	const struct verdict_tried *last = NULL;
	unsigned int i, before = failed->n;

	for (i = 0; i < verdict->n_tried; i++) {
		last = &verdict->tried[i];
		peers_get(failed, (const struct sockaddr *)&last->address, last->length);
	}
	return failed->n > before && failed->n < PEERS_MAX && last->connected && last->others &&
	       (err->code == EXIT_REACH || err->code == EXIT_TIMEOUT || err->code == EXIT_PROTOCOL);
}

static int bundle_negotiate(struct bundle *bundle, struct error *err)
{
	struct negotiation *neg = &bundle->negotiations[0];
	struct peers failed = { 0 };
	struct deadline near;

	bundle->request.connect.avoid = bundle_avoid;
	bundle->request.connect.context = &failed;
	for (;;) {
		near = deadline_in(BUNDLE_NEAR_MS);
		if (negotiation_start(neg, &bundle->request, err))
			return -1;
		bundle->begun = 1;
		if (!negotiation_finish(neg, &bundle->exports[0], &bundle->fds[0], err))
			break;
		if (!bundle_has_others(neg, &failed, err))
			return -1;
		log_warning("%s; trying another address of \"%s\"", err->cause,
			    bundle->request.connect.target->host);
	}
	bundle->near = deadline_left(&near);
	return 0;
}

int bundle_first(struct bundle *bundle, struct error *err)
{
	int rc;

	bundle->request.stays = true;
	rc = bundle_negotiate(bundle, err);
	bundle->request.connect.avoid = NULL;
	if (rc)
		return -1;
	bundle->n = 1;
	if (!bundle->near)
		negotiation_cancel(&bundle->negotiations[0]);
	bundle->request.stays = false;
	connect_pin(&bundle->request.connect, bundle->fds[0], &bundle->address);
	return 0;
}

/* The sandboxed process cannot connect: this one does, and never reads from the socket. */
static int bundle_pass(struct bundle *bundle, struct error *err)
{
	struct deadline deadline = deadline_in(bundle->request.milliseconds);
	int fd, rc;

	fd = connect_target(&bundle->request.connect, &deadline, err);
	if (fd < 0)
		return -1;
	rc = negotiation_more(&bundle->negotiations[0], fd, bundle->request.milliseconds, err);
	close(fd);
	return rc;
}

static int bundle_begin(struct bundle *bundle, struct error *err)
{
	int rc;

	if (bundle->near)
		rc = bundle_pass(bundle, err);
	else
		rc = negotiation_start(bundle_negotiation(bundle, bundle->begun),
				       &bundle->request, err);
	if (!rc)
		bundle->begun++;
	return rc;
}

int bundle_add(struct bundle *bundle, unsigned int want, unsigned int milliseconds,
	       struct error *err)
{
	unsigned int n = bundle->n;

	bundle->request.milliseconds = milliseconds;
	while (bundle->begun < want && bundle->begun < n + BUNDLE_AT_ONCE)
		if (bundle_begin(bundle, err))
			break;
	if (bundle->begun == n ||
	    negotiation_finish(bundle_negotiation(bundle, n), &bundle->exports[n],
			       &bundle->fds[n], err)) {
		error_prefix(err, "connection %u of %u", n + 1, want);
		return -1;
	}
	bundle->n++;
	return 0;
}

int bundle_compare(const struct bundle *bundle, struct error *err)
{
	if (!export_compare(&bundle->exports[0], &bundle->exports[bundle->n - 1], err))
		return 0;
	error_prefix(err, "connection %u is to another export than the first", bundle->n);
	return -1;
}

void bundle_settle(struct bundle *bundle)
{
	unsigned int i;

	for (i = 0; i < BUNDLE_AT_ONCE; i++)
		negotiation_cancel(&bundle->negotiations[i]);
	bundle->begun = bundle->n;
}

void bundle_close(struct bundle *bundle, bool handed_over)
{
	bundle_settle(bundle);
	while (bundle->n) {
		int fd = bundle->fds[--bundle->n];

		/* The server expects requests now. */
		if (!handed_over)
			socket_disconnect(fd);
		close(fd);
		export_free(&bundle->exports[bundle->n]);
	}
}
