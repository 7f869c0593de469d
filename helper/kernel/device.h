/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_DEVICE_H
#define NBD_HELPER_DEVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define DEVICE_INDEX_MAX	((1U << 20) - 1)
#define DEVICE_PATH_MAX		64

struct error;

/* True for "nbd3" or "/dev/nbd3", whether it exists or not; *@index is 3 then. */
bool device_is_name(const char *s, uint32_t *index);

/* Finds the index of an NBD disk by any path, such as a symbolic link. A partition is an error. */
int device_resolve(const char *s, uint32_t *index, struct error *err);

/* True if @s must be meant as a device: a path below /dev, or a path of a block device. */
bool device_is_meant(const char *s);

/* Fills in @err: why @s, which is meant as a device, is not an NBD disk. Returns -1. */
int device_refuse(const char *s, struct error *err);

/* True if @rdev is an NBD disk or a partition of one, or if sysfs cannot be read. */
bool device_may_be_nbd(dev_t rdev);

/*
 * True if @rdev is the NBD disk @index or a partition of it, or lies on it: as a volume of LVM or
 * LUKS, an array, or what else the kernel lists as its "slaves".
 */
bool device_is_on(dev_t rdev, uint32_t index);

#define DEVICE_SYSFS	"/sys/block"

/*
 * The process ID that the driver reports below @sysfs for the device @index; every driver does if
 * the device is attached. Returns -ENOENT if it is not, or another negative errno.
 */
int device_pid(const char *sysfs, uint32_t index);

/* Writes "/dev/nbdN"; @to has DEVICE_PATH_MAX bytes. Returns @to. */
char *device_path(char *to, uint32_t index);

/*
 * The path to open for @s: "nbd3p1" means "/dev/nbd3p1", unless a file "nbd3p1" exists. Returns @s
 * or @room, which has @size bytes.
 */
const char *device_node(const char *s, char *room, unsigned int size);

#endif
