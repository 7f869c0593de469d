// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/process.h"
#include "base/text.h"
#include "base/transport.h"
#include "kernel/kernel.h"
#include "verbs/watch.h"

/* Least time between two pictures, in which events are collected */
#define WATCH_PAUSE_MS	100

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

static unsigned int watch_rows(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) ? 0 : size.ws_row;
}

static void watch_title(FILE *out, uint32_t interval)
{
	time_t now = time(NULL);
	struct tm local;
	char text[32];

	strftime(text, sizeof(text), "%F %T", localtime_r(&now, &local));
	fprintf(out, "%s, every %g s and at events" WATCH_CLEAR_LINE "\n" WATCH_CLEAR_LINE "\n",
		text, interval / 1000.0);
}

/* Copies lines of @text to a screen of @rows, 0 if unknown, that has a title of two lines. */
static void watch_lines(FILE *out, const char *text, unsigned int rows)
{
	unsigned int room = rows > 4 ? rows - 4 : rows ? 1 : UINT32_MAX, more = 0;
	const char *end;

	for (; *text; text = *end ? end + 1 : end) {
		end = strchrnul(text, '\n');
		if (room) {
			fprintf(out, "%.*s" WATCH_CLEAR_LINE "\n", (int)(end - text), text);
			room--;
		} else {
			more++;
		}
	}
	if (more)
		fprintf(out, "%u more lines" WATCH_CLEAR_LINE "\n", more);
}

static void watch_compose(const struct watcher *watcher, FILE *out, const char *text)
{
	if (!watcher->terminal) {
		fprintf(out, "%s%s", watcher->shown ? "\n" : "", text);
		return;
	}
	fputs(WATCH_HOME WATCH_NO_WRAP, out);
	watch_title(out, watcher->watch->interval);
	watch_lines(out, text, watch_rows());
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
