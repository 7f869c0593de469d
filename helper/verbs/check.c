// SPDX-License-Identifier: GPL-2.0-only
/* Validates all lines of nbdtab(5). */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "kernel/device.h"
#include "verbs/attach-args.h"
#include "verbs/check.h"
#include "verbs/nbdtab.h"
#include "verbs/table.h"

/**
 * struct check - a table that is being validated
 * @path: its file
 * @text: all of it
 * @length: of @text
 * @faults: number of lines that cannot be used
 */
struct check {
	const char *path;
	const char *text;
	size_t length;
	unsigned int faults;
};

static void check_complain(struct check *check, unsigned int line, struct error *err)
{
	error_prefix(err, "%s: line %u", check->path, line);
	log_error(err);
	check->faults++;
}

/* Only the first line of a device is used. */
static void check_is_first(struct check *check, uint32_t index, unsigned int line)
{
	struct nbdtab tab = { check->text, check->length, 0 };
	struct nbdtab_entry *first = malloc(sizeof(*first));
	struct error ignored;

	if (first && nbdtab_find(tab.text, tab.length, index, first, &ignored) &&
	    first->line != line)
		log_warning("%s: line %u: ignored, because nbd%u is described by line %u",
			    check->path, line, index, first->line);
	free(first);
}

/* What an attach would do with @args->entry until it connects. */
static int check_entry(struct check *check, uint32_t index, struct attach_args *args,
		       struct error *err)
{
	char device[DEVICE_PATH_MAX], *words[] = { device_path(device, index) };

	args->from_table = true;
	if (table_options(check->path, args, err))
		return -1;
	args->operands.words = words;
	args->operands.n_words = 1;
	return attach_settle(args, err);
}

static void check_lines(struct check *check, struct attach_args *args)
{
	struct nbdtab tab = { check->text, check->length, 0 };
	struct error err = { 0 };
	uint32_t index;
	int rc;

	for (;;) {
		attach_init(args);
		rc = nbdtab_entry(&tab, &index, &args->entry, &err);
		if (!rc)
			return;
		if (rc > 0)
			rc = check_entry(check, index, args, &err);
		if (rc < 0)
			check_complain(check, tab.line, &err);
		else
			check_is_first(check, index, tab.line);
	}
}

int check_config(struct attach_args *args, struct error *err)
{
	struct check check = { .path = args->table ? args->table : TABLE_PATH };
	char *text = table_load(check.path, &check.length, err);

	if (!text)
		return -1;
	check.text = text;
	check_lines(&check, args);
	free(text);
	if (!check.faults)
		return 0;
	return error_set(err, EXIT_USAGE, "%s: %u of its lines cannot be used", check.path,
			 check.faults);
}
