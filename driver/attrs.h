/* SPDX-License-Identifier: GPL-2.0-only */
/* Attributes of a disk in sysfs. */
#ifndef NBD_ATTRS_H
#define NBD_ATTRS_H

#include <linux/sysfs.h>

extern const struct attribute_group *nbd_attr_groups[];

#endif /* NBD_ATTRS_H */
