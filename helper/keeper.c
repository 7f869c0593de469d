// SPDX-License-Identifier: GPL-2.0-only
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "backoff.h"
#include "claim.h"
#include "daemon.h"
#include "error.h"
#include "export.h"
#include "keeper.h"
#include "kernel.h"
#include "log.h"
#include "negotiate.h"
#include "notify.h"
#include "renew.h"
#include "sandbox.h"
#include "target.h"
#include "transport.h"

/* An event may get lost, when there is no memory for it; so the device is looked at anyway. */
#define KEEPER_LOOK_MS	30000

/**
 * struct keeper - a keeper at work
 * @look: @device may not be as it was found
 * @whole: it had all its connections when it was last looked at
 * @display: what @target was made of; "" if there is none
 * @address: where the server was found last, if @address_length is not 0
 * @negotiation: for @slot, if it is under way
 * @todo: slots that this round of attempts has not come to yet
 * @sizes: what the connection in each slot had negotiated, if this keeper knows, else 0
 * @complaint: the last; it is made once
 */
struct keeper {
	const struct keeper_request *request;
	int claim;
	int signals;
	struct kernel *kernel;
	struct kernel_events *events;
	struct kernel_device device;
	uint64_t session;
	bool look;
	bool whole;
	char display[NBDCTL_NAME_MAX + 1];
	struct target target;
	struct sockaddr_storage address;
	socklen_t address_length;
	struct negotiation negotiation;
	uint32_t slot;
	uint64_t todo;
	struct backoff backoff;
	uint64_t sizes[KERNEL_MAX_CONNECTIONS];
	char complaint[sizeof(((struct error *)0)->cause)];
};

static uint64_t keeper_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

static void keeper_complain(struct keeper *keeper, const struct error *err)
{
	if (!strcmp(keeper->complaint, err->cause))
		return;
	strcpy(keeper->complaint, err->cause);
	log_warning("%s", err->cause);
}

static uint64_t keeper_empty_slots(const struct keeper *keeper)
{
	const struct kernel_device *device = &keeper->device;
	uint64_t empty = 0;
	unsigned int i;

	for (i = 0; i < device->n_slots; i++)
		if (device->slots[i].state == NBDCTL_SLOT_STATE_EMPTY &&
		    device->slots[i].index < KERNEL_MAX_CONNECTIONS)
			empty |= 1ULL << device->slots[i].index;
	return empty;
}

/* The device may have been moved to another server. */
static int keeper_find_target(struct keeper *keeper, struct error *err)
{
	if (keeper->display[0] && !strcmp(keeper->display, keeper->device.display))
		return 0;
	negotiation_cancel(&keeper->negotiation);
	memset(&keeper->backoff, 0, sizeof(keeper->backoff));
	keeper->address_length = 0;
	keeper->todo = 0;
	keeper->display[0] = '\0';
	if (renew_target(&keeper->device, &keeper->target, err))
		return -1;
	strcpy(keeper->display, keeper->device.display);
	return 0;
}

static void keeper_tell_manager(const struct keeper *keeper)
{
	const struct kernel_device *device = &keeper->device;
	unsigned int up = device->n_slots - __builtin_popcountll(keeper_empty_slots(keeper));

	notify("STATUS=%s%s, %u of %u connections", kernel_state_name(device->state),
	       device->gave_up ? ", gave up" : "", up, device->n_slots);
}

/* Finds out how the device is now. EXIT_FALSE if there is nothing to keep any more. */
static int keeper_look(struct keeper *keeper, struct error *err)
{
	struct kernel_device *device = &keeper->device;

	kernel_device_free(device);
	if (kernel_device(keeper->kernel, keeper->request->index, device, err))
		return -1;
	if (!keeper->session)
		keeper->session = device->session;
	if (device->session != keeper->session)
		return error_set(err, EXIT_FALSE, "it was attached anew");
	keeper->look = false;
	if (keeper->whole && keeper_empty_slots(keeper))
		backoff_lost(&keeper->backoff, keeper_now());
	keeper->whole = !keeper_empty_slots(keeper);
	keeper_tell_manager(keeper);
	/* Somebody else may have filled the slot. */
	if (!(keeper_empty_slots(keeper) & 1ULL << keeper->slot))
		negotiation_cancel(&keeper->negotiation);
	return keeper_find_target(keeper, err);
}

static bool keeper_is_wanted(const struct keeper *keeper)
{
	uint32_t state = keeper->device.state;

	return keeper->display[0] && keeper_empty_slots(keeper) &&
	       (state == NBDCTL_STATE_LIVE || state == NBDCTL_STATE_WAITING ||
		state == NBDCTL_STATE_DRAINING);
}

