/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_LOG_H
#define NBD_HELPER_LOG_H

#include <stdbool.h>

/* Longer messages are cut; the longest is a cause of an error with something before it. */
#define LOG_TEXT_ROOM	2048

struct error;

enum log_level {
	LOG_LEVEL_NOTE,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_ERROR,
};

/* Messages go to stderr, data to stdout. */
void log_start(const char *program);
void log_be_verbose(void);
bool log_is_verbose(void);

/* From now on messages go to @to, one line each, without a program's name before it. */
void log_divert(void (*to)(enum log_level level, const char *text));

/* Only with --verbose. */
void log_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_error(const struct error *err);

#endif
