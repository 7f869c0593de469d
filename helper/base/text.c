// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

#define TEXT_MS_MAX	((uint64_t)UINT32_MAX - 1)

static const char text_suffixes[] = "KMGTPE";

size_t text_utf8_length(const char *s, size_t len)
{
	const unsigned char *u = (const unsigned char *)s;
	uint32_t point, least;
	size_t need, i;

	if (!len || !u[0])
		return 0;
	if (u[0] < 0x80)
		return 1;
	if (u[0] >= 0xc2 && u[0] <= 0xdf)
		need = 2, point = u[0] & 0x1f, least = 0x80;
	else if ((u[0] & 0xf0) == 0xe0)
		need = 3, point = u[0] & 0x0f, least = 0x800;
	else if (u[0] >= 0xf0 && u[0] <= 0xf4)
		need = 4, point = u[0] & 0x07, least = 0x10000;
	else
		return 0;
	if (need > len)
		return 0;
	for (i = 1; i < need; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (u[i] & 0x3f);
	}
	if (point < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
		return 0;
	return need;
}

bool text_is_utf8(const char *s, size_t len)
{
	size_t n;

	for (; len; s += n, len -= n) {
		n = text_utf8_length(s, len);
		if (!n)
			return false;
	}
	return true;
}

/* C1 controls are two bytes of valid UTF-8, and can drive a terminal, too. */
static bool text_is_control(const char *s, size_t n)
{
	unsigned char c = s[0];

	if (n == 1)
		return c < 0x20 || c == 0x7f;
	return n == 2 && c == 0xc2 && (unsigned char)s[1] < 0xa0;
}

char *text_escape(char *to, size_t room, const char *from, size_t len)
{
	size_t out = 0, n, i;

	for (; len; from += n, len -= n) {
		n = text_utf8_length(from, len);
		if (n && *from != '\\' && !text_is_control(from, n)) {
			if (out + n >= room)
				break;
			memcpy(to + out, from, n);
			out += n;
			continue;
		}
		n = n ? n : 1;
		if (out + 4 * n >= room)
			break;
		for (i = 0; i < n; i++, out += 4)
			snprintf(to + out, 5, "\\x%02x", (unsigned char)from[i]);
	}
	to[out] = '\0';
	return to;
}

void text_tame(char *s, size_t len)
{
	size_t n;

	for (; len; s += n, len -= n) {
		n = text_utf8_length(s, len);
		if (n && !text_is_control(s, n))
			continue;
		n = n ? n : 1;
		memset(s, '?', n);
	}
}

static int text_digits(const char **s, uint64_t max, uint64_t *number)
{
	uint64_t n = 0;

	if (!isdigit((unsigned char)**s))
		return -EINVAL;
	for (; isdigit((unsigned char)**s); ++*s) {
		unsigned int digit = **s - '0';

		if (digit > max || n > (max - digit) / 10)
			return -ERANGE;
		n = n * 10 + digit;
	}
	*number = n;
	return 0;
}

int text_parse_number(const char *s, uint64_t max, uint64_t *number)
{
	int rc = text_digits(&s, max, number);

	if (rc)
		return rc;
	return *s ? -EINVAL : 0;
}

int text_parse_size(const char *s, uint64_t *size)
{
	const char *suffix;
	unsigned int shift = 0;
	uint64_t n;
	int rc;

	rc = text_digits(&s, UINT64_MAX, &n);
	if (rc)
		return rc;
	if (*s) {
		suffix = strchr(text_suffixes, toupper((unsigned char)*s));
		if (!suffix)
			return -EINVAL;
		shift = 10 * (suffix - text_suffixes + 1);
		s++;
		if (!strcmp(s, "iB"))
			s += 2;
		if (*s)
			return -EINVAL;
	}
	if (n > UINT64_MAX >> shift)
		return -ERANGE;
	*size = n << shift;
	return 0;
}

int text_parse_seconds(const char *s, uint32_t *milliseconds)
{
	uint64_t whole, fraction = 0;
	unsigned int scale = 100;
	int rc;

	rc = text_digits(&s, TEXT_MS_MAX / 1000, &whole);
	if (rc)
		return rc;
	if (*s == '.') {
		s++;
		if (!isdigit((unsigned char)*s))
			return -EINVAL;
		for (; isdigit((unsigned char)*s); s++, scale /= 10)
			fraction += (*s - '0') * scale;
	}
	if (*s)
		return -EINVAL;
	if (whole * 1000 + fraction > TEXT_MS_MAX)
		return -ERANGE;
	*milliseconds = whole * 1000 + fraction;
	return 0;
}

char *text_put_number(char *to, uint64_t number, unsigned int width)
{
	char digits[TEXT_NUMBER_ROOM], *at = digits + sizeof(digits);
	size_t length;

	do {
		*--at = '0' + number % 10;
		number /= 10;
	} while (number);
	length = digits + sizeof(digits) - at;
	if (width > length) {
		memset(to, ' ', width - length);
		to += width - length;
	}
	memcpy(to, at, length);
	return to + length;
}

char *text_format_size(char *to, uint64_t size)
{
	unsigned int unit = 0;
	double value = size;

	while (value >= 1024 && unit < sizeof(text_suffixes) - 1) {
		value /= 1024;
		unit++;
	}
	if (!unit)
		snprintf(to, TEXT_SIZE_ROOM, "%uB", (unsigned int)size);
	else if (value == (unsigned int)value)
		snprintf(to, TEXT_SIZE_ROOM, "%u%c", (unsigned int)value, text_suffixes[unit - 1]);
	else
		snprintf(to, TEXT_SIZE_ROOM, "%.1f%c", value, text_suffixes[unit - 1]);
	return to;
}

int text_write(int fd, const char *text, size_t length)
{
	ssize_t n;

	for (; length; text += n, length -= n) {
		n = write(fd, text, length);
		if (n < 0 && errno != EINTR)
			return errno;
		n = n < 0 ? 0 : n;
	}
	return 0;
}
