/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lean-nbd: a server that costs next to nothing, so that a measurement shows
 * the client. One thread; it reads as many requests as there are, and writes
 * all their answers at once. It has no content: reads are zeroes, writes are
 * dropped.
 */
#ifndef LEAN_H
#define LEAN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Bytes taken from a socket at once */
#define LEAN_BATCH	(64U << 10)

/**
 * struct lean_options - the command line
 * @unix_path: or NULL for TCP
 * @port: of TCP, on 127.0.0.1
 * @size: of the export in bytes
 * @holes: READ is answered by holes, where structured replies are negotiated
 * @extent: bytes of each extent that BLOCK_STATUS reports; every other one is a hole
 * @simple: structured replies are refused
 */
struct lean_options {
	const char *unix_path;
	uint16_t port;
	uint64_t size;
	bool holes;
	uint32_t extent;
	bool simple;
};

/**
 * struct lean_conn - a connection
 * @structured: structured replies were negotiated
 * @have: bytes in @in
 * @skip: bytes of payload that are still to come and to be dropped
 * @late: a WRITE whose payload is not all here yet waits for its answer
 * @cookie: of that WRITE
 * @in: what was read and not yet understood
 */
struct lean_conn {
	int fd;
	bool structured;
	size_t have;
	uint64_t skip;
	bool late;
	uint64_t cookie;
	unsigned char in[LEAN_BATCH];
};

extern struct lean_options lean;

/* The handshake phase, to its end. False if the client is gone or wrong. */
bool lean_handshake(struct lean_conn *conn);

/* Answers what there is. False if the connection is over. */
bool lean_serve(struct lean_conn *conn);

#endif
