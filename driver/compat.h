/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between kernels, and nothing else. The code is written for the newest kernel. Kbuild
 * looks for interfaces in the headers (NBD_HAVE_*), not at the version, as distributions backport
 * changes.
 */
#ifndef NBD_COMPAT_H
#define NBD_COMPAT_H

#include <linux/blk-mq.h>
#include <linux/backing-dev.h>
#include <linux/blkdev.h>
#include <linux/bvec.h>
#include <linux/hrtimer.h>
#include <net/genetlink.h>
#include <net/sock.h>

#ifdef NBD_HAVE_BLK_MODE
#define nbd_mode_t		blk_mode_t
#define NBD_MODE_READ		BLK_OPEN_READ
#define NBD_OPEN_ARGS		struct gendisk *disk, blk_mode_t mode
#define nbd_open_disk()		(disk)
#define NBD_RELEASE_ARGS	struct gendisk *disk
#else
#define nbd_mode_t		fmode_t
#define NBD_MODE_READ		FMODE_READ
#define NBD_OPEN_ARGS		struct block_device *bdev, fmode_t mode
#define nbd_open_disk()		(bdev->bd_disk)
#define NBD_RELEASE_ARGS	struct gendisk *disk, fmode_t mode
#endif

#ifdef NBD_HAVE_WQ_PERCPU
#define NBD_WQ_PERCPU		WQ_PERCPU
#else
#define NBD_WQ_PERCPU		0
#endif

#ifdef NBD_HAVE_SHOULD_MERGE
#define NBD_MQ_SHOULD_MERGE	BLK_MQ_F_SHOULD_MERGE
#else
#define NBD_MQ_SHOULD_MERGE	0
#endif

#ifndef BLK_MAX_BLOCK_SIZE
#define BLK_MAX_BLOCK_SIZE	PAGE_SIZE
#endif

#ifdef NBD_HAVE_END_IO_BATCH
#define NBD_END_IO_ARGS		struct request *rq, blk_status_t status, \
				const struct io_comp_batch *batch
#else
#define NBD_END_IO_ARGS		struct request *rq, blk_status_t status
#endif

#ifndef NBD_HAVE_NOMEMRESTORE
/* For a queue frozen by blk_freeze_queue_start(), which does not change the flags of the task */
static inline void blk_mq_unfreeze_queue_nomemrestore(struct request_queue *q)
{
	blk_mq_unfreeze_queue(q);
}
#endif

/* 1 if the actor of read_skb() owns the skb. That was introduced together with tcp_eat_skb() */
#ifdef NBD_HAVE_SKB_OWNER
#define NBD_READ_SKB		1
#else
#define NBD_READ_SKB		0
#endif

#ifndef NBD_HAVE_HRTIMER_SETUP
static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*function)(struct hrtimer *timer),
				 clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#endif

#ifndef MODULE_ALIAS_GENL_FAMILY
#define MODULE_ALIAS_GENL_FAMILY(family) \
	MODULE_ALIAS_NET_PF_PROTO_NAME(PF_NETLINK, NETLINK_GENERIC, "-family-" family)
#endif

#ifndef NBD_HAVE_CONST_RANGE
/* The range of a policy is const in driver/nbdctl-gen.c, and not in struct nla_policy */
#undef NLA_POLICY_FULL_RANGE
#define NLA_POLICY_FULL_RANGE(tp, _range) {			\
	.type = NLA_ENSURE_UINT_OR_BINARY_TYPE(tp),		\
	.validation_type = NLA_VALIDATE_RANGE_PTR,		\
	.range = (struct netlink_range_validation *)(_range),	\
}
#endif

#ifdef NBD_HAVE_SPLIT_OPS
#define nbd_register_family	genl_register_family
#else
/* Entries of driver/nbdctl-gen.c, one for doit and one for dumpit of a command */
#define genl_split_ops		genl_ops
#define split_ops		ops
#define n_split_ops		n_ops

/* Register a family, with the entries of a command joined */
static inline int __init nbd_register_family(struct genl_family *family)
{
	static struct genl_ops joined[16];
	unsigned int i, n = 0;

	if (WARN_ON(family->n_ops > ARRAY_SIZE(joined)))
		return -EINVAL;
	for (i = 0; i < family->n_ops; i++) {
		const struct genl_ops *op = &family->ops[i];

		if (n && joined[n - 1].cmd == op->cmd) {
			joined[n - 1].start = op->start;
			joined[n - 1].dumpit = op->dumpit;
			joined[n - 1].done = op->done;
		} else {
			joined[n++] = *op;
		}
	}
	family->ops = joined;
	family->n_ops = n;
	return genl_register_family(family);
}
#endif

#ifdef NBD_HAVE_TASK_FRAG
static inline bool nbd_get_task_frag(const struct sock *sk)
{
	return sk->sk_use_task_frag;
}

static inline void nbd_set_task_frag(struct sock *sk, bool use)
{
	sk->sk_use_task_frag = use;
}
#else
static inline bool nbd_get_task_frag(const struct sock *sk)
{
	return false;
}

