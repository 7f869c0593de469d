/* SPDX-License-Identifier: GPL-2.0-only */
/* Reports the block status of a range of a disk to a program. */
#ifndef NBD_WALK_H
#define NBD_WALK_H

struct block_device;
struct nbd_session;
struct nbdmap_status;

int nbd_walk(struct nbd_session *session, struct block_device *bdev, struct nbdmap_status *arg);

#endif /* NBD_WALK_H */
