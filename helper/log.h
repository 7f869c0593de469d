/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_LOG_H
#define NBD_HELPER_LOG_H

struct error;

/* Messages go to stderr, data to stdout. */
void log_start(const char *program);
void log_be_verbose(void);

/* Only with --verbose. */
void log_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_error(const struct error *err);

#endif
