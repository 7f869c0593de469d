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

#include "base/error.h"
#include "base/log.h"
#include "base/transport.h"
#include "keeper/claim.h"
#include "keeper/daemon.h"
#include "keeper/keeper.h"
#include "keeper/notify.h"
#include "keeper/renew.h"
#include "kernel/kernel.h"
#include "negotiate/backoff.h"
#include "negotiate/export.h"
#include "negotiate/negotiate.h"
#include "negotiate/peers.h"
#include "negotiate/sandbox.h"
#include "negotiate/target.h"

/* How often to query the device, as an event may be lost for lack of memory. */
#define KEEPER_LOOK_MS	30000

/**
 * struct kept - the connection in a slot, if this keeper has made it
 * @made: when, in milliseconds; 0 if the slot has another connection, or none
 * @reconnects: of the slot, with this connection
 * @size: of the export in bytes, as negotiated
 * @peer: address of the server
 */
struct kept {
	uint64_t made;
	uint32_t reconnects;
	uint64_t size;
	struct sockaddr_storage peer;
	socklen_t peer_length;
};

/**
 * struct keeper - a running keeper
 * @look: @device has to be queried again
 * @looked: when it was queried last, in milliseconds
 * @display: what @target was parsed from; "" if there is none
 * @address: where the server was found last, if @address_length is not 0
 * @peers: when to try its addresses again
 * @negotiation: for @slot, if one is in progress
 * @pinned: it is limited to the address of the connections that work
 * @others_work: other connections worked when it began
 * @failures: number of attempts that have failed in a row
 * @kept: for each slot
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
	uint64_t looked;
	char display[NBDCTL_NAME_MAX + 1];
	struct target target;
	struct sockaddr_storage address;
	socklen_t address_length;
	struct peers peers;
	struct negotiation negotiation;
	bool pinned;
	bool others_work;
	unsigned int failures;
	uint32_t slot;
	struct kept kept[KERNEL_MAX_CONNECTIONS];
};

static uint64_t keeper_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

/* State of the server as a whole, or of its only address, if that is not TCP. */
static struct peer *keeper_server(struct keeper *keeper)
{
	return peers_get(&keeper->peers, NULL, 0);
}

static uint32_t keeper_hash(const char *text)
{
	uint32_t hash = 5381;

	while (*text)
		hash = hash * 33 ^ (unsigned char)*text++;
	return hash;
}

/* Logs a cause, unless it is the one logged last for this peer since a connection worked. */
static void keeper_complain(struct peer *peer, const struct error *err)
{
	uint32_t hash = keeper_hash(err->cause);

	if (peer->complaint == hash)
		return;
	peer->complaint = hash;
	log_warning("%s", err->cause);
}

static bool keeper_is_empty(const struct kernel_slot *slot)
{
	return slot->state == NBDCTL_SLOT_STATE_EMPTY && slot->index < KERNEL_MAX_CONNECTIONS;
}

/* The first empty slot from number @from on, else from 0 on; NULL if there is none. */
static const struct kernel_slot *keeper_empty_slot(const struct keeper *keeper, uint32_t from)
{
	const struct kernel_device *device = &keeper->device;
	const struct kernel_slot *first = NULL;
	unsigned int i;

	for (i = 0; i < device->n_slots; i++) {
		const struct kernel_slot *slot = &device->slots[i];

		if (!keeper_is_empty(slot))
			continue;
		if (slot->index >= from)
			return slot;
		if (!first)
			first = slot;
	}
	return first;
}

static const struct kernel_slot *keeper_find_slot(const struct keeper *keeper, uint32_t index)
{
	const struct kernel_device *device = &keeper->device;
	unsigned int i;

	for (i = 0; i < device->n_slots; i++)
		if (device->slots[i].index == index)
			return &device->slots[i];
	return NULL;
}

static bool keeper_is_up(const struct keeper *keeper)
{
	const struct kernel_device *device = &keeper->device;
	unsigned int i;

	for (i = 0; i < device->n_slots; i++)
		if (device->slots[i].state == NBDCTL_SLOT_STATE_UP)
			return true;
	return false;
}

/* Updates @target from the device, which may have been moved to another server. */
static int keeper_find_target(struct keeper *keeper, struct error *err)
{
	if (keeper->display[0] && !strcmp(keeper->display, keeper->device.display))
		return 0;
	negotiation_cancel(&keeper->negotiation);
	memset(&keeper->peers, 0, sizeof(keeper->peers));
	keeper->address_length = 0;
	keeper->failures = 0;
	keeper->display[0] = '\0';
	if (renew_target(&keeper->device, &keeper->target, err))
		return -1;
	strcpy(keeper->display, keeper->device.display);
	return 0;
}

