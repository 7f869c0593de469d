// SPDX-License-Identifier: GPL-2.0-only
/* What the keeper is made of: pauses, claims, readiness. */
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#include "../backoff.h"
#include "../notify.h"

/* Each wait is about twice the one before, up to the longest; chance makes up to a quarter. */
static void test_backoff_grows(void **state)
{
	static const unsigned int want[] = {
		100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000, 10000
	};
	struct backoff backoff = { 0 };
	uint64_t now = 5000;
	unsigned int left;
	size_t i;

	(void)state;
	assert_int_equal(backoff_left(&backoff, now), 0);
	for (i = 0; i < N_ELEMENTS(want); i++) {
		backoff_failed(&backoff, now, i * 7919);
		left = backoff_left(&backoff, now);
		assert_in_range(left, want[i] - want[i] / 4, want[i] + want[i] / 4);
		assert_int_equal(backoff_left(&backoff, now + left), 0);
		assert_int_equal(backoff_left(&backoff, now + left - 1), 1);
		now += left;
	}
}

/* Chance makes a difference, in both directions. */
static void test_backoff_jitter(void **state)
{
	unsigned int least = UINT32_MAX, most = 0, left, i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		struct backoff backoff = { 0 };

		backoff_failed(&backoff, 0, i);
		left = backoff_left(&backoff, 0);
		least = left < least ? left : least;
		most = left > most ? left : most;
	}
	assert_int_equal(least, 75);
	assert_int_equal(most, 125);
}

/* Success counts when it has lasted; a server that hangs up at once is asked less and less. */
static void test_backoff_proven(void **state)
{
	struct backoff backoff = { 0 };
	unsigned int attempts = 0;
	uint64_t now;

	(void)state;
	for (now = 0; now < 100000; now += backoff_left(&backoff, now)) {
		backoff_worked(&backoff, now, attempts++);
		backoff_lost(&backoff, now + 1);
	}
	assert_in_range(attempts, 10, 30);
	backoff_worked(&backoff, now, 0);
	backoff_lost(&backoff, now + BACKOFF_PROVEN_MS - 1);
	assert_true(backoff_left(&backoff, now + BACKOFF_PROVEN_MS - 1) > 0);
	backoff_lost(&backoff, now + BACKOFF_PROVEN_MS);
	assert_int_equal(backoff_left(&backoff, now + BACKOFF_PROVEN_MS), 0);
	backoff_failed(&backoff, now + BACKOFF_PROVEN_MS, 25);
	assert_int_equal(backoff_left(&backoff, now + BACKOFF_PROVEN_MS), 100);
}

static void test_backoff_hopeless(void **state)
{
	struct backoff backoff = { 0 };

	(void)state;
	backoff_hopeless(&backoff, 0, 0);
	assert_in_range(backoff_left(&backoff, 0), 7500, 12500);
}

/* A name of an abstract socket is no file, so nothing is left of it. */
static int listener(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	strcpy(address.sun_path, name);
	address.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&address,
			      offsetof(struct sockaddr_un, sun_path) + strlen(name)), 0);
	return fd;
}

static void test_notify(void **state)
{
	char name[64], text[64] = "";
	int fd, i;

	(void)state;
	snprintf(name, sizeof(name), "@nbd-unit-%d", getpid());
	fd = listener(name);
	setenv("NOTIFY_SOCKET", name, 1);
	notify("READY=%d", 1);
	assert_int_equal(recv(fd, text, sizeof(text), MSG_DONTWAIT), 7);
	assert_string_equal(text, "READY=1");
	/* A manager that does not listen holds nothing up. */
	for (i = 0; i < 5000; i++)
		notify("STATUS=%d", i);
	close(fd);
	notify("STOPPING=1");
	setenv("NOTIFY_SOCKET", "no path", 1);
	notify("STOPPING=1");
	unsetenv("NOTIFY_SOCKET");
	notify("STOPPING=1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backoff_grows),
		cmocka_unit_test(test_backoff_jitter),
		cmocka_unit_test(test_backoff_proven),
		cmocka_unit_test(test_backoff_hopeless),
		cmocka_unit_test(test_notify),
	};

	return cmocka_run_group_tests_name("helper_keeper", tests, NULL, NULL);
}
