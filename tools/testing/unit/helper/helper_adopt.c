// SPDX-License-Identifier: GPL-2.0-only
/* The wait for the server that a disk was moved away from, with a driver and a clock made up. */
#include <poll.h>
#include <string.h>

#include "unit.h"

#include "base/error.h"
#include "kernel/kernel.h"

#define DEVICE	5
#define SESSION	7
#define NEVER	UINT64_MAX

/**
 * struct old - a connection that the disk is moved away from
 * @down: when it is torn down, in milliseconds
 * @event: when its event comes
 */
struct old {
	uint64_t down;
	uint64_t event;
};

static struct {
	uint64_t now;
	const struct old *olds;
	unsigned int n_olds;
	uint64_t read_up_to;
	uint64_t fails_until;
	uint64_t gone;
	uint64_t other_session;
} world;

/* When the next event comes that was not read */
static uint64_t next_event(void)
{
	uint64_t next = NEVER;
	unsigned int i;

	for (i = 0; i < world.n_olds; i++)
		if (world.olds[i].event > world.read_up_to && world.olds[i].event < next)
			next = world.olds[i].event;
	return next;
}

static int fake_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	uint64_t next = next_event(), end = world.now + timeout;

	assert_int_equal(n, 1);
	assert_true(timeout > 0);
	/* The longest test takes a minute. */
	assert_true(world.now < 100000);
	world.now = next > end ? end : next > world.now ? next : world.now;
	fds->revents = next <= world.now ? POLLIN : 0;
	return !!fds->revents;
}

static bool fake_take(struct kernel_events *events, uint32_t index)
{
	bool heard = next_event() <= world.now;

	(void)events;
	assert_int_equal(index, DEVICE);
	world.read_up_to = world.now;
	return heard;
}

static int fake_device(struct kernel *kernel, uint32_t index, struct kernel_device *device,
		       struct error *err)
{
	unsigned int i;

	(void)kernel;
	assert_int_equal(index, DEVICE);
	memset(device, 0, sizeof(*device));
	if (world.now < world.fails_until)
		return error_set(err, EXIT_UNKNOWN, "no memory");
	if (world.now >= world.gone)
		return error_set(err, EXIT_FALSE, "not attached");
	device->session = world.now >= world.other_session ? SESSION + 1 : SESSION;
	for (i = 0; i < world.n_olds; i++)
		device->retiring += world.olds[i].down > world.now;
	return 0;
}

#define poll				fake_poll
#define kernel_device(k, i, d, e)	fake_device(k, i, d, e)
#define kernel_device_free(d)		((void)(d))
#define kernel_events_take(e, i)	fake_take(e, i)
#define kernel_events_fd(e)		((void)(e), 0)
#include "verbs/adopt.c"

/* How long the wait takes that begins at 1000 ms */
static uint64_t wait_for(const struct old *olds, unsigned int n)
{
	static struct attach_args args;
	static struct adoption adoption;
	unsigned int i;

	args.device = DEVICE;
	adoption.args = &args;
	adoption.moved = true;
	adoption.device.session = SESSION;
	adoption.device.n_slots = n;
	for (i = 0; i < n; i++) {
		adoption.device.slots[i].index = i;
		adoption.device.slots[i].state = NBDCTL_SLOT_STATE_UP;
	}
	world.now = 1000;
	world.olds = olds;
	world.n_olds = n;
	adopt_wait(&adoption);
	return world.now - 1000;
}

static int setup(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	world.gone = NEVER;
	world.other_session = NEVER;
	return 0;
}

/* The wait ends with the last connection; what has ended already is not waited for. */
static void test_events(void **state)
{
	static const struct old olds[] = { { 31500, 31500 }, { 900, 900 }, { 1700, 1700 } };

	(void)state;
	assert_int_equal(wait_for(olds, 3), 30500);
	assert_int_equal(wait_for(olds + 1, 1), 0);
}

/* An event that was lost only delays. */
static void test_event_lost(void **state)
{
	static const struct old olds[] = { { 5300, NEVER }, { 3000, 3000 } };

	(void)state;
	assert_in_range(wait_for(olds, 2), 4300, 4300 + ADOPT_LOOK_MS);
}

/* The event comes before the driver has counted. */
static void test_event_early(void **state)
{
	static const struct old olds[] = { { 5300, 5299 } };

	(void)state;
	assert_in_range(wait_for(olds, 1), 4300, 4300 + ADOPT_SOON_MS);
}

/* A query that fails, as memory is short, does not end the wait. */
static void test_query_fails(void **state)
{
	static const struct old olds[] = { { 9000, 9000 } };

	(void)state;
	world.fails_until = 6000;
	assert_int_equal(wait_for(olds, 1), 8000);
}

/* A disk that is detached is not waited for, nor one that was attached since. */
static void test_detached(void **state)
{
	static const struct old olds[] = { { NEVER, NEVER } };

	(void)state;
	world.gone = 4000;
	assert_in_range(wait_for(olds, 1), 3000, 3000 + ADOPT_LOOK_MS);
	setup(state);
	world.other_session = 4000;
	assert_in_range(wait_for(olds, 1), 3000, 3000 + ADOPT_LOOK_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_events, setup, NULL),
		cmocka_unit_test_setup_teardown(test_event_lost, setup, NULL),
		cmocka_unit_test_setup_teardown(test_event_early, setup, NULL),
		cmocka_unit_test_setup_teardown(test_query_fails, setup, NULL),
		cmocka_unit_test_setup_teardown(test_detached, setup, NULL),
	};

	return cmocka_run_group_tests_name("helper_adopt", tests, NULL, NULL);
}