/*
 * Drops what is known of a connection that is not in the slot any more. If it was lost soon after
 * it was made, it counts as a failure.
 */
static void keeper_check_kept(struct keeper *keeper, const struct kernel_slot *slot)
{
	struct kept *kept = &keeper->kept[slot->index];
	struct peer *peer;

	if (!kept->made || (kept->reconnects == slot->reconnects && !keeper_is_empty(slot)))
		return;
	if (kept->reconnects == slot->reconnects) {
		peer = peers_get(&keeper->peers, (struct sockaddr *)&kept->peer,
				 kept->peer_length);
		backoff_lost(&peer->backoff, kept->made, keeper_now(), rand());
	}
	memset(kept, 0, sizeof(*kept));
}

static void keeper_tell_manager(const struct keeper *keeper)
{
	const struct kernel_device *device = &keeper->device;
	unsigned int i, up = 0;

	for (i = 0; i < device->n_slots; i++)
		up += !keeper_is_empty(&device->slots[i]);
	notify("STATUS=%s%s, %u of %u connections", kernel_state_name(device->state),
	       device->gave_up ? ", dead-connection timeout expired" : "", up, device->n_slots);
}

/* Queries the device. EXIT_FALSE if the session has ended. */
static int keeper_look(struct keeper *keeper, struct error *err)
{
	struct kernel_device *device = &keeper->device;
	const struct kernel_slot *slot;
	unsigned int i;

	kernel_device_free(device);
	if (kernel_device(keeper->kernel, keeper->request->index, device, err))
		return -1;
	if (!keeper->session)
		keeper->session = device->session;
	if (device->session != keeper->session)
		return error_set(err, EXIT_FALSE, "it was attached again");
	keeper->look = false;
	keeper->looked = keeper_now();
	for (i = 0; i < device->n_slots; i++)
		if (device->slots[i].index < KERNEL_MAX_CONNECTIONS)
			keeper_check_kept(keeper, &device->slots[i]);
	keeper_tell_manager(keeper);
	/* Another process may have filled the slot. */
	slot = keeper_find_slot(keeper, keeper->slot);
	if (!slot || !keeper_is_empty(slot))
		negotiation_cancel(&keeper->negotiation);
	return keeper_find_target(keeper, err);
}

static bool keeper_is_wanted(const struct keeper *keeper)
{
	uint32_t state = keeper->device.state;

	return keeper->display[0] && keeper_empty_slot(keeper, 0) &&
	       (state == NBDCTL_STATE_LIVE || state == NBDCTL_STATE_WAITING ||
		state == NBDCTL_STATE_DRAINING);
}

/*
 * What the next attempt is for: the address of the working connections, or the server as a whole.
 */
static struct peer *keeper_peer(struct keeper *keeper)
{
	struct connect_request pin = { 0 };

	return renew_pin(&keeper->device, &pin) ?
	       peers_get(&keeper->peers, pin.address, pin.address_length) : keeper_server(keeper);
}

/* Milliseconds until the next attempt. */
static unsigned int keeper_left(struct keeper *keeper)
{
	return backoff_left(&keeper_peer(keeper)->backoff, keeper_now());
}

/* Called in the process that connects, a child of this one. */
static bool keeper_avoid(void *context, const struct sockaddr *address, socklen_t length)
{
	const struct keeper *keeper = context;

	return peers_left(&keeper->peers, address, length, keeper_now());
}

/*
 * While a connection works, new ones lead to its address, as a name may have addresses of several
 * servers. Otherwise all addresses that the name has now may be tried, except those in a pause.
 */
static int keeper_negotiate(struct keeper *keeper, struct error *err)
{
	struct negotiation_request request = {
		.connect = {
			.peer_timeout = keeper->request->peer_timeout,
			.address = keeper->address_length ?
				   (const struct sockaddr *)&keeper->address : NULL,
			.address_length = keeper->address_length,
			.avoid = keeper_avoid,
			.context = keeper,
		},
		.milliseconds = keeper->request->connect_timeout,
	};

	keeper->pinned = renew_pin(&keeper->device, &request.connect);
	keeper->others_work = keeper_is_up(keeper);
	renew_request(&keeper->device, &keeper->target, &request);
	return negotiation_start(&keeper->negotiation, &request, err);
}

