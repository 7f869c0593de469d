// SPDX-License-Identifier: GPL-2.0-only
/* What the keeper calls, replaced by a clock, servers and a driver that are made up. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "unit.h"
#include "world.h"

static int fake_poll(struct pollfd *fds, nfds_t n, int timeout);
static int fake_clock(clockid_t clock, struct timespec *now);

#define poll		fake_poll
#define clock_gettime	fake_clock
#include "keeper/keeper.c"
#undef poll
#undef clock_gettime

struct world world;
const unsigned int world_look_ms = KEEPER_LOOK_MS;

/* ---- the clock ---- */

static int fake_clock(clockid_t clock, struct timespec *now)
{
	(void)clock;
	now->tv_sec = world.now / 1000;
	now->tv_nsec = world.now % 1000 * 1000000;
	return 0;
}

static bool is_hung_up(void)
{
	char byte;

	return recv(world.hangups[0], &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* The keeper sleeps until it hears of something, or its time is over. */
static int fake_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	uint64_t end;

	assert_int_equal(n, 3);
	assert_true(timeout >= 0);
	end = fds[2].fd >= 0 ? world.ready : world.now + timeout;
	while (!world.news && !world.other_news && !is_hung_up()) {
		const struct world_step *step = &world.steps[world.at_step];

		if (world.at_step == world.n_steps || step->at > end) {
			world.now = end;
			fds[2].revents = fds[2].fd >= 0 ? POLLIN : 0;
			return !!fds[2].revents;
		}
		world.now = step->at > world.now ? step->at : world.now;
		world.at_step++;
		step->happen(step->n);
	}
	fds[0].revents = is_hung_up() ? POLLIN : 0;
	fds[1].revents = world.news || world.other_news ? POLLIN : 0;
	return !!fds[0].revents + !!fds[1].revents;
}

/* ---- servers ---- */

static socklen_t address_of(int server, struct sockaddr_storage *to)
{
	struct sockaddr_in *address = (struct sockaddr_in *)to;

	memset(to, 0, sizeof(*to));
	address->sin_family = AF_INET;
	address->sin_port = htons(10809);
	address->sin_addr.s_addr = htonl(0x0a090001 + server);
	return sizeof(*address);
}

socklen_t connect_peer(int fd, struct sockaddr_storage *address)
{
	(void)fd;
	return address_of(world.target, address);
}

static bool may_be_tried(const struct connect_request *connect, int server)
{
	struct sockaddr_storage address;
	socklen_t length = address_of(server, &address);

	if (connect->pinned)
		return peers_is_same((struct sockaddr *)&address, length, connect->address,
				     connect->address_length);
	return !connect->avoid(connect->context, (struct sockaddr *)&address, length);
}

int negotiation_start(struct negotiation *neg, const struct negotiation_request *request,
		      struct error *err)
{
	struct verdict *verdict = &neg->verdict;
	int i;

	(void)err;
	/* To no address but that of the connections there are */
	assert_int_equal(request->connect.pinned, world.device.state == NBDCTL_STATE_LIVE);
	memset(verdict, 0, sizeof(*verdict));
	neg->pid = 1;
	world.ready = world.now + NEGOTIATION_MS;
	world.target = -1;
	for (i = 0; i < (int)world.n_servers; i++) {
		struct verdict_tried *tried = &verdict->tried[verdict->n_tried];

		if (!may_be_tried(&request->connect, i))
			continue;
		if (world.target >= 0) {
			tried[-1].others = true;
			break;
		}
		world.servers[i].attempts++;
		verdict->n_tried++;
		tried->length = address_of(i, &tried->address);
		tried->connected = world.servers[i].is != REFUSES;
		if (tried->connected)
			world.target = i;
	}
	verdict->connected = world.target >= 0;
	world.works = verdict->connected && world.servers[world.target].is == WORKS;
	return 0;
}

int negotiation_fd(const struct negotiation *neg)
{
	return neg->pid ? 0 : -1;
}

int negotiation_left(const struct negotiation *neg)
{
	(void)neg;
	return NEGOTIATION_MS + 1000;
}

bool negotiation_ready(struct negotiation *neg)
{
	(void)neg;
	return world.now >= world.ready;
}

int negotiation_finish(struct negotiation *neg, struct export *export, int *fd, struct error *err)
{
	neg->pid = 0;
	if (world.target < 0)
		return error_set(err, EXIT_REACH, "no server");
	if (!world.works)
		return error_set(err, EXIT_REACH, "the server has disconnected");
	memset(export, 0, sizeof(*export));
	export->size = world.servers[world.target].size;
	*fd = -1;
	return 0;
}

void negotiation_cancel(struct negotiation *neg)
{
	world.cancelled |= neg->pid;
	neg->pid = 0;
}

/* ---- the driver ---- */

void world_fill(unsigned int slot, int server)
{
	struct kernel_slot *at = &world.device.slots[slot];

	at->state = NBDCTL_SLOT_STATE_UP;
	at->reconnects++;
	at->peer_length = address_of(server, &at->peer);
	world.device.state = NBDCTL_STATE_LIVE;
	world.news = true;
	world.filled_at[slot] = world.now;
	if (world.now - world.lost_at[slot] > world.gap)
		world.gap = world.now - world.lost_at[slot];
}

int kernel_device(struct kernel *kernel, uint32_t index, struct kernel_device *device,
		  struct error *err)
{
	(void)kernel;
	(void)index;
	memset(device, 0, sizeof(*device));
	if (world.gone)
		return error_set(err, EXIT_FALSE, "not attached");
	*device = world.device;
	return 0;
}

void kernel_device_free(struct kernel_device *device)
{
	(void)device;
}

int kernel_replace(struct kernel *kernel, const struct kernel_replace *replace, struct error *err)
{
	uint32_t slot = replace->slots[0];
	const struct kernel_slot *at = &world.device.slots[slot];

	(void)kernel;
	assert_int_equal(replace->device->session, SESSION);
	assert_int_equal(replace->n_connections, 1);
	assert_true(replace->unless_changed);
	/* slots[i] is number i, there as here. */
	if (at->reconnects != replace->device->slots[slot].reconnects)
		return error_set(err, EXIT_EXPORT, "slot has had another connection since");
	assert_int_equal(at->state, NBDCTL_SLOT_STATE_EMPTY);
	if (world.refusal)
		return error_set(err, world.refusal, "the driver refused the connection");
	world.replaced++;
	world_fill(slot, world.target);
	return 0;
}

int kernel_resize(struct kernel *kernel, const struct kernel_device *device, uint64_t size,
		  struct error *err)
{
	(void)kernel;
	(void)device;
	(void)err;
	world.resized++;
	world.device.size = size;
	world.news = true;
	return 0;
}

bool kernel_answered(const struct kernel *kernel)
{
	(void)kernel;
	return true;
}

int kernel_events_fd(const struct kernel_events *events)
{
	(void)events;
	return -1;
}

bool kernel_events_take(struct kernel_events *events, uint32_t index)
{
	bool news = world.news;

	(void)events;
	(void)index;
	world.news = false;
	world.other_news = false;
	return news;
}

struct kernel *kernel_open(struct error *err)
{
	(void)err;
	return NULL;
}

void kernel_close(struct kernel *kernel)
{
	(void)kernel;
}

struct kernel_events *kernel_events_open(struct error *err)
{
	(void)err;
	return NULL;
}

void kernel_events_close(struct kernel_events *events)
{
	(void)events;
}

const char *kernel_state_name(uint32_t state)
{
	(void)state;
	return "";
}

/* ---- a test ---- */

void world_keep(void)
{
	const struct keeper_request request = { .session = SESSION, .connect_timeout = 1000 };
	struct keeper *keeper;
	struct error err;

	keeper = keeper_new(&request, &err);
	assert_non_null(keeper);
	keeper->signals = world.hangups[0];
	assert_int_equal(keeper_look(keeper, &err), 0);
	keeper_loop(keeper);
	free(keeper);
	assert_int_equal(world.at_step, world.n_steps);
}

static void ignore(enum log_level level, const char *text)
{
	(void)level;
	(void)text;
}

int world_setup(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	world.now = 1000;
	world.device.session = SESSION;
	world.device.size = 16 * MIB;
	world.device.state = NBDCTL_STATE_LIVE;
	strcpy(world.device.display, "nbd://server0/");
	log_divert(ignore);
	srand(1);
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, world.hangups);
}

int world_teardown(void **state)
{
	(void)state;
	log_start("unit");
	close(world.hangups[0]);
	close(world.hangups[1]);
	return 0;
}

void world_begin(unsigned int n_slots, unsigned int n_servers)
{
	unsigned int i;

	world.device.n_slots = n_slots;
	for (i = 0; i < n_slots; i++) {
		world.device.slots[i].index = i;
		world_fill(i, 0);
		world.device.slots[i].reconnects = 0;
	}
	world.n_servers = n_servers;
	for (i = 0; i < n_servers; i++)
		world.servers[i].size = 16 * MIB;
	world.gap = 0;
}

void world_at(uint64_t milliseconds, void (*happen)(unsigned int n), unsigned int n)
{
	assert_in_range(world.n_steps, 0, WORLD_MAX_STEPS - 1);
	world.steps[world.n_steps++] = (struct world_step){ 1000 + milliseconds, happen, n };
}
