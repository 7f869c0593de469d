/* SPDX-License-Identifier: GPL-2.0-only */
/* Walks over a range of a disk and tells a program its block status. */
#ifndef NBD_WALK_H
#define NBD_WALK_H

struct block_device;
struct nbd_session;
struct nbdmap_status;

int nbd_walk(struct nbd_session *session, struct block_device *bdev, struct nbdmap_status *arg);

#endif /* NBD_WALK_H */
