// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "base/error.h"
#include "base/process.h"
#include "base/text.h"
#include "base/transport.h"
#include "kernel/kernel.h"
#include "verbs/watch.h"

/* Least time between two pictures, in which events are collected */
#define WATCH_PAUSE_MS	100

/* Distance of the stops of a tab */
#define WATCH_TAB	8

/* Sequences of all terminals: to the top; the rest of line and screen; wrapping of lines */
#define WATCH_HOME		"\033[H"
#define WATCH_CLEAR_LINE	"\033[K"
#define WATCH_CLEAR_REST	"\033[J"
#define WATCH_NO_WRAP		"\033[?7l"
#define WATCH_WRAP		"\033[?7h"

/**
 * struct watcher - the state of watch_run()
 * @terminal: the output is a terminal
 * @signals: file of process_catch()
 * @events: events of the driver, NULL while there is none
 * @stop: a signal has come, or the reader has gone
 * @shown: pictures so far
 */
struct watcher {
	const struct watch *watch;
	bool terminal;
	int signals;
	struct kernel_events *events;
	bool stop;
	unsigned int shown;
};

/**
 * struct watch_screen - a picture that is being composed for a terminal
 * @rows: of the terminal, UINT_MAX if unknown
 * @columns: of the terminal, UINT_MAX if unknown
 */
struct watch_screen {
	FILE *out;
	unsigned int rows;
	unsigned int columns;
};

static void watch_measure(struct watch_screen *screen)
{
	struct winsize size = { 0 };

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	screen->rows = size.ws_row ?: UINT_MAX;
	screen->columns = size.ws_col ?: UINT_MAX;
}

/* Reads a character, and moves @column past it. Returns its length in bytes. */
static size_t watch_character(const char *s, size_t length, unsigned int *column)
{
	mbstate_t state = { 0 };
	wchar_t c;
	size_t n = mbrtowc(&c, s, length, &state);
	int width = n && n <= length ? wcwidth(c) : -1;

	if (*s == '\t')
		*column += WATCH_TAB - *column % WATCH_TAB;
	else
		*column += width < 0 ? 1 : width;
	return width < 0 ? 1 : n;
}

/*
 * Writes as much of a line as the screen is wide: of a longer one, a terminal that does not wrap
 * shows the last character in the last column. The line is erased first: tabs leave what is there,
 * and once the last column is written, the cursor is still on it.
 */
static void watch_line(const struct watch_screen *screen, const char *line, size_t length)
{
	unsigned int column = 0;
	size_t fits = 0, next = 0;

	while (next < length && column < screen->columns) {
		next += watch_character(line + next, length - next, &column);
		if (column <= screen->columns)
			fits = next;
	}
	fprintf(screen->out, WATCH_CLEAR_LINE "%.*s\n", (int)fits, line);
}

static void watch_title(const struct watch_screen *screen, uint32_t interval)
{
	time_t now = time(NULL);
	struct tm local;
	char when[32], title[80];
	int length;

	strftime(when, sizeof(when), "%F %T", localtime_r(&now, &local));
	length = snprintf(title, sizeof(title), "%s, every %g s and at events", when,
			  interval / 1000.0);
	watch_line(screen, title, length);
	watch_line(screen, "", 0);
}

/* Writes the lines of @text that fit below a title of two lines. */
static void watch_lines(const struct watch_screen *screen, const char *text)
{
	unsigned int room = screen->rows > 4 ? screen->rows - 4 : 1, more = 0;
	const char *end;

	for (; *text; text = *end ? end + 1 : end) {
		end = strchrnul(text, '\n');
		if (room) {
			watch_line(screen, text, end - text);
			room--;
		} else {
			more++;
		}
	}
	if (more)
		fprintf(screen->out, WATCH_CLEAR_LINE "%u more lines\n", more);
}

