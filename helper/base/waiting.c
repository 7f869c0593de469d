// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/waiting.h"

#define WAITING_TERMINAL_S	2
#define WAITING_LOG_S		10
#define WAITING_TEXT_ROOM	200

/* Clears the line: before each message, and after the last one. */
static const char waiting_clear[] = "\r\033[K";

static time_t waiting_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

struct waiting waiting_begin(void)
{
	return (struct waiting){ .begin = waiting_now() };
}

void waiting_say(struct waiting *waiting, const char *fmt, ...)
{
	long long seconds = waiting_now() - waiting->begin;
	bool terminal = isatty(STDERR_FILENO);
	char text[WAITING_TEXT_ROOM];
	va_list ap;

	if (seconds < (terminal ? WAITING_TERMINAL_S : WAITING_LOG_S) ||
	    (waiting->said && !terminal))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	waiting->said = true;
	if (terminal)
		fprintf(stderr, "%s%s, for %lld s ", waiting_clear, text, seconds);
	else
		log_warning("%s, for %lld s so far", text, seconds);
}

void waiting_end(const struct waiting *waiting)
{
	if (waiting->said && isatty(STDERR_FILENO))
		fputs(waiting_clear, stderr);
}
