/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_NEGOTIATE_H
#define NBD_HELPER_NEGOTIATE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/transport.h"
#include "negotiate/connect.h"
#include "negotiate/handshake.h"
#include "negotiate/target.h"
#include "negotiate/verdict.h"

/*
 * A negotiation runs in a child process. The child connects with our privileges, gives them up
 * before it reads the first byte from the server (sandbox.h), performs the handshake, and passes on
 * the socket and the negotiated parameters, which are checked as if the server had sent them.
 *
 *	memset(&neg, 0, sizeof(neg));
 *	negotiation_start(&neg, &request, err);
 *	wait until negotiation_fd(&neg) is readable and negotiation_ready(&neg) is true
 *	negotiation_finish(&neg, &export, &fd, err);
 *
 * A caller with nothing else to do leaves out the wait. A struct negotiation can be reused.
 *
 * A child that stays can negotiate more connections to the same server, without a fork and a
 * sandbox for each. It cannot connect any more, so the caller does, and passes the socket:
 *
 *	negotiation_more(&neg, connected, milliseconds, err);	once or several times
 *	negotiation_finish(&neg, &export, &fd, err);		for each, in this order
 *	negotiation_cancel(&neg);				at last
 */

/**
 * struct negotiation_request - what to do; needed until negotiation_start() returns
 * @milliseconds: for connection and handshake together
 * @stays: the child continues after a success
 */
struct negotiation_request {
	struct connect_request connect;
	struct handshake_request handshake;
	unsigned int milliseconds;
	bool stays;
};

/**
 * struct negotiation - all zero at first
 * @pid: the child, 0 if there is none
 * @stuck: an earlier child that was killed but cannot end, as it waits for a disk, say
 * @fd: our end of a socket pair, valid while @pid is set
 * @stays: it continues after a success
 * @kind: of the server's address
 * @milliseconds: for each connection
 * @deadline: when to give up on the child
 * @verdict: what it has reported of the current connection
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
 * Starts a child. While an earlier one is stuck, the new one looks up no names, so that stuck ones
 * do not accumulate. After an error there is nothing to finish.
 */
int negotiation_start(struct negotiation *neg, const struct negotiation_request *request,
		      struct error *err);

/*
 * Passes another connection to a child that stays. @fd remains the caller's, who must not read from
 * it. Each has @milliseconds from the end of the one before it.
 */
int negotiation_more(struct negotiation *neg, int fd, unsigned int milliseconds,
		     struct error *err);

/* To poll for POLLIN, -1 if there is no child. The caller must not read from it. */
int negotiation_fd(const struct negotiation *neg);

/* Milliseconds for poll(), after which negotiation_finish() fails without waiting. */
int negotiation_left(const struct negotiation *neg);

/* Takes messages without waiting; true if negotiation_finish() will not wait, either. */
bool negotiation_ready(struct negotiation *neg);

/*
 * Waits for the result, up to the deadline. On success @export is for export_free(), and @fd is a
 * blocking socket in the transmission phase, which the caller closes.
 */
int negotiation_finish(struct negotiation *neg, struct export *export, int *fd, struct error *err);

/* Kills the child, if there is one. */
void negotiation_cancel(struct negotiation *neg);

#endif