static int keeper_negotiate(struct keeper *keeper, struct error *err)
{
	struct negotiation_request request = {
		.connect = {
			.peer_timeout = keeper->request->peer_timeout,
			.address = keeper->address_length ?
				   (const struct sockaddr *)&keeper->address : NULL,
			.address_length = keeper->address_length,
		},
		.milliseconds = keeper->request->connect_timeout,
	};

	renew_request(&keeper->device, &keeper->target, &request);
	return negotiation_start(&keeper->negotiation, &request, err);
}

/* Slots are filled one after the other; each gets one attempt in a round. */
static void keeper_begin(struct keeper *keeper)
{
	struct error err;

	keeper->todo &= keeper_empty_slots(keeper);
	if (!keeper->todo) {
		if (backoff_left(&keeper->backoff, keeper_now()))
			return;
		keeper->todo = keeper_empty_slots(keeper);
	}
	keeper->slot = __builtin_ctzll(keeper->todo);
	if (!keeper_negotiate(keeper, &err))
		return;
	keeper_complain(keeper, &err);
	keeper->todo = 0;
	backoff_failed(&keeper->backoff, keeper_now(), rand());
}

static int keeper_hand_over(struct keeper *keeper, const struct export *export, int fd,
			    struct error *err)
{
	const struct kernel_replace replace = {
		.device = &keeper->device,
		.n_connections = 1,
		.slots = &keeper->slot,
		.exports = export,
		.fds = &fd,
		/* The device may just have been moved to another server. */
		.unless_changed = true,
	};

	keeper->address_length = sizeof(keeper->address);
	if (getpeername(fd, (struct sockaddr *)&keeper->address, &keeper->address_length) ||
	    (keeper->address.ss_family != AF_INET && keeper->address.ss_family != AF_INET6))
		keeper->address_length = 0;
	if (kernel_replace(keeper->kernel, &replace, err)) {
		/* If the driver has it, nobody else may write to it. */
		if (kernel_answered(keeper->kernel))
			socket_disconnect(fd);
		return -1;
	}
	keeper->sizes[keeper->slot] = export->size;
	return 0;
}

static void keeper_worked(struct keeper *keeper)
{
	keeper->complaint[0] = '\0';
	keeper->todo &= ~(1ULL << keeper->slot);
	if (!keeper->todo)
		backoff_worked(&keeper->backoff, keeper_now(), rand());
}

/* The negotiation has ended. */
static void keeper_finish(struct keeper *keeper)
{
	struct export export;
	bool hopeless = false;
	struct error err;
	int fd, rc;

	rc = negotiation_finish(&keeper->negotiation, &export, &fd, &err);
	if (!rc) {
		rc = keeper_hand_over(keeper, &export, fd, &err);
		/* What the driver refuses is not the export that was attached. */
		hopeless = rc && err.code == EXIT_EXPORT;
		close(fd);
		export_free(&export);
	}
	keeper->look = true;
	if (!rc) {
		keeper_worked(keeper);
		return;
	}
	keeper_complain(keeper, &err);
	keeper->todo = 0;
	if (hopeless)
		backoff_hopeless(&keeper->backoff, keeper_now(), rand());
	else
		backoff_failed(&keeper->backoff, keeper_now(), rand());
}

/* The disk grows when the export has on all connections. */
static void keeper_grow(struct keeper *keeper)
{
	const struct kernel_device *device = &keeper->device;
	uint64_t size = UINT64_MAX;
	struct error err;
	unsigned int i;

	if (keeper_empty_slots(keeper))
		return;
	for (i = 0; i < device->n_slots; i++)
		if (keeper->sizes[i] < size)
			size = keeper->sizes[i];
	if (size == UINT64_MAX || size <= device->size)
		return;
	keeper->look = true;
	if (!kernel_resize(keeper->kernel, device, size, &err))
		return;
	keeper_complain(keeper, &err);
	memset(keeper->sizes, 0, sizeof(keeper->sizes));
}

static bool keeper_is_busy(const struct keeper *keeper)
{
	return negotiation_fd(&keeper->negotiation) >= 0;
}

static int keeper_patience(struct keeper *keeper)
{
	int left = KEEPER_LOOK_MS;

	if (keeper_is_busy(keeper))
		left = negotiation_left(&keeper->negotiation);
	else if (keeper->look)
		left = BACKOFF_FIRST_MS;
	else if (keeper_is_wanted(keeper))
		left = backoff_left(&keeper->backoff, keeper_now());
	return left < KEEPER_LOOK_MS ? left : KEEPER_LOOK_MS;
}

/* What a signal says: SIGHUP to try now, the others to stop. */
static bool keeper_goes_on(struct keeper *keeper)
{
	struct signalfd_siginfo info;

	if (read(keeper->signals, &info, sizeof(info)) != sizeof(info))
		return true;
	if (info.ssi_signo != SIGHUP)
		return false;
	memset(&keeper->backoff, 0, sizeof(keeper->backoff));
	keeper->look = true;
	return true;
}

