/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_DESCRIBE_H
#define NBD_HELPER_DESCRIBE_H

/* Exports and devices in words, with the same ones in nbd-list and nbd-info */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct error;
struct kernel_device;

/* Prints "LABEL: TEXT" with the text escaped. */
void describe_line(FILE *out, const char *label, const char *s);
void describe_size_and_flags(FILE *out, uint64_t size, uint16_t flags);

/* Prints @n names, which are @stride bytes apart. */
void describe_contexts(FILE *out, char *const *names, size_t stride, unsigned int n);

/* Prints all about @device, with a table of its connections; sizes in that in bytes if @bytes. */
int describe_device(FILE *out, const struct kernel_device *device, bool bytes, struct error *err);

#endif
