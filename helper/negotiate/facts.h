/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_FACTS_H
#define NBD_HELPER_FACTS_H

#include <stddef.h>
#include <stdint.h>

struct export;
struct json;

/* Negotiated parameters as text and as JSON */

/* Bytes for the names of all flags */
#define FACTS_FLAGS_ROOM	256

/* Writes "flush,fua,trim"; @to has FACTS_FLAGS_ROOM bytes. Returns @to. */
char *facts_flags(char *to, uint16_t flags);

/* Writes "30s", "1.500s", "off" for 0 or "forever"; @to has FACTS_TIME_ROOM bytes. Returns @to. */
#define FACTS_TIME_ROOM		16
char *facts_time(char *to, uint32_t milliseconds);

void facts_json_flags(struct json *json, uint16_t flags);
void facts_json_blocks(struct json *json, uint32_t minimum, uint32_t preferred, uint32_t maximum);
void facts_json_contexts(struct json *json, const struct export *export);

#endif
