// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"
#include "base/log.h"

static const char *log_program = "nbd-attach";
static bool log_verbose;
static void (*log_diverted)(enum log_level level, const char *text);

void log_start(const char *program)
{
	log_program = program;
	log_verbose = false;
	log_diverted = NULL;
}

void log_be_verbose(void)
{
	log_verbose = true;
}

bool log_is_verbose(void)
{
	return log_verbose;
}

void log_divert(void (*to)(enum log_level level, const char *text))
{
	log_diverted = to;
}

static void log_line(enum log_level level, const char *fmt, va_list ap)
{
	char text[LOG_TEXT_ROOM];

	vsnprintf(text, sizeof(text), fmt, ap);
	if (log_diverted)
		log_diverted(level, text);
	else
		fprintf(stderr, "%s: %s%s\n", log_program,
			level == LOG_LEVEL_WARNING ? "warning: " : "", text);
}

void log_note(const char *fmt, ...)
{
	va_list ap;

	if (!log_verbose)
		return;
	va_start(ap, fmt);
	log_line(LOG_LEVEL_NOTE, fmt, ap);
	va_end(ap);
}

void log_warning(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_LEVEL_WARNING, fmt, ap);
	va_end(ap);
}

void log_error(const struct error *err)
{
	if (log_diverted) {
		log_diverted(LOG_LEVEL_ERROR, err->cause);
		return;
	}
	fprintf(stderr, "%s: %s\n", log_program, err->cause);
	if (err->hint[0])
		fprintf(stderr, "hint: %s\n", err->hint);
}
