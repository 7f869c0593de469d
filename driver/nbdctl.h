/* SPDX-License-Identifier: GPL-2.0-only */
/* The control interface: registration of the generic netlink family "nbdctl". */
#ifndef NBD_NBDCTL_H
#define NBD_NBDCTL_H

int nbdctl_init(void);
void nbdctl_exit(void);

#endif /* NBD_NBDCTL_H */
