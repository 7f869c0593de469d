/* SPDX-License-Identifier: GPL-2.0-only */
/* The control interface: the generic netlink family "nbdctl". */
#ifndef NBD_NBDCTL_H
#define NBD_NBDCTL_H

#include <net/genetlink.h>

extern struct genl_family nbdctl_family;

int nbdctl_init(void);
void nbdctl_exit(void);

#endif /* NBD_NBDCTL_H */
