// SPDX-License-Identifier: GPL-2.0-only
/*
 * The log: one line per event, each written by one write(2), so that lines of several connections
 * never mix and a test can read the file at any moment.
 */
#include <err.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "server.h"

static int log_fd = -1;

void log_open(void)
{
	if (!opt.log)
		return;
	log_fd = open(opt.log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
	if (log_fd < 0)
		err(1, "%s", opt.log);
}

static void log_write(int fd, const char *line, int len)
{
	if (fd >= 0 && write(fd, line, len) != len)
		warn("log");
}

/* Whatever came from a client is printed with its control bytes replaced. */
static int log_format(char *line, size_t size, const char *prefix, const char *fmt, va_list ap)
{
	int len = snprintf(line, size, "%s", prefix);

	len += vsnprintf(line + len, size - len, fmt, ap);
	if ((size_t)len > size - 2)
		len = size - 2;
	for (int i = 0; i < len; i++)
		if ((unsigned char)line[i] < ' ')
			line[i] = '?';
	line[len++] = '\n';
	return len;
}

void logf_line(const char *fmt, ...)
{
	char line[600];
	va_list ap;

	if (log_fd < 0)
		return;
	va_start(ap, fmt);
	log_write(log_fd, line, log_format(line, sizeof(line), "", fmt, ap));
	va_end(ap);
}

void violation(struct conn *c, const char *fmt, ...)
{
	char line[600], prefix[40];
	va_list ap;
	int len;

	snprintf(prefix, sizeof(prefix), "VIOLATION: conn=%u ", c->no);
	va_start(ap, fmt);
	len = log_format(line, sizeof(line), prefix, fmt, ap);
	va_end(ap);
	log_write(log_fd >= 0 ? log_fd : STDERR_FILENO, line, len);
}
