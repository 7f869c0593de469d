// SPDX-License-Identifier: GPL-2.0-only
/* One keeper for a device, also if somebody tidies up in /run. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#include "base/error.h"
#include "keeper/claim.h"
#include "kernel/device.h"

/* No disk of this machine has it. */
#define INDEX		DEVICE_INDEX_MAX
#define FOLDER		"/run/nbd-attach"
/* Longer than anything here may take */
#define LONG_MS		30000

static char path[64];
static pid_t keeper;

static int setup(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), FOLDER "/nbd%u.pid", INDEX);
	mkdir(FOLDER, 0755);
	return 0;
}

/* A process that has the claim, and a child, which has the open file but not the lock */
static void start_keeper(void)
{
	struct error err;
	int ends[2], fd;
	char c;

	assert_int_equal(pipe(ends), 0);
	keeper = fork();
	if (!keeper) {
		if (claim_take(INDEX, LONG_MS, &fd, &err) || fd < 0)
			_exit(1);
		if (!fork()) {
			close(ends[0]);
			close(ends[1]);
			sleep(2);
			_exit(0);
		}
		if (write(ends[1], "x", 1) != 1)
			_exit(2);
		pause();
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &c, 1), 1);
	close(ends[0]);
}

static void end_keeper(void)
{
	kill(keeper, SIGKILL);
	waitpid(keeper, NULL, 0);
}

static void refused(void)
{
	char who[32];
	struct error err;
	int fd;

	snprintf(who, sizeof(who), "process %d ", keeper);
	assert_int_equal(claim_take(INDEX, 0, &fd, &err), -1);
	assert_int_equal(err.code, EXIT_BUSY);
	assert_non_null(strstr(err.cause, who));
}

static void taken(void)
{
	struct error err;
	int fd;

	assert_int_equal(claim_take(INDEX, LONG_MS, &fd, &err), 0);
	assert_true(fd >= 0);
	assert_int_equal(access(path, F_OK), 0);
	claim_drop(INDEX, fd);
	assert_int_equal(access(path, F_OK), -1);
}

static void test_one(void **state)
{
	(void)state;
	if (access(FOLDER, W_OK))
		skip_as(FOLDER " cannot be written");
	start_keeper();
	refused();
	end_keeper();
	taken();
}

static void test_removed(void **state)
{
	(void)state;
	if (access(FOLDER, W_OK))
		skip_as(FOLDER " cannot be written");
	start_keeper();
	assert_int_equal(unlink(path), 0);
	refused();
	/* Not even the attempt leaves anything behind. */
	assert_int_equal(access(path, F_OK), -1);
	refused();
	end_keeper();
	taken();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_one, setup),
		cmocka_unit_test_setup(test_removed, setup),
	};

	return cmocka_run_group_tests_name("helper_claim", tests, NULL, NULL);
}
