/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_TEXT_H
#define NBD_HELPER_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that text_escape() needs for @len bytes, with the NUL. */
#define TEXT_ESCAPED_MAX(len)	(4 * (size_t)(len) + 1)
#define TEXT_SIZE_ROOM		32

/* Length of the UTF-8 sequence at @s; 0 if it is not valid, or NUL. */
size_t text_utf8_length(const char *s, size_t len);
bool text_is_utf8(const char *s, size_t len);

/*
 * Copies @len bytes for a terminal: control characters, backslashes and invalid UTF-8 become \xNN.
 * Cuts to @room bytes; returns @to.
 */
char *text_escape(char *to, size_t room, const char *from, size_t len);

/* Replaces control characters and invalid UTF-8 by question marks, in text escaped before. */
void text_tame(char *s, size_t len);

/* Parses bytes with an optional suffix K M G T P E (powers of 1024). Returns 0 or -errno. */
int text_parse_size(const char *s, uint64_t *size);
/* Parses a decimal number up to @max, nothing before or after it. Returns 0 or -errno. */
int text_parse_number(const char *s, uint64_t max, uint64_t *number);
/* Parses seconds with an optional fraction. Returns 0 or -errno. */
int text_parse_seconds(const char *s, uint32_t *milliseconds);

/* Digits of the largest number, without a NUL. */
#define TEXT_NUMBER_ROOM	20
/*
 * Writes @number without NUL, padded with spaces to @width (TEXT_NUMBER_ROOM at most). Returns its
 * end.
 */
char *text_put_number(char *to, uint64_t number, unsigned int width);

/* Writes "10M" or "1.5G", at most TEXT_SIZE_ROOM bytes. Returns @to. */
char *text_format_size(char *to, uint64_t size);

/*
 * Writes @length bytes to a file, not by stdio: what that cannot write it keeps, and reports as
 * lost output in the end. Returns 0, or a positive errno.
 */
int text_write(int fd, const char *text, size_t length);

#endif
