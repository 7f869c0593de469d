/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_NEGOTIATE_H
#define NBD_HELPER_NEGOTIATE_H

#include <stdbool.h>
#include <sys/types.h>

#include "connect.h"
#include "handshake.h"
#include "target.h"
#include "transport.h"
#include "verdict.h"

/*
 * A negotiation is done by a process of its own: it connects with our rights, gives them up before
 * it reads the first byte from the server (sandbox.h), does the handshake, and passes on the socket
 * and what was negotiated. What it says is checked as if the server had said it.
 *
 *	memset(&neg, 0, sizeof(neg));
 *	negotiation_start(&neg, &request, err);
 *	wait until negotiation_fd(&neg) is readable and negotiation_ready(&neg) is true
 *	negotiation_finish(&neg, &export, &fd, err);
 *
 * Who has nothing else to do leaves out the wait. A struct negotiation can be used again and again.
 *
 * A process that stays can negotiate more connections to the same server, without a start and a
 * sandbox for each. It can make none any more, so it is given them:
 *
 *	negotiation_more(&neg, connected, milliseconds, err);	once or several times
 *	negotiation_finish(&neg, &export, &fd, err);		for each, in this order
 *	negotiation_cancel(&neg);				at last
 */

/**
 * struct negotiation_request - what to do; needed until negotiation_start() returns
 * @milliseconds: for connection and handshake together
 * @stays: the process is to go on after a success
 */
struct negotiation_request {
	struct connect_request connect;
	struct handshake_request handshake;
	unsigned int milliseconds;
	bool stays;
};

/**
 * struct negotiation - all zero at first
 * @pid: the process, 0 if there is none
 * @stuck: an earlier process that should have ended but has not: it waits for a disk, say
 * @fd: our end of a pair of sockets, meaningful while @pid is set
 * @stays: it goes on after a success
 * @kind: of the server's address
 * @milliseconds: for each connection
 * @deadline: when the process is given up
 * @verdict: what it has said so far of this connection
 */
struct negotiation {
	pid_t pid;
	pid_t stuck;
	int fd;
	bool stays;
	enum target_kind kind;
	unsigned int milliseconds;
	struct deadline deadline;
	struct verdict verdict;
};

/*
 * While an earlier process is stuck, this one must do without looking up names, or there would be
 * more and more of them. An error leaves nothing to finish.
 */
int negotiation_start(struct negotiation *neg, const struct negotiation_request *request,
		      struct error *err);

/*
 * Gives a process that stays another connection; @fd remains the caller's, who never reads from it.
 * Each has @milliseconds from the end of the one before it.
 */
int negotiation_more(struct negotiation *neg, int fd, unsigned int milliseconds,
		     struct error *err);

/* To poll for POLLIN, -1 if nothing is under way. The caller may not read from it. */
int negotiation_fd(const struct negotiation *neg);

/* Milliseconds for poll(), after which negotiation_finish() fails without waiting. */
int negotiation_left(const struct negotiation *neg);

/* Hears what was said without waiting; true if negotiation_finish() will not wait either. */
bool negotiation_ready(struct negotiation *neg);

/*
 * Waits for the end, up to the deadline. Fills in @export, which export_free() empties, and @fd, a
 * blocking socket whose transmission phase is open; or @err.
 */
int negotiation_finish(struct negotiation *neg, struct export *export, int *fd, struct error *err);

/* Ends it at once, whatever it is doing; nothing needs to be under way. */
void negotiation_cancel(struct negotiation *neg);

#endif
