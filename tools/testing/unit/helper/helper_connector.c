// SPDX-License-Identifier: GPL-2.0-only
/* The process that connects for one that has given up its rights. */
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

#include "base/error.h"
#include "negotiate/connector.h"
#include "negotiate/target.h"

/* Longer than anything here may take. */
#define LONG_MS		60000

/* A name server that does not answer; libc would wait for some time. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		struct addrinfo **list)
{
	(void)node;
	(void)service;
	(void)hints;
	*list = NULL;
	poll(NULL, 0, LONG_MS);
	return EAI_AGAIN;
}

/* It ends with its time, and so does what it has open. */
static void test_lookup_without_end(void **state)
{
	struct target *target = malloc(sizeof(*target));
	struct pollfd pfd = { .events = POLLIN };
	struct connector connector;
	struct error err;
	int fds[2];

	(void)state;
	target_init(target);
	assert_int_equal(target_set_host(target, "mute.invalid", &err), 0);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(connector_start(&connector, target, &err), 0);
	close(fds[1]);
	assert_int_equal(connector_connect(&connector, 100, &err), -1);
	assert_int_equal(err.code, EXIT_TIMEOUT);
	assert_non_null(strstr(err.cause, "mute.invalid"));
	pfd.fd = fds[0];
	assert_int_equal(poll(&pfd, 1, LONG_MS / 2), 1);
	assert_true(pfd.revents & POLLHUP);
	close(fds[0]);
	free(target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lookup_without_end),
	};

	return cmocka_run_group_tests_name("helper_connector", tests, NULL, NULL);
}
