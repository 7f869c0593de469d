/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_PASS_H
#define NBD_HELPER_PASS_H

#include <stddef.h>
#include <sys/types.h>

/* Messages between our processes, over a pair of SOCK_SEQPACKET sockets. */

/* Creates a pair, @fds[1] for the child that the caller is about to start. Returns 0 or -errno. */
int pass_pair(int fds[2]);

/* Sends one message and, unless @file is -1, an open file. Waits for space. Returns 0 or -errno. */
int pass_send(int fd, const void *data, size_t length, int file);

/*
 * Receives one message without waiting, and in *@file the open file that came with it, which the
 * caller closes, or -1. Returns the length, 0 if the other side has closed, -EAGAIN if there is no
 * message, -EMSGSIZE if it has more than @room bytes, or another negative errno.
 */
ssize_t pass_receive(int fd, void *data, size_t room, int *file);

#endif
