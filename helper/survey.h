/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_SURVEY_H
#define NBD_HELPER_SURVEY_H

#include <stdbool.h>

#include "error.h"
#include "export.h"

struct connector;
struct target;

/**
 * struct survey_entry - an export of a server
 * @name: as listed or asked for
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
 * struct survey - what a server has
 * @unlisted: it does not list its exports; the default one was tried
 * @structured: it has structured replies
 */
struct survey {
	bool unlisted;
	bool structured;
	unsigned int n;
	struct survey_entry *entries;
};

/*
 * Asks for the export that @target names, or for all, on connections of @connector. Each connection
 * has @milliseconds.
 */
int survey_server(const struct target *target, struct connector *connector,
		  unsigned int milliseconds, struct survey *survey, struct error *err);
void survey_free(struct survey *survey);

#endif
