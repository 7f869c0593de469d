/* SPDX-License-Identifier: GPL-2.0-only */
/* Interface to blk-mq. */
#ifndef NBD_QUEUE_H
#define NBD_QUEUE_H

struct blk_mq_ops;

extern const struct blk_mq_ops nbd_mq_ops;

#endif /* NBD_QUEUE_H */
