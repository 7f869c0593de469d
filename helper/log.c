// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "error.h"
#include "log.h"

static const char *log_program = "nbd-attach";
static bool log_verbose;

void log_start(const char *program)
{
	log_program = program;
	log_verbose = false;
}

void log_be_verbose(void)
{
	log_verbose = true;
}

static void log_line(const char *kind, const char *fmt, va_list ap)
{
	fprintf(stderr, "%s: %s", log_program, kind);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

void log_note(const char *fmt, ...)
{
	va_list ap;

	if (!log_verbose)
		return;
	va_start(ap, fmt);
	log_line("", fmt, ap);
	va_end(ap);
}

void log_warning(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line("warning: ", fmt, ap);
	va_end(ap);
}

void log_error(const struct error *err)
{
	fprintf(stderr, "%s: %s\n", log_program, err->cause);
	if (err->hint[0])
		fprintf(stderr, "hint: %s\n", err->hint);
}
