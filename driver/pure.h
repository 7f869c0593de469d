/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel-independent source files (proto, reply, cover, extents, hold) need from their
 * environment, so that they also build in user space, for unit tests, sanitizers and fuzzers.
 */
#ifndef NBD_PURE_H
#define NBD_PURE_H

#ifdef __KERNEL__

#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/types.h>
#include <asm/byteorder.h>

#else

#include <endian.h>
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <linux/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define __packed		__attribute__((packed))
#define U32_MAX			UINT32_MAX
#define U64_MAX			UINT64_MAX
#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), v, __ATOMIC_RELAXED)
#define min_t(t, a, b)		({ t __a = (a), __b = (b); __a < __b ? __a : __b; })
#define be16_to_cpu(x)		be16toh(x)
#define be32_to_cpu(x)		be32toh(x)
#define be64_to_cpu(x)		be64toh(x)
#define cpu_to_be16(x)		htobe16(x)
#define cpu_to_be32(x)		htobe32(x)
#define cpu_to_be64(x)		htobe64(x)

#endif

#endif /* NBD_PURE_H */