/* Starts to negotiate for an empty slot, one at a time, unless its peer is in a pause. */
static void keeper_begin(struct keeper *keeper)
{
	struct peer *peer = keeper_peer(keeper);
	struct error err;

	if (backoff_left(&peer->backoff, keeper_now()))
		return;
	keeper->slot = keeper_empty_slot(keeper, keeper->slot)->index;
	if (!keeper_negotiate(keeper, &err))
		return;
	keeper_complain(peer, &err);
	backoff_failed(&peer->backoff, keeper_now(), rand());
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
		.unless_changed = true,
	};

	if (!kernel_replace(keeper->kernel, &replace, err))
		return 0;
	/* If it did not answer, it may have the connection: send nothing on it. */
	if (kernel_answered(keeper->kernel))
		socket_disconnect(fd);
	return -1;
}

static void keeper_worked(struct keeper *keeper, uint64_t size, int fd)
{
	struct peer *server = keeper_server(keeper), *peer;

	keeper->address_length = connect_peer(fd, &keeper->address);
	peer = peers_get(&keeper->peers, (struct sockaddr *)&keeper->address,
			 keeper->address_length);
	keeper->kept[keeper->slot] = (struct kept){
		.made = keeper_now(),
		.reconnects = keeper_find_slot(keeper, keeper->slot)->reconnects + 1,
		.size = size,
		.peer = keeper->address,
		.peer_length = keeper->address_length,
	};
	keeper->failures = 0;
	server->complaint = 0;
	peer->complaint = 0;
	if (peer != server)
		memset(&server->backoff, 0, sizeof(server->backoff));
	backoff_worked(&peer->backoff, keeper_now());
}

/*
 * All addresses have been tried: the server as a whole gets a pause, until the first of their
 * pauses ends, if there is one.
 */
static void keeper_pause(struct keeper *keeper)
{
	struct backoff *backoff = &keeper_server(keeper)->backoff;
	uint64_t next = peers_next(&keeper->peers, keeper_now());

	if (next)
		backoff->next = next;
	else if (!backoff_left(backoff, keeper_now()))
		backoff_failed(backoff, keeper_now(), rand());
}

/*
 * Starts a pause for addresses that could not be connected to. Returns the last that was tried,
 * NULL if none was.
 */
static struct peer *keeper_unreached(struct keeper *keeper)
{
	const struct verdict *verdict = &keeper->negotiation.verdict;
	struct peer *peer = NULL;
	unsigned int i;

	for (i = 0; i < verdict->n_tried; i++) {
		const struct verdict_tried *tried = &verdict->tried[i];

		peer = peers_get(&keeper->peers, (const struct sockaddr *)&tried->address,
				 tried->length);
		if (!tried->connected)
			backoff_failed(&peer->backoff, keeper_now(), rand());
	}
	return peer;
}

/* True if the attempt left out addresses, which can be tried at once. */
static bool keeper_has_others(const struct keeper *keeper)
{
	const struct verdict *verdict = &keeper->negotiation.verdict;

	return verdict->n_tried && verdict->tried[verdict->n_tried - 1].others &&
	       keeper->peers.n < PEERS_MAX;
}

/*
 * An address that failed gets a pause. But while other connections work, a failed handshake may be
 * due to this connection alone: if it is the first failure in a row, it causes no pause. In any
 * case the next slot has its turn.
 */
static void keeper_failed(struct keeper *keeper, const struct error *err, bool hopeless)
{
	bool connected = keeper->negotiation.verdict.connected;
	struct peer *tried = keeper_unreached(keeper);
	struct peer *peer = tried ? tried : keeper_peer(keeper);

	if (hopeless)
		backoff_hopeless(&peer->backoff, keeper_now(), rand());
	else if (connected ? !keeper->others_work || keeper->failures : !tried && keeper->pinned)
		backoff_failed(&peer->backoff, keeper_now(), rand());
	keeper->failures++;
	/* Nothing new to log if no address was tried as all are in a pause. */
	if (tried || connected || !peers_next(&keeper->peers, keeper_now()))
		keeper_complain(peer, err);
	if (!keeper->pinned && !keeper_has_others(keeper) && !(connected && keeper->others_work))
		keeper_pause(keeper);
	keeper->slot++;
}

/*
 * Looks at the device after the driver has refused a connection. True if the cause was not the
 * export: the slot has had another connection since, or the session has ended.
 */
static bool keeper_has_changed(struct keeper *keeper)
{
	const struct kernel_slot *slot = keeper_find_slot(keeper, keeper->slot);
	uint32_t reconnects = slot ? slot->reconnects : 0;
	struct error ignored;

	/* If this fails, keeper_loop() looks again, and deals with it. */
	if (keeper_look(keeper, &ignored)) {
		keeper->look = true;
		return true;
	}
	slot = keeper_find_slot(keeper, keeper->slot);
	return !slot || slot->reconnects != reconnects;
}

