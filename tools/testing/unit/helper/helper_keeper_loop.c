// SPDX-License-Identifier: GPL-2.0-only
/* The keeper at work: what happens to connections, and what the keeper makes of it. */
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "negotiate/backoff.h"
#include "unit.h"
#include "world.h"

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
		world_fill(i, server);
}

static void fill_by_other(unsigned int slot)
{
	world_fill(slot, 0);
}

/* The keeper has not heard of it when its own connection is there. */
static void fill_silently(unsigned int slot)
{
	world_fill(slot, 0);
	world.news = false;
}

static void hear_of_other(unsigned int n)
{
	(void)n;
	world.other_news = true;
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

/* ---- tests ---- */

/* What is lost is made again, at once. */
static void test_lost(void **state)
{
	(void)state;
	world_begin(2, 1);
	world_at(5000, lose, 0);
	world_at(6000, lose, 1);
	world_at(9000, lose, 0);
	world_at(9000, lose, 1);
	world_at(20000, detach, 0);
	world_keep();
	assert_int_equal(world.replaced, 4);
	assert_int_equal(world.servers[0].attempts, 4);
	assert_in_range(world.gap, 0, 50);
}

/* An event that got lost is made up for. */
static void test_lost_silently(void **state)
{
	(void)state;
	world_begin(1, 1);
	world_at(5000, lose_silently, 0);
	world_at(60000, detach, 0);
	world_keep();
	assert_int_equal(world.replaced, 1);
	assert_in_range(world.gap, 20000, world_look_ms);
}

/* Also if events of other devices keep coming. */
static void test_lost_among_others(void **state)
{
	unsigned int i;

	(void)state;
	world_begin(1, 1);
	world_at(5000, lose_silently, 0);
	for (i = 0; i < 300; i++)
		world_at(5000 + 400 * i, hear_of_other, 0);
	world_at(150000, detach, 0);
	world_keep();
	assert_int_equal(world.replaced, 1);
	assert_in_range(world.gap, 20000, world_look_ms);
}

/* A server that works costs no pause, however often its connections are cut. */
static void test_cut_again_and_again(void **state)
{
	unsigned int i;

	(void)state;
	world_begin(16, 1);
	for (i = 0; i < 300; i++)
		world_at(400 * i, lose, i % 16);
	world_at(150000, detach, 0);
	world_keep();
	assert_int_equal(world.replaced, 300);
	assert_in_range(world.gap, 0, 50);
}

/* A server that is away is tried less and less, and found when it is back. */
static void test_away(void **state)
{
	(void)state;
	world_begin(1, 1);
	world_at(5000, refuse, 0);
	world_at(5000, lose, 0);
	world_at(100000, work, 0);
	world_at(120000, detach, 0);
	world_keep();
	assert_int_equal(world.replaced, 1);
	assert_in_range(world.servers[0].attempts, 10, 30);
	assert_in_range(world.gap, 95000, 95000 + BACKOFF_MAX_MS + 100);
}

/* The pause that a server has earned ends with it: later losses cost none. */
static void test_away_and_back(void **state)
{
	(void)state;
	world_begin(1, 1);
	world_at(5000, refuse, 0);
	world_at(5000, lose, 0);
	world_at(15000, work, 0);
	world_at(60000, lose, 0);
	world_at(65000, lose, 0);
	world_at(80000, detach, 0);
	world_keep();
	assert_int_equal(world.replaced, 3);
	/* Of the first only, whose pauses were 0.1 to 8 s */
	assert_in_range(world.gap, 10000, 22000);
}

/* SIGHUP: now. */
static void test_hang_up(void **state)
{
	(void)state;
	world_begin(1, 1);
	world_at(5000, refuse, 0);
	world_at(5000, lose, 0);
	world_at(50000, work, 0);
	world_at(50000, hang_up, 0);
	world_at(50200, detach, 0);
	world_keep();
	assert_int_equal(world.replaced, 1);
	assert_in_range(world.gap, 45000, 45100);
}

/* A slot that fails does not keep the others waiting, nor is it kept waiting, while one works. */
static void test_one_fails(void **state)
{
	(void)state;
	world_begin(4, 1);
	world_at(5000, disconnect, 0);
	world_at(5000, lose, 1);
	world_at(5000, lose, 2);
	world_at(5000 + NEGOTIATION_MS / 2, work, 0);
	world_at(30000, detach, 0);
	world_keep();
	assert_int_equal(world.replaced, 2);
	assert_true(world.filled_at[2] < world.filled_at[1]);
	assert_in_range(world.gap, 0, 3 * NEGOTIATION_MS + BACKOFF_FIRST_MS);
}

/* Nor if that happens again and again. */
static void test_some_fail(void **state)
{
	unsigned int i;

	(void)state;
	world_begin(4, 1);
	for (i = 0; i < 10; i++) {
		world_at(5000 + 600 * i, disconnect, 0);
		world_at(5000 + 600 * i, lose, i % 4);
		world_at(5000 + 600 * i + NEGOTIATION_MS / 2, work, 0);
	}
	world_at(30000, detach, 0);
	world_keep();
	assert_int_equal(world.replaced, 10);
	assert_in_range(world.gap, 0, 3 * NEGOTIATION_MS + BACKOFF_FIRST_MS);
}

/* The driver says that this is not the export: that does not change soon, but may. */
static void test_refused_by_driver(void **state)
{
	(void)state;
	world_begin(1, 1);
	world.refusal = EXIT_EXPORT;
	world_at(5000, lose, 0);
	world_at(35000, forgive_driver, 0);
	world_at(60000, detach, 0);
	world_keep();
	assert_int_equal(world.replaced, 1);
	assert_in_range(world.servers[0].attempts, 4, 7);
}

/* While a connection works, no other address is tried. When none does, all are. */
static void test_addresses(void **state)
{
	(void)state;
	world_begin(2, 3);
	world_at(5000, disconnect, 0);
	world_at(5000, lose, 0);
	world_at(25000, lose, 1);
	world_at(60000, detach, 0);
	world_keep();
	assert_int_equal(world.replaced, 2);
	assert_in_range(world.gap, 20000, 21000);
	assert_int_equal(world.servers[1].attempts, 2);
	assert_int_equal(world.servers[2].attempts, 0);
}

/* An attempt for a slot that was filled meanwhile is given up. */
static void test_filled_by_other(void **state)
{
	(void)state;
	world_begin(1, 1);
	world_at(5000, lose, 0);
	world_at(5000 + NEGOTIATION_MS / 2, fill_by_other, 0);
	world_at(60000, detach, 0);
	world_keep();
	assert_int_equal(world.replaced, 0);
	assert_int_equal(world.servers[0].attempts, 1);
	assert_true(world.cancelled);
}

/*
 * That the driver refuses a connection for a slot that was filled meanwhile says nothing about the
 * server: there is no pause when the slot is empty again.
 */
static void test_filled_unheard(void **state)
{
	(void)state;
	world_begin(1, 1);
	world_at(5000, lose, 0);
	world_at(5000 + NEGOTIATION_MS / 2, fill_silently, 0);
	world_at(5500, lose, 0);
	world_at(60000, detach, 0);
	world_keep();
	assert_int_equal(world.replaced, 1);
	assert_int_equal(world.servers[0].attempts, 2);
	assert_in_range(world.gap, 0, 50);
}

/* The disk grows when all of its connections are to the larger export. */
static void test_grows(void **state)
{
	(void)state;
	world_begin(2, 1);
	world_at(5000, set_size, 20);
	world_at(5000, lose, 0);
	world_at(40000, lose, 1);
	world_at(60000, detach, 0);
	world_keep();
	assert_int_equal(world.resized, 1);
	assert_int_equal(world.device.size, 20 * MIB);
}

/* The smallest of the exports that the connections are to is the size of the disk. */
static void test_grows_twice(void **state)
{
	(void)state;
	world_begin(2, 1);
	world_at(5000, set_size, 24);
	world_at(5000, lose, 0);
	world_at(10000, set_size, 20);
	world_at(10000, lose, 1);
	world_at(60000, detach, 0);
	world_keep();
	assert_int_equal(world.resized, 1);
	assert_int_equal(world.device.size, 20 * MIB);
}

/* A size is known of a connection, and of none that took its slot. */
static void test_size_of_slot(void **state)
{
	(void)state;
	world_begin(2, 1);
	world_at(5000, set_size, 20);
	world_at(5000, lose, 0);
	/* This is to a smaller export, as far as anybody knows. */
	world_at(10000, lose_silently, 0);
	world_at(10000, fill_by_other, 0);
	world_at(15000, lose, 1);
	world_at(60000, detach, 0);
	world_keep();
	assert_int_equal(world.replaced, 2);
	assert_int_equal(world.resized, 0);
}

static void test_size_after_move(void **state)
{
	(void)state;
	world_begin(2, 2);
	world_at(5000, set_size, 20);
	world_at(5000, lose, 0);
	/* To the other server, and back; then it grew for the second slot only. */
	world_at(10000, move, 1);
	world_at(15000, move, 0);
	world_at(20000, lose, 1);
	world_at(60000, detach, 0);
	world_keep();
	assert_int_equal(world.replaced, 2);
	assert_int_equal(world.resized, 0);
}

/* Another attach of that number is not the disk that is kept. */
static void test_another_session(void **state)
{
	(void)state;
	world_begin(1, 1);
	world_at(5000, attach_again, 0);
	world_keep();
	assert_in_range(world.now, 6000, 6100);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(test_##name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lost),
		TEST(lost_silently),
		TEST(lost_among_others),
		TEST(cut_again_and_again),
		TEST(away),
		TEST(away_and_back),
		TEST(hang_up),
		TEST(one_fails),
		TEST(some_fail),
		TEST(refused_by_driver),
		TEST(addresses),
		TEST(filled_by_other),
		TEST(filled_unheard),
		TEST(grows),
		TEST(grows_twice),
		TEST(size_of_slot),
		TEST(size_after_move),
		TEST(another_session),
	};

	return cmocka_run_group_tests_name("helper_keeper_loop", tests, NULL, NULL);
}
