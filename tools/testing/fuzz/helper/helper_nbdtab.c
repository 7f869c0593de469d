// SPDX-License-Identifier: GPL-2.0-only
/* nbdtab(5): whatever is found in a table is inside of it, and is found again without the rest. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "verbs/nbdtab.h"

static struct nbdtab_entry entry, again;

static void check_field(const char *field)
{
	size_t length = field ? strlen(field) : 1;

	if (!length || (field && (field < entry.text || field + length > entry.text +
				  NBDTAB_LINE_MAX || strpbrk(field, " \t\r\n") ||
				  !text_is_utf8(field, length))))
		abort();
}

static void check_options(void)
{
	char *key, *value;

	while (nbdtab_next(&entry, &key, &value)) {
		if (strpbrk(key, ",=") || (value && strchr(value, ',')))
			abort();
		if (!*key && !value)
			abort();
	}
}

/* The line alone has the same fields. */
static void check_line(const uint8_t *data, size_t size)
{
	const uint8_t *line = data, *end;
	struct error err;
	unsigned int i;

	for (i = 1; i < entry.line; i++)
		line = (const uint8_t *)memchr(line, '\n', data + size - line) + 1;
	end = memchr(line, '\n', data + size - line);
	end = end ? end : data + size;
	if (nbdtab_find((const char *)line, end - line, 1, &again, &err) != 1 ||
	    again.line != 1 || strcmp(entry.host, again.host) ||
	    !entry.export != !again.export ||
	    (entry.export && strcmp(entry.export, again.export)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err = { .cause = "" };
	int rc = nbdtab_find((const char *)data, size, 1, &entry, &err);

	if (rc < 0 && !err.cause[0])
		abort();
	if (rc <= 0)
		return 0;
	check_field(entry.host);
	check_field(entry.export);
	check_field(entry.options);
	check_line(data, size);
	check_options();
	return 0;
}
