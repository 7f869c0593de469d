// SPDX-License-Identifier: GPL-2.0-only
/* The text of nbdtab(5): lines, fields, options. */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "kernel/device.h"
#include "negotiate/uri.h"
#include "verbs/nbdtab.h"

static bool nbdtab_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The first word of the @length bytes of @line; sets *@word to where it begins. */
static size_t nbdtab_word(const char *line, size_t length, const char **word)
{
	size_t skip = 0, end;

	while (skip < length && nbdtab_is_space(line[skip]))
		skip++;
	for (end = skip; end < length && !nbdtab_is_space(line[end]); end++)
		;
	*word = line + skip;
	return end - skip;
}

/* The device that the first word names, or NBDTAB_NO_DEVICE. */
static uint32_t nbdtab_device(const char *line, size_t length)
{
	char name[DEVICE_PATH_MAX];
	uint32_t index;
	size_t n;

	n = nbdtab_word(line, length, &line);
	if (!n || n >= sizeof(name))
		return NBDTAB_NO_DEVICE;
	memcpy(name, line, n);
	name[n] = '\0';
	/* A byte that is NUL would end the name early. */
	return strlen(name) == n && device_is_name(name, &index) ? index : NBDTAB_NO_DEVICE;
}

/* Cuts the next field off *@rest. Returns NULL if there is none, or only a comment. */
static char *nbdtab_field(char **rest)
{
	const char *word;
	size_t length = nbdtab_word(*rest, strlen(*rest), &word);
	char *field = *rest + (word - *rest);

	if (!length || *field == '#') {
		*rest += strlen(*rest);
		return NULL;
	}
	*rest = field + length;
	if (**rest)
		*(*rest)++ = '\0';
	return field;
}

static int nbdtab_split(struct nbdtab_entry *entry, struct error *err)
{
	char *rest = entry->text;

	nbdtab_field(&rest);
	entry->host = nbdtab_field(&rest);
	entry->export = nbdtab_field(&rest);
	entry->options = nbdtab_field(&rest);
	if (!entry->host)
		return error_set(err, EXIT_USAGE, "missing host");
	if (nbdtab_field(&rest))
		return error_set(err, EXIT_USAGE, "more than four fields");
	return 0;
}

static int nbdtab_check_export(struct nbdtab_entry *entry, struct error *err)
{
	if (!uri_is_uri(entry->host))
		return entry->export ? 0 : error_set(err, EXIT_USAGE, "missing export");
	if (entry->export && strcmp(entry->export, "-"))
		return error_set(err, EXIT_USAGE, "the field after a URI must be \"-\"");
	entry->export = NULL;
	return 0;
}

static int nbdtab_take(struct nbdtab_entry *entry, const char *line, size_t length,
		       struct error *err)
{
	if (length > NBDTAB_LINE_MAX)
		return error_set(err, EXIT_USAGE, "more than %d bytes", NBDTAB_LINE_MAX);
	if (!text_is_utf8(line, length))
		return error_set(err, EXIT_USAGE, "not UTF-8");
	memcpy(entry->text, line, length);
	entry->text[length] = '\0';
	if (nbdtab_split(entry, err) || nbdtab_check_export(entry, err))
		return -1;
	return 1;
}

/* Cuts off the next line, which has *@length bytes. Returns NULL at the end. */
static const char *nbdtab_line(struct nbdtab *tab, size_t *length)
{
	const char *line = tab->text, *end;
	size_t skip;

	if (!tab->length)
		return NULL;
	end = memchr(line, '\n', tab->length);
	*length = end ? (size_t)(end - line) : tab->length;
	skip = *length + !!end;
	tab->text += skip;
	tab->length -= skip;
	tab->line++;
	return line;
}

int nbdtab_find(const char *text, size_t length, uint32_t index, struct nbdtab_entry *entry,
		struct error *err)
{
	struct nbdtab tab = { text, length, 0 };
	const char *line;
	size_t n;

	while ((line = nbdtab_line(&tab, &n)))
		if (nbdtab_device(line, n) == index) {
			entry->line = tab.line;
			return nbdtab_take(entry, line, n, err);
		}
	return 0;
}

int nbdtab_entry(struct nbdtab *tab, uint32_t *index, struct nbdtab_entry *entry,
		 struct error *err)
{
	const char *line, *word;
	size_t n;

	while ((line = nbdtab_line(tab, &n))) {
		entry->line = tab->line;
		if (!nbdtab_word(line, n, &word) || *word == '#')
			continue;
		*index = nbdtab_device(line, n);
		if (*index != NBDTAB_NO_DEVICE)
			return nbdtab_take(entry, line, n, err);
		error_set(err, EXIT_USAGE, "the first field is not nbdN or /dev/nbdN");
		return -1;
	}
	return 0;
}

bool nbdtab_next(struct nbdtab_entry *entry, char **key, char **value)
{
	do {
		*key = strsep(&entry->options, ",");
		if (!*key)
			return false;
	} while (!**key);
	*value = strchr(*key, '=');
	if (*value)
		*(*value)++ = '\0';
	return true;
}
