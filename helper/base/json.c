// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

void json_quote(FILE *out, const char *value)
{
	size_t len = strlen(value), n;

	putc('"', out);
	for (; len; value += n, len -= n) {
		unsigned char c = *value;

		n = text_utf8_length(value, len);
		if (!n) {
			fputs("\\ufffd", out);
			n = 1;
		} else if (c == '"' || c == '\\') {
			fprintf(out, "\\%c", c);
		} else if (c < 0x20 || c == 0x7f) {
			fprintf(out, "\\u%04x", c);
		} else if (c == 0xc2 && (unsigned char)value[1] < 0xa0) {
			/* C1 controls can drive a terminal, too. */
			fprintf(out, "\\u%04x", (unsigned char)value[1]);
		} else {
			fwrite(value, 1, n, out);
		}
	}
	putc('"', out);
}

/* Starts the next element: comma, new line, indentation, key. */
static void json_next(struct json *json, const char *key)
{
	unsigned int i;

	if (json->depth) {
		bool *filled = &json->filled[json->depth - 1];

		if (json->line)
			fputs(*filled ? ", " : "", json->out);
		else
			fputs(*filled ? ",\n" : "\n", json->out);
		*filled = true;
	}
	for (i = 0; i < json->depth && !json->line; i++)
		fputs("  ", json->out);
	if (key) {
		json_quote(json->out, key);
		fputs(": ", json->out);
	}
}

static void json_begin(struct json *json, const char *key, const char *pair)
{
	json_next(json, key);
	putc(pair[0], json->out);
	if (json->depth == JSON_DEPTH_MAX)
		return;
	json->filled[json->depth] = false;
	json->closer[json->depth++] = pair[1];
}

void json_start(struct json *json, FILE *out)
{
	json->out = out;
	json->line = false;
	json->depth = 0;
}

void json_start_line(struct json *json, FILE *out)
{
	json_start(json, out);
	json->line = true;
}

void json_object(struct json *json, const char *key)
{
	json_begin(json, key, "{}");
	if (json->depth == 1)
		json_number(json, "version", JSON_VERSION);
}

void json_array(struct json *json, const char *key)
{
	json_begin(json, key, "[]");
}

void json_end(struct json *json)
{
	unsigned int i;

	json->depth--;
	if (json->filled[json->depth] && !json->line) {
		putc('\n', json->out);
		for (i = 0; i < json->depth; i++)
			fputs("  ", json->out);
	}
	putc(json->closer[json->depth], json->out);
	if (!json->depth)
		putc('\n', json->out);
}

void json_string(struct json *json, const char *key, const char *value)
{
	json_next(json, key);
	json_quote(json->out, value);
}

void json_number(struct json *json, const char *key, uint64_t value)
{
	json_next(json, key);
	fprintf(json->out, "%" PRIu64, value);
}

void json_seconds(struct json *json, const char *key, uint64_t milliseconds, bool unlimited)
{
	uint32_t fraction = milliseconds % 1000;
	int digits = 3;

	json_next(json, key);
	if (unlimited) {
		fputs("null", json->out);
		return;
	}
	fprintf(json->out, "%" PRIu64, milliseconds / 1000);
	if (!fraction)
		return;
	for (; fraction % 10 == 0; fraction /= 10)
		digits--;
	fprintf(json->out, ".%0*" PRIu32, digits, fraction);
}

void json_bool(struct json *json, const char *key, bool value)
{
	json_next(json, key);
	fputs(value ? "true" : "false", json->out);
}
