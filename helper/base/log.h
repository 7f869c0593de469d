/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_LOG_H
#define NBD_HELPER_LOG_H

#include <stdbool.h>

/* Longer messages are cut; the longest is a cause of struct error with a prefix. */
#define LOG_TEXT_ROOM	2048

struct error;

enum log_level {
	LOG_LEVEL_NOTE,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_ERROR,
};

/* Starts to log as @program. Messages go to stderr, data to stdout. */
void log_start(const char *program);
void log_be_verbose(void);
bool log_is_verbose(void);

/* Passes messages to @to from now on, one line each, without the name of the program. */
void log_divert(void (*to)(enum log_level level, const char *text));

/* Printed only with --verbose. */
void log_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_error(const struct error *err);

#endif