/* Returns false when a signal says to stop. */
static bool keeper_wait(struct keeper *keeper)
{
	struct pollfd fds[] = {
		{ .fd = keeper->signals, .events = POLLIN },
		{ .fd = kernel_events_fd(keeper->events), .events = POLLIN },
		{ .fd = negotiation_fd(&keeper->negotiation), .events = POLLIN },
	};
	int patience = keeper_patience(keeper);
	int rc = poll(fds, sizeof(fds) / sizeof(fds[0]), patience);

	if (!rc && patience == KEEPER_LOOK_MS)
		keeper->look = true;
	if (rc > 0 && fds[1].revents &&
	    kernel_events_take(keeper->events, keeper->request->index))
		keeper->look = true;
	return rc <= 0 || !fds[0].revents || keeper_goes_on(keeper);
}

/* Works until the device is no longer there, or a signal says to stop. */
static void keeper_loop(struct keeper *keeper)
{
	struct error err;

	do {
		if (keeper->look && keeper_look(keeper, &err)) {
			if (err.code == EXIT_FALSE)
				return;
			keeper_complain(keeper, &err);
		}
		if (keeper_is_busy(keeper)) {
			if (negotiation_ready(&keeper->negotiation) ||
			    !negotiation_left(&keeper->negotiation))
				keeper_finish(keeper);
		} else if (!keeper->look && keeper_is_wanted(keeper)) {
			keeper_begin(keeper);
		} else if (!keeper->look) {
			keeper_grow(keeper);
		}
	} while (keeper_wait(keeper));
}

static int keeper_signals(struct keeper *keeper)
{
	sigset_t stop;

	sigemptyset(&stop);
	sigaddset(&stop, SIGHUP);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	signal(SIGPIPE, SIG_IGN);
	keeper->signals = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
	return keeper->signals < 0 ? -1 : 0;
}

static int keeper_open(struct keeper *keeper, int *report, struct error *err)
{
	const struct keeper_request *request = keeper->request;
	char name[16];

	if (daemon_leave(report, err) ||
	    claim_take(request->index, request->patience, &keeper->claim, err))
		return -1;
	/* Not when the disk is gone, and memory perhaps with it. */
	if (sandbox_prepare(err))
		return -1;
	keeper->kernel = kernel_open(err);
	if (!keeper->kernel)
		return -1;
	keeper->events = kernel_events_open(err);
	if (!keeper->events)
		return -1;
	if (keeper_signals(keeper))
		return error_set(err, EXIT_SYSTEM, "cannot wait for signals");
	/* Who listens first and looks then misses nothing. */
	if (keeper_look(keeper, err))
		return -1;
	snprintf(name, sizeof(name), "nbd%u", request->index);
	if (daemon_silence(name, err))
		return -1;
	daemon_protect();
	srand(getpid() ^ keeper_now());
	return 0;
}

static void keeper_close(struct keeper *keeper)
{
	negotiation_cancel(&keeper->negotiation);
	kernel_device_free(&keeper->device);
	kernel_events_close(keeper->events);
	kernel_close(keeper->kernel);
	if (keeper->signals >= 0)
		close(keeper->signals);
	claim_drop(keeper->request->index, keeper->claim);
	free(keeper);
}

static struct keeper *keeper_new(const struct keeper_request *request, struct error *err)
{
	struct keeper *keeper = calloc(1, sizeof(*keeper));

	if (!keeper) {
		error_set(err, EXIT_SYSTEM, "no memory for a keeper");
		return NULL;
	}
	keeper->request = request;
	keeper->session = request->session;
	keeper->claim = -1;
	keeper->signals = -1;
	return keeper;
}

int keeper_run(const struct keeper_request *request, struct error *err)
{
	struct keeper *keeper = keeper_new(request, err);
	int rc, report = -1;

	if (!keeper)
		return -1;
	rc = keeper_open(keeper, &report, err);
	if (!rc) {
		notify("READY=1\nMAINPID=%d", getpid());
		keeper_loop(keeper);
		notify("STOPPING=1");
	}
	keeper_close(keeper);
	return rc;
}

int keeper_start(const struct keeper_request *request, struct error *err)
{
	struct keeper *keeper;
	int rc, report;

	rc = daemon_fork(&report, err);
	if (rc <= 0)
		return rc;
	keeper = keeper_new(request, err);
	rc = keeper ? keeper_open(keeper, &report, err) : -1;
	daemon_report(report, rc ? err : NULL);
	if (!rc)
		keeper_loop(keeper);
	if (keeper)
		keeper_close(keeper);
	_exit(EXIT_DONE);
}
