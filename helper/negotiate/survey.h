/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_SURVEY_H
#define NBD_HELPER_SURVEY_H

#include <stdbool.h>

#include "base/error.h"
#include "negotiate/export.h"

struct target;

/**
 * struct survey_entry - an export of a server
 * @name: as listed, or as the user named it
 * @description: from the list, or NULL
 * @escaped: @name is what text_escape() made of a name that is not UTF-8
 * @failed: @error says why nothing is known of it
 */
struct survey_entry {
	char *name;
	char *description;
	bool escaped;
	bool failed;
	struct error error;
	struct export export;
};

/**
 * struct survey - the exports of a server
 * @unlisted: the server does not list them; the default export was tried
 * @structured: the server supports structured replies
 */
struct survey {
	bool unlisted;
	bool structured;
	unsigned int n;
	struct survey_entry *entries;
};

/*
 * Queries the export that @target names, or all, each with @milliseconds for a connection. It does
 * so in the sandbox, in which the process stays, and can only print. On success the caller frees
 * @survey.
 */
int survey_server(const struct target *target, unsigned int milliseconds, struct survey *survey,
		  struct error *err);

/* Likewise, but queries only the names and descriptions of the exports. */
int survey_names(const struct target *target, unsigned int milliseconds, struct survey *survey,
		 struct error *err);

void survey_free(struct survey *survey);

#endif
