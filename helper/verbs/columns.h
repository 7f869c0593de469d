/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_COLUMNS_H
#define NBD_HELPER_COLUMNS_H

/* The columns of nbd-list. */

#include <stdbool.h>
#include <stddef.h>

struct error;
struct kernel_device;
struct libscols_table;

/* Most columns of a table */
#define COLUMNS_MAX	64

/**
 * struct columns - the columns of a table, from left to right
 * @ids: indexes in the list of all columns
 * @n: number of @ids
 * @bytes: print sizes in bytes, not with a unit
 */
struct columns {
	unsigned char ids[COLUMNS_MAX];
	unsigned int n;
	bool bytes;
};

/* Chooses the default columns. */
void columns_default(struct columns *columns);

/*
 * Chooses the columns that @names lists, separated by commas, in addition to the earlier ones if it
 * begins with "+".
 */
int columns_choose(struct columns *columns, const char *names, struct error *err);

/* Returns the DEVICE_JSON_* of the columns. */
unsigned int columns_members(const struct columns *columns);

/* Adds the columns to an empty @table. Returns 0 or a negative errno. */
int columns_create(const struct columns *columns, struct libscols_table *table);

/* Adds the line of @device to @table. Returns 0 or a negative errno. */
int columns_add(const struct columns *columns, struct libscols_table *table,
		const struct kernel_device *device);

/* Prints all columns with their descriptions. */
void columns_help(void);

#endif
