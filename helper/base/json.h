/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_JSON_H
#define NBD_HELPER_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Incremented when a member is renamed or removed, or changes its meaning. */
#define JSON_VERSION	1

/* Most levels of objects and arrays */
#define JSON_DEPTH_MAX	8

/**
 * struct json - JSON that is written at once
 * @out: where to
 * @line: all in one line
 * @depth: objects and arrays that are open
 * @closer: what ends each of them
 * @filled: true for those that are not empty
 */
struct json {
	FILE *out;
	bool line;
	unsigned int depth;
	char closer[JSON_DEPTH_MAX];
	bool filled[JSON_DEPTH_MAX];
};

void json_start(struct json *json, FILE *out);
/* The same, for one line of JSON Lines. */
void json_start_line(struct json *json, FILE *out);

/*
 * @key is NULL at the top and in arrays. An object at the top begins with the version of its names,
 * which are documented in nbd-attach(8).
 */
void json_object(struct json *json, const char *key);
void json_array(struct json *json, const char *key);
/* Ends the innermost object or array. */
void json_end(struct json *json);

void json_string(struct json *json, const char *key, const char *value);
void json_number(struct json *json, const char *key, uint64_t value);
/* @milliseconds as a number of seconds; null if there is no limit. */
void json_seconds(struct json *json, const char *key, uint64_t milliseconds, bool unlimited);
void json_bool(struct json *json, const char *key, bool value);

/* Writes @value in quotes; each byte that is not UTF-8 becomes the replacement character. */
void json_quote(FILE *out, const char *value);

#endif
