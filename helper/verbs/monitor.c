// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "base/process.h"
#include "base/text.h"
#include "kernel/device.h"
#include "kernel/kernel.h"
#include "kernel/modload.h"
#include "verbs/attach-args.h"
#include "verbs/monitor.h"

/* Room for "2026-01-31T23:59:59.999+01:00" */
#define MONITOR_TIME_ROOM	32

/**
 * struct monitor - the output
 * @failed: errno of a write, or 0
 */
struct monitor {
	const struct attach_args *args;
	int failed;
};

/* The time in ISO 8601, to the millisecond. Events have none, so it is that of their arrival. */
static void monitor_time(char *to)
{
	struct timespec now;
	struct tm local;
	char zone[8];
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &local);
	strftime(zone, sizeof(zone), "%z", &local);
	n = strftime(to, MONITOR_TIME_ROOM, "%FT%T", &local);
	snprintf(to + n, MONITOR_TIME_ROOM - n, ".%03ld%.3s:%s", now.tv_nsec / 1000000, zone,
		 zone + 3);
}

static const char *monitor_refusal(uint32_t reason)
{
	switch (reason) {
	case EROFS:
		return "the export has become read-only";
	case ESTALE:
		return "the export is smaller, or lacks what the disk relies on";
	default:
		return strerror(reason);
	}
}

static void monitor_say(FILE *out, const struct kernel_event *event)
{
	switch (event->command) {
	case NBDCTL_CMD_ATTACHED_EVENT:
		fputs("attached", out);
		break;
	case NBDCTL_CMD_CONNECTION_DOWN_EVENT:
		if (event->reason)
			fprintf(out, "connection %u lost: %s", event->slot,
				strerror(event->reason));
		else
			fprintf(out, "connection %u closed", event->slot);
		break;
	case NBDCTL_CMD_CONNECTION_UP_EVENT:
		fprintf(out, "connection %u established", event->slot);
		break;
	case NBDCTL_CMD_RESIZED_EVENT:
		fprintf(out, "resized to %" PRIu64 " bytes", event->size);
		break;
	case NBDCTL_CMD_GIVING_UP_EVENT:
		fputs("dead-connection timeout expired, requests fail", out);
		break;
	case NBDCTL_CMD_DETACHED_EVENT:
		fputs("detached", out);
		break;
	case NBDCTL_CMD_CONNECTION_REFUSED_EVENT:
		fprintf(out, "connection %u refused: %s", event->slot,
			monitor_refusal(event->reason));
		break;
	case NBDCTL_CMD_DETACH_FAILED_EVENT:
		fprintf(out, "detach called off: %s", strerror(event->reason));
		break;
	default:
		fprintf(out, "event %u, which this version does not know", event->command);
		break;
	}
}

static void monitor_json(FILE *out, const char *time, const struct kernel_event *event)
{
	char path[DEVICE_PATH_MAX];
	struct json json;

	json_start_line(&json, out);
	json_object(&json, NULL);
	json_string(&json, "time", time);
	json_string(&json, "event", event ? kernel_event_name(event->command) : "lost");
	if (event) {
		json_string(&json, "device", device_path(path, event->index));
		json_number(&json, "index", event->index);
		json_number(&json, "session", event->session);
		if (event->has_slot)
			json_number(&json, "connection", event->slot);
		if (event->has_slot || event->reason)
			json_number(&json, "reason", event->reason);
		if (event->command == NBDCTL_CMD_RESIZED_EVENT)
			json_number(&json, "size", event->size);
	}
	json_end(&json);
}

static void monitor_text(FILE *out, const char *time, const struct kernel_event *event)
{
	fprintf(out, "%s ", time);
	if (event) {
		fprintf(out, "nbd%u: ", event->index);
		monitor_say(out, event);
	} else {
		fputs("events were lost, as they came too fast", out);
	}
	putc('\n', out);
}

/* Prints an event; NULL if some were lost. */
static void monitor_print(void *context, const struct kernel_event *event)
{
	struct monitor *monitor = context;
	const struct attach_args *args = monitor->args;
	char time[MONITOR_TIME_ROOM], *text = NULL;
	size_t length;
	FILE *out;

	if (monitor->failed || (event && args->has_device && event->index != args->device))
		return;
	monitor->failed = ENOMEM;
	out = open_memstream(&text, &length);
	if (!out)
		return;
	monitor_time(time);
	if (args->json)
		monitor_json(out, time, event);
	else
		monitor_text(out, time, event);
	if (!fclose(out))
		monitor->failed = text_write(STDOUT_FILENO, text, length);
	free(text);
}

static int monitor_no_driver(const char *what, struct error *err)
{
	error_set(err, EXIT_MODULE, "%s", what);
	error_hint(err, "\"modprobe nbd\" loads it");
	return -1;
}

static int monitor_loop(struct monitor *monitor, struct kernel_events *events, int signals,
			struct error *err)
{
	/* Nothing is expected of the output but that its reader closes it. */
	struct pollfd pfds[] = {
		{ .fd = kernel_events_fd(events), .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
		{ .fd = STDOUT_FILENO },
	};

	while (!monitor->failed) {
		if (poll(pfds, sizeof(pfds) / sizeof(pfds[0]), -1) < 0 && errno != EINTR)
			return error_errno(err, EXIT_SYSTEM, errno, "cannot wait for events");
		if (kernel_events_each(events, monitor_print, monitor))
			monitor_print(monitor, NULL);
		if (pfds[1].revents || pfds[2].revents)
			return 0;
		if (kernel_events_driver_gone(events))
			return monitor_no_driver("the nbd driver was unloaded", err);
	}
	if (monitor->failed == EPIPE)
		return 0;
	return error_errno(err, EXIT_SYSTEM, monitor->failed, "cannot write the output");
}

int monitor_run(const struct attach_args *args, struct error *err)
{
	struct kernel *kernel = modload_open_loaded(err);
	struct monitor monitor = { .args = args };
	struct kernel_events *events;
	int signals, rc = -1;

	if (!kernel)
		return err->code != EXIT_FALSE ? -1 :
		       monitor_no_driver("the nbd driver is not loaded", err);
	kernel_close(kernel);
	events = kernel_events_open(err);
	if (!events)
		return -1;
	signals = process_catch(0);
	if (signals < 0)
		error_errno(err, EXIT_SYSTEM, errno, "cannot wait for signals");
	else if (!kernel_events_watch_driver(events, err))
		rc = monitor_loop(&monitor, events, signals, err);
	if (signals >= 0)
		close(signals);
	kernel_events_close(events);
	return rc;
}
