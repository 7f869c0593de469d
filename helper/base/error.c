// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

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

int error_output(FILE *out, struct error *err)
{
	bool lost = ferror(out);

	errno = 0;
	if (!fflush(out) && !lost)
		return 0;
	/* The reason of an earlier failure is not known any more. */
	if (!errno)
		return error_set(err, EXIT_SYSTEM, "cannot write the output");
	return error_errno(err, EXIT_SYSTEM, errno, "cannot write the output");
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
