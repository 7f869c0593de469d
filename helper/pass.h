/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_PASS_H
#define NBD_HELPER_PASS_H

#include <stddef.h>
#include <sys/types.h>

/* Messages between our processes, over a pair of sockets of type SOCK_SEQPACKET. */

/* A pair of sockets, @fds[1] for the process that the caller is about to start. */
int pass_pair(int fds[2]);

/* Sends one message and, unless @file is -1, an open file. Waits for room. Returns 0 or -errno. */
int pass_send(int fd, const void *data, size_t length, int file);

/*
 * Takes one message, without waiting, and in *@file the open file that came with it, or -1. Returns
 * its length, 0 when the other side has gone, -EAGAIN if there is none, -EMSGSIZE if it has more
 * than @room bytes, or another negative errno.
 */
ssize_t pass_receive(int fd, void *data, size_t room, int *file);

#endif