/* Completes a negotiation: hands the connection over, or deals with the failure. */
static void keeper_finish(struct keeper *keeper)
{
	struct export export;
	bool hopeless = false;
	struct error err;
	int fd, rc;

	rc = negotiation_finish(&keeper->negotiation, &export, &fd, &err);
	if (!rc) {
		rc = keeper_hand_over(keeper, &export, fd, &err);
		/* The driver refuses the export, usually as not the one that was attached. */
		hopeless = rc && err.code == EXIT_EXPORT;
		if (!rc)
			keeper_worked(keeper, export.size, fd);
		close(fd);
		export_free(&export);
	}
	keeper->look = true;
	if (rc && !(hopeless && keeper_has_changed(keeper)))
		keeper_failed(keeper, &err, hopeless);
}

/* Grows the disk once the export is larger on all connections, each made by this keeper. */
static void keeper_grow(struct keeper *keeper)
{
	const struct kernel_device *device = &keeper->device;
	uint64_t size = UINT64_MAX;
	struct error err;
	unsigned int i;

	for (i = 0; i < device->n_slots; i++) {
		uint32_t index = device->slots[i].index;
		const struct kept *kept = &keeper->kept[index];

		if (index >= KERNEL_MAX_CONNECTIONS || !kept->made)
			return;
		if (kept->size < size)
			size = kept->size;
	}
	if (size == UINT64_MAX || size <= device->size)
		return;
	keeper->look = true;
	if (!kernel_resize(keeper->kernel, device, size, &err))
		return;
	keeper_complain(keeper_server(keeper), &err);
	memset(keeper->kept, 0, sizeof(keeper->kept));
}

static bool keeper_is_busy(const struct keeper *keeper)
{
	return negotiation_fd(&keeper->negotiation) >= 0;
}

static int keeper_patience(struct keeper *keeper)
{
	uint64_t age = keeper_now() - keeper->looked;
	int limit = age < KEEPER_LOOK_MS ? KEEPER_LOOK_MS - age : 0, left;

	/* It is due, but the last query may have failed: do not spin. */
	if (keeper->look)
		limit = BACKOFF_FIRST_MS;
	left = limit;
	if (keeper_is_busy(keeper))
		left = negotiation_left(&keeper->negotiation);
	else if (!keeper->look && keeper_is_wanted(keeper))
		left = keeper_left(keeper);
	return left < limit ? left : limit;
}

/* Handles a signal. SIGHUP ends all pauses; others return false, to stop. */
static bool keeper_goes_on(struct keeper *keeper)
{
	struct signalfd_siginfo info;

	if (read(keeper->signals, &info, sizeof(info)) != sizeof(info))
		return true;
	if (info.ssi_signo != SIGHUP)
		return false;
	peers_forgive(&keeper->peers);
	keeper->look = true;
	return true;
}

/* Waits for something to do. Returns false if a signal asks to stop. */
static bool keeper_wait(struct keeper *keeper)
{
	struct pollfd fds[] = {
		{ .fd = keeper->signals, .events = POLLIN },
		{ .fd = kernel_events_fd(keeper->events), .events = POLLIN },
		{ .fd = negotiation_fd(&keeper->negotiation), .events = POLLIN },
	};
	int rc = poll(fds, sizeof(fds) / sizeof(fds[0]), keeper_patience(keeper));

	/* Events of other devices end the wait, too, but must not put off the look. */
	if (keeper_now() - keeper->looked >= KEEPER_LOOK_MS)
		keeper->look = true;
	if (rc > 0 && fds[1].revents &&
	    kernel_events_take(keeper->events, keeper->request->index))
		keeper->look = true;
	return rc <= 0 || !fds[0].revents || keeper_goes_on(keeper);
}

/* Works until the session has ended, or a signal asks to stop. */
static void keeper_loop(struct keeper *keeper)
{
	struct error err;

	do {
		if (keeper->look && keeper_look(keeper, &err)) {
			if (err.code == EXIT_FALSE)
				return;
			keeper_complain(keeper_server(keeper), &err);
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
	struct error ignored;
	char name[16];

	if (daemon_leave(report, err) ||
	    claim_take(request->index, request->patience, &keeper->claim, err))
		return -1;
	/* Not later, when the disk may be unavailable, and therefore memory, too. */
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
	/* Subscribed before the state is read, so that no event is missed. */
	if (keeper_look(keeper, err))
		return -1;
	/* Only for others to see: a driver that does not know the command is as good. */
	if (kernel_keep(keeper->kernel, &keeper->device, &ignored))
		log_note("%s", ignored.cause);
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
		error_set(err, EXIT_SYSTEM, "cannot allocate a keeper");
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