static void watch_compose(const struct watcher *watcher, FILE *out, const char *text)
{
	struct watch_screen screen = { .out = out };

	if (!watcher->terminal) {
		fprintf(out, "%s%s", watcher->shown ? "\n" : "", text);
		return;
	}
	watch_measure(&screen);
	fputs(WATCH_HOME WATCH_NO_WRAP, out);
	watch_title(&screen, watcher->watch->interval);
	watch_lines(&screen, text);
	fputs(WATCH_WRAP WATCH_CLEAR_REST, out);
}

/* A picture is written at once, so that the screen does not flicker. */
static int watch_put(struct watcher *watcher, const char *text, struct error *err)
{
	char *picture = NULL;
	size_t length;
	FILE *out = open_memstream(&picture, &length);
	int failed = ENOMEM;

	if (out) {
		watch_compose(watcher, out, text);
		if (!fclose(out))
			failed = text_write(STDOUT_FILENO, picture, length);
		free(picture);
	}
	watcher->shown++;
	watcher->stop |= failed == EPIPE;
	if (!failed || failed == EPIPE)
		return 0;
	return error_errno(err, EXIT_SYSTEM, failed, "cannot write the output");
}

static int watch_show(struct watcher *watcher, struct error *err)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	int rc;

	if (!out)
		return error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot allocate the output");
	rc = watcher->watch->print(watcher->watch->context, out, err);
	if (fclose(out) && !rc)
		rc = error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot allocate the output");
	if (!rc)
		rc = watch_put(watcher, text, err);
	free(text);
	return rc;
}

/* Without a driver there are no events, only time. */
static void watch_subscribe(struct watcher *watcher)
{
	struct error ignored;

	if (watcher->events && kernel_events_driver_gone(watcher->events)) {
		kernel_events_close(watcher->events);
		watcher->events = NULL;
	}
	if (!watcher->events) {
		watcher->events = kernel_events_open(&ignored);
		if (watcher->events)
			kernel_events_watch_driver(watcher->events, &ignored);
	}
}

static void watch_ignore_event(void *context, const struct kernel_event *event)
{
	(void)context;
	(void)event;
}

/* True if the picture is to be renewed at once, or no more. */
static bool watch_signalled(struct watcher *watcher)
{
	struct signalfd_siginfo info;
	bool any = false;

	while (read(watcher->signals, &info, sizeof(info)) == sizeof(info)) {
		any = true;
		watcher->stop |= info.ssi_signo != SIGWINCH;
	}
	return any;
}

/* Waits for a signal, the end of the reader, and, if there is @events, an event. */
static void watch_wait(struct watcher *watcher, struct kernel_events *events,
		       unsigned int milliseconds)
{
	struct deadline deadline = deadline_in(milliseconds);
	struct pollfd pfds[] = {
		{ .fd = watcher->signals, .events = POLLIN },
		{ .fd = STDOUT_FILENO },
		{ .fd = events ? kernel_events_fd(events) : -1, .events = POLLIN },
	};
	int n;

	do {
		n = poll(pfds, sizeof(pfds) / sizeof(pfds[0]), deadline_left(&deadline));
	} while (n < 0 && errno == EINTR);
	watcher->stop |= n < 0 || pfds[1].revents;
}

int watch_run(const struct watch *watch, struct error *err)
{
	struct watcher watcher = {
		.watch = watch,
		.terminal = isatty(STDOUT_FILENO),
		.signals = process_catch(SIGWINCH),
	};
	int rc = 0;

	if (watcher.signals < 0)
		return error_errno(err, EXIT_SYSTEM, errno, "cannot wait for signals");
	while (!rc && !watcher.stop) {
		/* Before the picture, so that no change after it is missed */
		watch_subscribe(&watcher);
		if (watcher.events)
			kernel_events_each(watcher.events, watch_ignore_event, NULL);
		rc = watch_show(&watcher, err);
		if (rc || watcher.stop)
			break;
		watch_wait(&watcher, NULL, WATCH_PAUSE_MS);
		if (!watch_signalled(&watcher) && watch->interval > WATCH_PAUSE_MS)
			watch_wait(&watcher, watcher.events, watch->interval - WATCH_PAUSE_MS);
		watch_signalled(&watcher);
	}
	kernel_events_close(watcher.events);
	close(watcher.signals);
	return rc;
}
