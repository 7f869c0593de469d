// SPDX-License-Identifier: GPL-2.0-only
/*
 * The keeper at work, with a clock, a driver and servers that are made up here: what happens to
 * connections, and what the keeper makes of it. A minute takes no time.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "unit.h"

static int fake_poll(struct pollfd *fds, nfds_t n, int timeout);
static int fake_clock(clockid_t clock, struct timespec *now);

#define poll		fake_poll
#define clock_gettime	fake_clock
#include "keeper/keeper.c"
#undef poll
#undef clock_gettime

#define MIB		(1ULL << 20)
#define SESSION		7
#define MAX_STEPS	400
#define NEGOTIATION_MS	20
#define MAX_SERVERS	3

/* An address of the server's name, and who is there */
struct server {
	enum { WORKS, REFUSES, DISCONNECTS } is;
	uint64_t size;
	unsigned int attempts;
};

/* What happens at a time, and to which slot or server */
struct step {
	uint64_t at;
	void (*happen)(unsigned int n);
	unsigned int n;
};

/**
 * struct world - all that the keeper sees
 * @news: the driver has sent an event
 * @refusal: the driver takes no connection, for that reason
 * @lost_at, @filled_at: when a slot lost its last connection, and got one
 * @gap: the longest time between these two
 * @target: server of the last attempt, -1 if none was reached
 * @works: it shakes hands
 * @ready: when it has, or has not
 * @cancelled: an attempt was
 */