static inline void nbd_set_task_frag(struct sock *sk, bool use) { }
#endif

/**
 * struct nbd_limits - limits of the queue of a disk
 * @block: logical block size in bytes
 * @physical: physical block size in bytes; smaller writes are slower
 * @io_opt: optimal size of a request in bytes, a multiple of @physical, or 0
 * @max_hw_sectors: most sectors in one request that the server accepts
 * @max_sectors: most sectors in one request by default
 * @max_discard: most sectors in one discard, 0 if it is not supported
 * @max_zeroes: most sectors in one WRITE_ZEROES, 0 if it is not supported
 * @write_cache: FLUSH is needed to make writes stable
 * @fua: FUA is supported
 * @rotational: the server reports a rotational medium
 */
struct nbd_limits {
	u32 block;
	u32 physical;
	u32 io_opt;
	u32 max_hw_sectors;
	u32 max_sectors;
	u32 max_discard;
	u32 max_zeroes;
	bool write_cache;
	bool fua;
	bool rotational;
};

#ifdef NBD_HAVE_LIMITS_API

static inline struct gendisk *nbd_alloc_disk(struct blk_mq_tag_set *set, void *data)
{
	struct queue_limits lim = { .max_segments = USHRT_MAX, .max_segment_size = UINT_MAX };

	return blk_mq_alloc_disk(set, &lim, data);
}

/* WRITE_ZEROES without NO_HOLE: the server may deallocate the range, which reads as zeroes */
static inline void nbd_set_zeroes_unmap(struct queue_limits *lim, u32 max_zeroes)
{
#ifdef NBD_HAVE_ZEROES_UNMAP
	lim->max_hw_wzeroes_unmap_sectors = max_zeroes;
	lim->max_user_wzeroes_unmap_sectors = UINT_MAX;
#endif
}

static inline int nbd_commit_limits(struct gendisk *disk, const struct nbd_limits *l)
{
	struct queue_limits lim = queue_limits_start_update(disk->queue);

	lim.logical_block_size = l->block;
	lim.physical_block_size = l->physical;
	lim.io_min = l->physical;
	lim.io_opt = l->io_opt;
	lim.max_hw_sectors = l->max_hw_sectors;
	lim.max_user_sectors = l->max_sectors;
	lim.max_segments = USHRT_MAX;
	lim.max_segment_size = UINT_MAX;
	lim.dma_alignment = 3;
	lim.max_hw_discard_sectors = l->max_discard;
	lim.max_user_discard_sectors = UINT_MAX;
	lim.discard_granularity = l->max_discard ? l->physical : 0;
	lim.max_write_zeroes_sectors = l->max_zeroes;
	nbd_set_zeroes_unmap(&lim, l->max_zeroes);
	lim.features &= ~(BLK_FEAT_WRITE_CACHE | BLK_FEAT_FUA | BLK_FEAT_ROTATIONAL);
	if (l->write_cache)
		lim.features |= BLK_FEAT_WRITE_CACHE;
	if (l->fua)
		lim.features |= BLK_FEAT_FUA;
	if (l->rotational)
		lim.features |= BLK_FEAT_ROTATIONAL;
	return queue_limits_commit_update(disk->queue, &lim);
}

#else

static inline struct gendisk *nbd_alloc_disk(struct blk_mq_tag_set *set, void *data)
{
	struct gendisk *disk = blk_mq_alloc_disk(set, data);

	if (!IS_ERR(disk)) {
		blk_queue_max_segments(disk->queue, USHRT_MAX);
		blk_queue_max_segment_size(disk->queue, UINT_MAX);
		blk_queue_flag_clear(QUEUE_FLAG_ADD_RANDOM, disk->queue);
	}
	return disk;
}

static inline int nbd_commit_limits(struct gendisk *disk, const struct nbd_limits *l)
{
	struct request_queue *q = disk->queue;

	blk_queue_logical_block_size(q, l->block);
	blk_queue_physical_block_size(q, l->physical);
	blk_queue_io_min(q, l->physical);
	blk_queue_io_opt(q, l->io_opt);
	blk_queue_max_hw_sectors(q, l->max_hw_sectors);
	q->limits.max_sectors = l->max_sectors;
	disk->bdi->io_pages = l->max_sectors >> (PAGE_SHIFT - SECTOR_SHIFT);
	blk_queue_dma_alignment(q, 3);
	blk_queue_max_discard_sectors(q, l->max_discard);
	q->limits.discard_granularity = l->max_discard ? l->physical : 0;
	blk_queue_max_write_zeroes_sectors(q, l->max_zeroes);
	blk_queue_write_cache(q, l->write_cache, l->fua);
	if (l->rotational)
		blk_queue_flag_clear(QUEUE_FLAG_NONROT, q);
	else
		blk_queue_flag_set(QUEUE_FLAG_NONROT, q);
	return 0;
}

#endif

#endif /* NBD_COMPAT_H */
