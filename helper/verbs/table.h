/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_TABLE_H
#define NBD_HELPER_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef SYSCONFDIR
#define SYSCONFDIR	"/etc"
#endif

/* Default of --table */
#define TABLE_PATH	SYSCONFDIR "/nbdtab"

struct attach_args;
struct error;
struct operands;

/* True if the only operand is a device, *@index, and no option names a server. */
bool table_is_meant(const struct operands *operands, uint32_t *index);

/*
 * Initialises @args with the options of the device @index in the file @path, NULL for TABLE_PATH.
 * The options of the command line are applied after that, and then table_operands().
 */
int table_read(const char *path, uint32_t index, struct attach_args *args, struct error *err);

/* Reads the file @path. Returns its text, which the caller frees, or NULL. */
char *table_load(const char *path, size_t *length, struct error *err);

/* Applies the options of @args->entry, a line of the file @path, to @args. */
int table_options(const char *path, struct attach_args *args, struct error *err);

/* Puts the server and the export of the entry before the device, the only operand. */
void table_operands(struct attach_args *args);

#endif
