// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "error.h"

int error_set(struct error *err, enum exit_code code, const char *fmt, ...)
{
	va_list ap;

	err->code = code;
	err->hint[0] = '\0';
	va_start(ap, fmt);
	vsnprintf(err->cause, sizeof(err->cause), fmt, ap);
	va_end(ap);
	return -1;
}

int error_errno(struct error *err, enum exit_code code, int errnum, const char *fmt, ...)
{
	va_list ap;
	size_t len;

	err->code = code;
	err->hint[0] = '\0';
	va_start(ap, fmt);
	vsnprintf(err->cause, sizeof(err->cause), fmt, ap);
	va_end(ap);
	len = strlen(err->cause);
	snprintf(err->cause + len, sizeof(err->cause) - len, ": %s", strerror(errnum));
	return -1;
}

void error_hint(struct error *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->hint, sizeof(err->hint), fmt, ap);
	va_end(ap);
}

void error_prefix(struct error *err, const char *fmt, ...)
{
	char old[sizeof(err->cause)];
	va_list ap;
	size_t len;

	memcpy(old, err->cause, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(err->cause, sizeof(err->cause), fmt, ap);
	va_end(ap);
	len = strlen(err->cause);
	snprintf(err->cause + len, sizeof(err->cause) - len, ": %s", old);
}
