/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_NBDTAB_H
#define NBD_HELPER_NBDTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest line that can be used, in bytes */
#define NBDTAB_LINE_MAX	16384

#define NBDTAB_NO_DEVICE	UINT32_MAX

struct error;

/**
 * struct nbdtab_entry - a line of nbdtab(5)
 * @line: its number; the first is 1
 * @host: its second field
 * @export: its third field; NULL if there is none, or "-" after a URI, which names the export
 * @options: what nbdtab_next() has not returned of its fourth field
 * @text: the line, cut into the fields
 */
struct nbdtab_entry {
	unsigned int line;
	char *host;
	char *export;
	char *options;
	char text[NBDTAB_LINE_MAX + 1];
};

/**
 * struct nbdtab - what is left of the text of nbdtab(5)
 * @line: number of the line that was cut off last
 */
struct nbdtab {
	const char *text;
	size_t length;
	unsigned int line;
};

/*
 * Finds the first line for the device @index in the @length bytes of @text. Returns 1, or 0 if
 * there is none. If the line cannot be used, @entry->line is its number. No other line is
 * validated.
 */
int nbdtab_find(const char *text, size_t length, uint32_t index, struct nbdtab_entry *entry,
		struct error *err);

/*
 * Cuts off the next line that describes a device, *@index. Returns 1, or 0 at the end. If the line
 * cannot be used, that is an error; the next call continues behind it, and *@index is
 * NBDTAB_NO_DEVICE if the first word is no device.
 */
int nbdtab_entry(struct nbdtab *tab, uint32_t *index, struct nbdtab_entry *entry,
		 struct error *err);

/* Sets *@key and *@value to the next option of @entry; *@value is NULL without "=". */
bool nbdtab_next(struct nbdtab_entry *entry, char **key, char **value);

#endif