static struct world {
	uint64_t now;
	struct step steps[MAX_STEPS];
	unsigned int n_steps, at_step;
	struct kernel_device device;
	bool gone, news, cancelled;
	enum exit_code refusal;
	struct server servers[MAX_SERVERS];
	unsigned int n_servers;
	unsigned int replaced, resized;
	uint64_t lost_at[KERNEL_MAX_CONNECTIONS], filled_at[KERNEL_MAX_CONNECTIONS], gap;
	int target;
	bool works;
	uint64_t ready;
	int hangups[2];
} world;

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
	while (!world.news && !is_hung_up()) {
		const struct step *step = &world.steps[world.at_step];

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
	fds[1].revents = world.news ? POLLIN : 0;
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

/* A slot has a connection to a server now. */
static void fill(unsigned int slot, int server)
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

	(void)kernel;
	assert_int_equal(replace->device->session, SESSION);
	assert_int_equal(replace->n_connections, 1);
	assert_true(replace->unless_changed);
	assert_int_equal(world.device.slots[slot].state, NBDCTL_SLOT_STATE_EMPTY);
	if (world.refusal)
		return error_set(err, world.refusal, "the driver does not take the connection");
	world.replaced++;
	fill(slot, world.target);
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

/* ---- what happens ---- */

/* Without a word: the event got lost. */
static void lose_silently(unsigned int slot)
{
	const struct kernel_device *device = &world.device;
	unsigned int i, up = 0;

	if (device->slots[slot].state != NBDCTL_SLOT_STATE_EMPTY)
		world.lost_at[slot] = world.now;
	world.device.slots[slot].state = NBDCTL_SLOT_STATE_EMPTY;
	for (i = 0; i < device->n_slots; i++)
		up += device->slots[i].state == NBDCTL_SLOT_STATE_UP;
	if (!up)
		world.device.state = NBDCTL_STATE_WAITING;
}

static void lose(unsigned int slot)
{
	lose_silently(slot);
	world.news = true;
}

static void refuse(unsigned int server)
{
	world.servers[server].is = REFUSES;
}

static void disconnect(unsigned int server)
{
	world.servers[server].is = DISCONNECTS;
}

static void work(unsigned int server)
{
	world.servers[server].is = WORKS;
}

static void set_size(unsigned int mib)
{
	world.servers[0].size = mib * MIB;
}

/* Somebody moves the disk, all of it, to a server with another export of the same size as it. */
static void move(unsigned int server)
{
	unsigned int i;

	sprintf(world.device.display, "nbd://server%u/", server);
	for (i = 0; i < world.device.n_slots; i++)
		fill(i, server);
}

static void fill_by_other(unsigned int slot)
{
	fill(slot, 0);
}

static void detach(unsigned int n)
{
	(void)n;
	world.gone = true;
	world.news = true;
}

static void attach_again(unsigned int n)
{
	(void)n;
	world.device.session++;
	world.news = true;
}

static void hang_up(unsigned int n)
{
	const struct signalfd_siginfo info = { .ssi_signo = SIGHUP };

	(void)n;
	assert_int_equal(send(world.hangups[1], &info, sizeof(info), 0), sizeof(info));
}

static void forgive_driver(unsigned int n)
{
	(void)n;
	world.refusal = EXIT_DONE;
}

static void at(uint64_t milliseconds, void (*happen)(unsigned int n), unsigned int n)
{
	assert_in_range(world.n_steps, 0, MAX_STEPS - 1);
	world.steps[world.n_steps++] = (struct step){ 1000 + milliseconds, happen, n };
}

/* The steps were added in the order of time. Until the disk is no more */
static void keep(void)
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

static int setup(void **state)
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

static int teardown(void **state)
{
	(void)state;
	log_start("unit");
	close(world.hangups[0]);
	close(world.hangups[1]);
	return 0;
}

/* A disk with connections to the first of some servers, all of which work */
static void begin(unsigned int n_slots, unsigned int n_servers)
{
	unsigned int i;

	world.device.n_slots = n_slots;
	for (i = 0; i < n_slots; i++) {
		world.device.slots[i].index = i;
		fill(i, 0);
		world.device.slots[i].reconnects = 0;
	}
	world.n_servers = n_servers;
	for (i = 0; i < n_servers; i++)
		world.servers[i].size = 16 * MIB;
	world.gap = 0;
}

/* ---- tests ---- */

/* What is lost is made again, at once. */
static void test_lost(void **state)
{
	(void)state;
	begin(2, 1);
	at(5000, lose, 0);
	at(6000, lose, 1);
	at(9000, lose, 0);
	at(9000, lose, 1);
	at(20000, detach, 0);
	keep();
	assert_int_equal(world.replaced, 4);
	assert_int_equal(world.servers[0].attempts, 4);
	assert_in_range(world.gap, 0, 50);
}

/* An event that got lost is made up for. */
static void test_lost_silently(void **state)
{
	(void)state;
	begin(1, 1);
	at(5000, lose_silently, 0);
	at(60000, detach, 0);
	keep();
	assert_int_equal(world.replaced, 1);
	assert_in_range(world.gap, 20000, KEEPER_LOOK_MS);
}

/* A server that works costs no pause, however often its connections are cut. */
static void test_cut_again_and_again(void **state)
{
	unsigned int i;

	(void)state;
	begin(16, 1);
	for (i = 0; i < 300; i++)
		at(400 * i, lose, i % 16);
	at(150000, detach, 0);
	keep();
	assert_int_equal(world.replaced, 300);
	assert_in_range(world.gap, 0, 50);
}

/* A server that is away is tried less and less, and found when it is back. */
static void test_away(void **state)
{
	(void)state;
	begin(1, 1);
	at(5000, refuse, 0);
	at(5000, lose, 0);
	at(100000, work, 0);
	at(120000, detach, 0);
	keep();
	assert_int_equal(world.replaced, 1);
	assert_in_range(world.servers[0].attempts, 10, 30);
	assert_in_range(world.gap, 95000, 95000 + BACKOFF_MAX_MS + 100);
}

/* The pause that a server has earned ends with it: later losses cost none. */
static void test_away_and_back(void **state)
{
	(void)state;
	begin(1, 1);
	at(5000, refuse, 0);
	at(5000, lose, 0);
	at(15000, work, 0);
	at(60000, lose, 0);
	at(65000, lose, 0);
	at(80000, detach, 0);
	keep();
	assert_int_equal(world.replaced, 3);
	/* Of the first only, whose pauses were 0.1 to 8 s */
	assert_in_range(world.gap, 10000, 22000);
}

/* SIGHUP: now. */
static void test_hang_up(void **state)
{
	(void)state;
	begin(1, 1);
	at(5000, refuse, 0);
	at(5000, lose, 0);
	at(50000, work, 0);
	at(50000, hang_up, 0);
	at(50200, detach, 0);
	keep();
	assert_int_equal(world.replaced, 1);
	assert_in_range(world.gap, 45000, 45100);
}

/* A slot that fails does not keep the others waiting, nor is it kept waiting, while one works. */
static void test_one_fails(void **state)
{
	(void)state;
	begin(4, 1);
	at(5000, disconnect, 0);
	at(5000, lose, 1);
	at(5000, lose, 2);
	at(5000 + NEGOTIATION_MS / 2, work, 0);
	at(30000, detach, 0);
	keep();
	assert_int_equal(world.replaced, 2);
	assert_true(world.filled_at[2] < world.filled_at[1]);
	assert_in_range(world.gap, 0, 3 * NEGOTIATION_MS + BACKOFF_FIRST_MS);
}

/* Nor if that happens again and again. */
static void test_some_fail(void **state)
{
	unsigned int i;

	(void)state;
	begin(4, 1);
	for (i = 0; i < 10; i++) {
		at(5000 + 600 * i, disconnect, 0);
		at(5000 + 600 * i, lose, i % 4);
		at(5000 + 600 * i + NEGOTIATION_MS / 2, work, 0);
	}
	at(30000, detach, 0);
	keep();
	assert_int_equal(world.replaced, 10);
	assert_in_range(world.gap, 0, 3 * NEGOTIATION_MS + BACKOFF_FIRST_MS);
}

/* The driver says that this is not the export: that does not change soon, but may. */
static void test_refused_by_driver(void **state)
{
	(void)state;
	begin(1, 1);
	world.refusal = EXIT_EXPORT;
	at(5000, lose, 0);
	at(35000, forgive_driver, 0);
	at(60000, detach, 0);
	keep();
	assert_int_equal(world.replaced, 1);
	assert_in_range(world.servers[0].attempts, 4, 7);
}

/* While a connection works, no other address is tried. When none does, all are. */
static void test_addresses(void **state)
{
	(void)state;
	begin(2, 3);
	at(5000, disconnect, 0);
	at(5000, lose, 0);
	at(25000, lose, 1);
	at(60000, detach, 0);
	keep();
	assert_int_equal(world.replaced, 2);
	assert_in_range(world.gap, 20000, 21000);
	assert_int_equal(world.servers[1].attempts, 2);
	assert_int_equal(world.servers[2].attempts, 0);
}

/* An attempt for a slot that was filled meanwhile is given up. */
static void test_filled_by_other(void **state)
{
	(void)state;
	begin(1, 1);
	at(5000, lose, 0);
	at(5000 + NEGOTIATION_MS / 2, fill_by_other, 0);
	at(60000, detach, 0);
	keep();
	assert_int_equal(world.replaced, 0);
	assert_int_equal(world.servers[0].attempts, 1);
	assert_true(world.cancelled);
}

/* The disk grows when all of its connections are to the larger export. */
static void test_grows(void **state)
{
	(void)state;
	begin(2, 1);
	at(5000, set_size, 20);
	at(5000, lose, 0);
	at(40000, lose, 1);
	at(60000, detach, 0);
	keep();
	assert_int_equal(world.resized, 1);
	assert_int_equal(world.device.size, 20 * MIB);
}

/* The smallest of the exports that the connections are to is the size of the disk. */
static void test_grows_twice(void **state)
{
	(void)state;
	begin(2, 1);
	at(5000, set_size, 24);
	at(5000, lose, 0);
	at(10000, set_size, 20);
	at(10000, lose, 1);
	at(60000, detach, 0);
	keep();
	assert_int_equal(world.resized, 1);
	assert_int_equal(world.device.size, 20 * MIB);
}

/* A size is known of a connection, and of none that took its slot. */
static void test_size_of_slot(void **state)
{
	(void)state;
	begin(2, 1);
	at(5000, set_size, 20);
	at(5000, lose, 0);
	/* This is to a smaller export, as far as anybody knows. */
	at(10000, lose_silently, 0);
	at(10000, fill_by_other, 0);
	at(15000, lose, 1);
	at(60000, detach, 0);
	keep();
	assert_int_equal(world.replaced, 2);
	assert_int_equal(world.resized, 0);
}

static void test_size_after_move(void **state)
{
	(void)state;
	begin(2, 2);
	at(5000, set_size, 20);
	at(5000, lose, 0);
	/* To the other server, and back; then it grew for the second slot only. */
	at(10000, move, 1);
	at(15000, move, 0);
	at(20000, lose, 1);
	at(60000, detach, 0);
	keep();
	assert_int_equal(world.replaced, 2);
	assert_int_equal(world.resized, 0);
}

/* Another attach of that number is not the disk that is kept. */
static void test_another_session(void **state)
{
	(void)state;
	begin(1, 1);
	at(5000, attach_again, 0);
	keep();
	assert_in_range(world.now, 6000, 6100);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lost),
		TEST(lost_silently),
		TEST(cut_again_and_again),
		TEST(away),
		TEST(away_and_back),
		TEST(hang_up),
		TEST(one_fails),
		TEST(some_fail),
		TEST(refused_by_driver),
		TEST(addresses),
		TEST(filled_by_other),
		TEST(grows),
		TEST(grows_twice),
		TEST(size_of_slot),
		TEST(size_after_move),
		TEST(another_session),
	};

	return cmocka_run_group_tests_name("helper_keeper_loop", tests, NULL, NULL);
}
