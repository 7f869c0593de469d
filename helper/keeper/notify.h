/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_NOTIFY_H
#define NBD_HELPER_NOTIFY_H

/*
 * Reports the state to the service manager, if there is one: a datagram of VARIABLE=VALUE lines to
 * the socket that NOTIFY_SOCKET names, as documented in sd_notify(3). Never waits.
 */
void notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
