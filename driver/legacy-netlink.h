/* SPDX-License-Identifier: GPL-2.0-only */
/* The interface of linux/nbd-netlink.h. */
#ifndef NBD_LEGACY_NETLINK_H
#define NBD_LEGACY_NETLINK_H

#include <linux/init.h>

#ifdef NBD_LEGACY
int nbd_legacy_init(void) __init;
void nbd_legacy_exit(void);
#else
static inline int nbd_legacy_init(void) { return 0; }
static inline void nbd_legacy_exit(void) { }
#endif

#endif /* NBD_LEGACY_NETLINK_H */
