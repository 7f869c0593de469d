// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include "../../uapi/linux/nbdctl.h"
#include "base/json.h"
#include "negotiate/export.h"
#include "negotiate/facts.h"
#include "negotiate/handshake-proto.h"

struct flag {
	uint16_t bit;
	const char *name;
};

/* Names of the protocol, without SEND_; other bits are not shown. */
static const struct flag facts_names[] = {
	{ NBD_FLAG_READ_ONLY, "read-only" },
	{ NBD_FLAG_SEND_FLUSH, "flush" },
	{ NBD_FLAG_SEND_FUA, "fua" },
	{ NBD_FLAG_ROTATIONAL, "rotational" },
	{ NBD_FLAG_SEND_TRIM, "trim" },
	{ NBD_FLAG_SEND_WRITE_ZEROES, "write-zeroes" },
	{ NBD_FLAG_SEND_DF, "df" },
	{ NBD_FLAG_CAN_MULTI_CONN, "multi-conn" },
	{ NBD_FLAG_SEND_CACHE, "cache" },
	{ NBD_FLAG_SEND_FAST_ZERO, "fast-zero" },
};

#define N_FLAGS	(sizeof(facts_names) / sizeof(facts_names[0]))

char *facts_flags(char *to, uint16_t flags)
{
	size_t i;

	*to = '\0';
	for (i = 0; i < N_FLAGS; i++) {
		if (!(flags & facts_names[i].bit))
			continue;
		if (*to)
			strcat(to, ",");
		strcat(to, facts_names[i].name);
	}
	return to;
}

char *facts_time(char *to, uint32_t milliseconds)
{
	if (!milliseconds)
		strcpy(to, "off");
	else if (milliseconds == NBDCTL_TIME_FOREVER)
		strcpy(to, "forever");
	else if (milliseconds % 1000)
		snprintf(to, FACTS_TIME_ROOM, "%u.%03us", milliseconds / 1000,
			 milliseconds % 1000);
	else
		snprintf(to, FACTS_TIME_ROOM, "%us", milliseconds / 1000);
	return to;
}

void facts_json_flags(struct json *json, uint16_t flags)
{
	size_t i;

	json_array(json, "flags");
	for (i = 0; i < N_FLAGS; i++)
		if (flags & facts_names[i].bit)
			json_string(json, NULL, facts_names[i].name);
	json_end(json);
}

void facts_json_blocks(struct json *json, uint32_t minimum, uint32_t preferred, uint32_t maximum)
{
	json_object(json, "block_size");
	json_number(json, "minimum", minimum);
	json_number(json, "preferred", preferred);
	json_number(json, "maximum", maximum);
	json_end(json);
}

void facts_json_contexts(struct json *json, const struct export *export)
{
	unsigned int i;

	json_array(json, "contexts");
	for (i = 0; i < export->n_contexts; i++)
		json_string(json, NULL, export->contexts[i].name);
	json_end(json);
}
