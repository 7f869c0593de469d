/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_NOTIFY_H
#define NBD_HELPER_NOTIFY_H

/*
 * Tells the service manager, if there is one, how things are: a datagram of VARIABLE=VALUE lines to
 * the socket that NOTIFY_SOCKET names, as sd_notify(3) documents. Never waits.
 */
void notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
