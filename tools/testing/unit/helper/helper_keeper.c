// SPDX-License-Identifier: GPL-2.0-only
/* What the keeper is made of: pauses, claims, readiness. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#include "keeper/notify.h"
#include "negotiate/backoff.h"
#include "negotiate/peers.h"

/* Each wait is about twice the one before, up to the longest; chance makes up to a quarter. */
static void test_backoff_grows(void **state)
{
	static const unsigned int want[] = {
		100, 200, 400, 800, 1600, 3200, 8000, 8000, 8000
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

/* However it falls out, nobody waits longer than ten seconds. */
static void test_backoff_longest(void **state)
{
	struct backoff backoff = { 0 };
	unsigned int most = 0, left, i;

	(void)state;
	for (i = 0; i < 20000; i++) {
		backoff_failed(&backoff, 0, i);
		left = backoff_left(&backoff, 0);
		most = left > most ? left : most;
	}
	assert_int_equal(most, 10000);
	assert_int_equal(BACKOFF_MAX_MS, 10000);
}

/* What works costs no pause, however often it is lost again, if it has lasted. */
static void test_backoff_worked(void **state)
{
	struct backoff backoff = { 0 };
	uint64_t now = 1;
	unsigned int i;

	(void)state;
	for (i = 0; i < 100; i++) {
		backoff_worked(&backoff, now);
		assert_int_equal(backoff_left(&backoff, now), 0);
		backoff_lost(&backoff, now, now + BACKOFF_PROVEN_MS, i);
		now += BACKOFF_PROVEN_MS;
		assert_int_equal(backoff_left(&backoff, now), 0);
	}
	/* Nor do failures from before count. */
	backoff_failed(&backoff, now, 25);
	assert_int_equal(backoff_left(&backoff, now), 100);
	backoff_failed(&backoff, now, 50);
	assert_int_equal(backoff_left(&backoff, now), 200);
}

/* A server that disconnects at once is tried less and less often. */
static void test_backoff_proven(void **state)
{
	struct backoff backoff = { 0 };
	unsigned int attempts = 0;
	uint64_t now;

	(void)state;
	for (now = 1; now < 100000; now += backoff_left(&backoff, now)) {
		backoff_worked(&backoff, now);
		backoff_lost(&backoff, now, now + 1, attempts++);
	}
	assert_in_range(attempts, 10, 30);
}

static void test_backoff_hopeless(void **state)
{
	struct backoff backoff = { 0 };

	(void)state;
	backoff_hopeless(&backoff, 0, 0);
	assert_in_range(backoff_left(&backoff, 0), 6000, 10000);
}

static struct sockaddr_in address_of(unsigned int n)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(10809),
		.sin_addr.s_addr = htonl(0x0a000000 + n),
	};
}

static struct peer *peer_of(struct peers *peers, unsigned int n)
{
	struct sockaddr_in address = address_of(n);

	return peers_get(peers, (struct sockaddr *)&address, sizeof(address));
}

static unsigned int left_of(const struct peers *peers, unsigned int n, uint64_t now)
{
	struct sockaddr_in address = address_of(n);

	return peers_left(peers, (struct sockaddr *)&address, sizeof(address), now);
}

/* Each address has a pause of its own; the first that ends is known. */
static void test_peers(void **state)
{
	struct peers peers = { 0 };

	(void)state;
	assert_int_equal(peers_next(&peers, 1000), 0);
	backoff_failed(&peer_of(&peers, 1)->backoff, 1000, 25);
	backoff_failed(&peer_of(&peers, 2)->backoff, 1000, 25);
	backoff_failed(&peer_of(&peers, 2)->backoff, 1000, 50);
	assert_int_equal(left_of(&peers, 1, 1000), 100);
	assert_int_equal(left_of(&peers, 2, 1000), 200);
	assert_int_equal(left_of(&peers, 3, 1000), 0);
	assert_int_equal(peers_next(&peers, 1000), 1100);
	assert_int_equal(peers_next(&peers, 1100), 1200);
	assert_int_equal(peers_next(&peers, 1200), 0);
	peer_of(&peers, 2)->complaint = 7;
	backoff_failed(&peer_of(&peers, 2)->backoff, 1200, 25);
	peers_forgive(&peers);
	assert_int_equal(left_of(&peers, 2, 1200), 0);
	assert_int_equal(peer_of(&peers, 2)->complaint, 7);
	/* The server as such is no address. */
	backoff_failed(&peers_get(&peers, NULL, 0)->backoff, 1200, 25);
	assert_int_equal(peers_next(&peers, 1200), 0);
	assert_int_equal(peers.n, 3);
}

/* More addresses than there is room for: those that wait longest are remembered. */
static void test_peers_full(void **state)
{
	struct peers peers = { 0 };
	struct peer *server = peers_get(&peers, NULL, 0);
	unsigned int i;

	(void)state;
	for (i = 0; i < 3 * PEERS_MAX; i++)
		backoff_failed(&peer_of(&peers, i)->backoff, 1000 + i, 25);
	assert_int_equal(peers.n, PEERS_MAX);
	assert_ptr_equal(peers_get(&peers, NULL, 0), server);
	assert_int_equal(left_of(&peers, 3 * PEERS_MAX - 1, 1000 + 3 * PEERS_MAX - 1), 100);
	assert_int_equal(left_of(&peers, 0, 1000), 0);
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
		cmocka_unit_test(test_backoff_longest),
		cmocka_unit_test(test_backoff_worked),
		cmocka_unit_test(test_backoff_proven),
		cmocka_unit_test(test_backoff_hopeless),
		cmocka_unit_test(test_peers),
		cmocka_unit_test(test_peers_full),
		cmocka_unit_test(test_notify),
	};

	return cmocka_run_group_tests_name("helper_keeper", tests, NULL, NULL);
}
