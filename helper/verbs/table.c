// SPDX-License-Identifier: GPL-2.0-only
/* The file nbdtab(5), as arguments of an attach. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "kernel/device.h"
#include "negotiate/uri.h"
#include "verbs/attach-args.h"
#include "verbs/client-opts.h"
#include "verbs/nbdtab.h"
#include "verbs/table.h"

/* Longest table that is read, in bytes */
#define TABLE_MAX	(1024 * 1024)

bool table_is_meant(const struct operands *operands, uint32_t *index)
{
	return operands->n_words == 1 && !operands->unix_path && !operands->vsock &&
	       device_is_name(operands->words[0], index);
}

/* Reads the file to @text, with room for a byte more than TABLE_MAX. */
static int table_fill(int fd, char *text, size_t *length, struct error *err)
{
	ssize_t n;

	*length = 0;
	do {
		n = read(fd, text + *length, TABLE_MAX + 1 - *length);
		if (n < 0)
			return error_errno(err, EXIT_SYSTEM, errno, "cannot read it");
		*length += n;
	} while (n && *length <= TABLE_MAX);
	if (*length > TABLE_MAX)
		return error_set(err, EXIT_USAGE, "has more than %d bytes", TABLE_MAX);
	return 0;
}

char *table_load(const char *path, size_t *length, struct error *err)
{
	char *text = NULL;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		error_errno(err, errno == ENOENT ? EXIT_USAGE : EXIT_SYSTEM, errno,
			    "cannot open %s", path);
		error_hint(err, "name a server, or create the file; see nbdtab(5)");
		return NULL;
	}
	text = malloc(TABLE_MAX + 1);
	if (!text)
		error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot read it");
	if (!text || table_fill(fd, text, length, err)) {
		error_prefix(err, "%s", path);
		free(text);
		text = NULL;
	}
	close(fd);
	return text;
}

static int table_search(const char *text, size_t length, uint32_t index,
			struct nbdtab_entry *entry, struct error *err)
{
	int found = nbdtab_find(text, length, index, entry, err);

	if (found < 0)
		error_prefix(err, "line %u", entry->line);
	if (found)
		return found < 0 ? -1 : 0;
	error_set(err, EXIT_USAGE, "no entry for nbd%u", index);
	error_hint(err, "add a line \"nbd%u HOST EXPORT\", or name a server", index);
	return -1;
}

static int table_unix(struct attach_args *args, struct error *err)
{
	if (uri_is_uri(args->entry.host))
		return error_set(err, EXIT_USAGE, "\"unix\" cannot be combined with a URI");
	args->operands.unix_path = args->entry.host;
	return 0;
}

static void table_unknown(const char *path, unsigned int line, const char *key)
{
	char shown[100];

	log_warning("%s: line %u: unknown option \"%s\"", path, line,
		    text_escape(shown, sizeof(shown), key, strlen(key)));
}

static int table_option(const char *path, struct attach_args *args, const char *key,
			const char *value, struct error *err)
{
	const struct client_opt *opt = client_opt_of_key(key);
	bool is_unix = !strcmp(key, "unix");

	/* For local use, says nbdtab(5). */
	if (*key == '_')
		return 0;
	if (!opt && !is_unix) {
		table_unknown(path, args->entry.line, key);
		return 0;
	}
	if (!value != !(opt && opt->value))
		return error_set(err, EXIT_USAGE, "option \"%s\" %s", key,
				 value ? "takes no value" : "needs a value");
	return is_unix ? table_unix(args, err) : client_opt_apply(opt, args, value, err);
}

int table_options(const char *path, struct attach_args *args, struct error *err)
{
	char *key, *value;

	while (nbdtab_next(&args->entry, &key, &value))
		if (table_option(path, args, key, value, err))
			return -1;
	return 0;
}

int table_read(const char *path, uint32_t index, struct attach_args *args, struct error *err)
{
	size_t length;
	char *text;
	int rc;

	attach_init(args);
	args->from_table = true;
	if (!path)
		path = TABLE_PATH;
	text = table_load(path, &length, err);
	if (!text) {
		error_prefix(err, "cannot look up nbd%u", index);
		return -1;
	}
	rc = table_search(text, length, index, &args->entry, err);
	free(text);
	if (!rc) {
		rc = table_options(path, args, err);
		if (rc)
			error_prefix(err, "line %u", args->entry.line);
	}
	if (rc)
		error_prefix(err, "%s", path);
	return rc;
}

void table_operands(struct attach_args *args)
{
	struct operands *operands = &args->operands;
	int n = 0;

	if (!operands->unix_path)
		args->words[n++] = args->entry.host;
	args->words[n++] = operands->words[0];
	operands->words = args->words;
	operands->n_words = n;
	if (!operands->name)
		operands->name = args->entry.export;
}
