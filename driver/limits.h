/* SPDX-License-Identifier: GPL-2.0-only */
/* Queue limits of a disk. */
#ifndef NBD_LIMITS_H
#define NBD_LIMITS_H

struct gendisk;
struct nbd_export;

void nbd_limits_reset(struct gendisk *disk);
int nbd_limits_set(struct gendisk *disk, const struct nbd_export *export);

#endif /* NBD_LIMITS_H */
