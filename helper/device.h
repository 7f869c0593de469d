/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_DEVICE_H
#define NBD_HELPER_DEVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define DEVICE_INDEX_MAX	((1U << 20) - 1)
#define DEVICE_PATH_MAX		64

struct error;

/* "/dev/nbd3" or "nbd3", in form only; the index is 3. */
bool device_is_name(const char *s, uint32_t *index);

/*
 * The index behind anything that names an NBD disk, a symbolic link too. A
 * partition is none.
 */
int device_resolve(const char *s, uint32_t *index, struct error *err);

/* True if @s can only be meant as a device: a path in /dev, or of a block device. */
bool device_is_meant(const char *s);

/* Says why @s, which is meant as a device, is not an NBD disk. Returns -1. */
int device_refuse(const char *s, struct error *err);

/* An NBD disk, or a partition of one? True, too, if that can't be told. */
bool device_may_be_nbd(dev_t rdev);

/* "/dev/nbdN"; @to has DEVICE_PATH_MAX bytes. Returns @to. */
char *device_path(char *to, uint32_t index);

/* A path for open(): "nbd3p1" is short for "/dev/nbd3p1" unless such a file exists. */
const char *device_node(const char *s, char *room, unsigned int size);

#endif
