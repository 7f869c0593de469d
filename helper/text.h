/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_TEXT_H
#define NBD_HELPER_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for any string of the protocol after text_escape(). */
#define TEXT_ESCAPED_MAX(len)	(4 * (size_t)(len) + 1)
#define TEXT_SIZE_ROOM		32

/* Length of the valid UTF-8 sequence at @s, 0 if it is none; NUL is none. */
size_t text_utf8_length(const char *s, size_t len);
bool text_is_utf8(const char *s, size_t len);

/*
 * Copies @len bytes for a terminal: control characters, backslashes and what
 * is not UTF-8 become \xNN. Cuts at @room; returns @to.
 */
char *text_escape(char *to, size_t room, const char *from, size_t len);

/* Question marks for control characters and what is not UTF-8, for text that was escaped before. */
void text_tame(char *s, size_t len);

/* A number of bytes with an optional suffix K M G T P E (powers of 1024). */
int text_parse_size(const char *s, uint64_t *size);
/* A decimal number, nothing before or after it, not above @max. */
int text_parse_number(const char *s, uint64_t max, uint64_t *number);
/* Seconds with an optional fraction -> milliseconds. */
int text_parse_seconds(const char *s, uint32_t *milliseconds);

/* Digits of the largest number, without a NUL. */
#define TEXT_NUMBER_ROOM	20
/* Writes @number, at least @width wide, which is no more than TEXT_NUMBER_ROOM. Returns its end. */
char *text_put_number(char *to, uint64_t number, unsigned int width);

/* "10M", "1.5G"; at most TEXT_SIZE_ROOM bytes. Returns @to. */
char *text_format_size(char *to, uint64_t size);

#endif
