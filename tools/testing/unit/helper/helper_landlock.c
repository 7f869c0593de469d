// SPDX-License-Identifier: GPL-2.0-only
/*
 * What Landlock takes from a process in the sandbox. The filter of system calls would hide it; with
 * the address sanitizer, as here, there is none (see helper_sandbox.c for that).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#include "base/error.h"
#include "negotiate/sandbox.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset	444
#endif

/* A skip in a set-up is a failure. */
static void need_landlock(int version)
{
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < version)
		skip_as("the kernel lacks Landlock %d", version);
}

static int open_file(void)
{
	return open("/etc/passwd", O_RDONLY) < 0 ? errno : 0;
}

static int open_directory(void)
{
	return open("/", O_RDONLY | O_DIRECTORY) < 0 ? errno : 0;
}

static int write_file(void)
{
	return open("/dev/null", O_WRONLY) < 0 ? errno : 0;
}

static int connect_tcp(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(1) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) ? errno : 0;
}

/* The errno with which it fails, outside or in the sandbox. */
static int error_of(int (*what)(void), bool sandboxed)
{
	struct error err;
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (sandboxed && sandbox_enter(0, NULL, 0, &err))
			_exit(255);
		_exit(what());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_files(void **state)
{
	(void)state;
	need_landlock(1);
	assert_int_equal(error_of(open_file, false), 0);
	assert_int_equal(error_of(open_file, true), EACCES);
	assert_int_equal(error_of(open_directory, false), 0);
	assert_int_equal(error_of(open_directory, true), EACCES);
	assert_int_equal(error_of(write_file, false), 0);
	assert_int_equal(error_of(write_file, true), EACCES);
}

static void test_network(void **state)
{
	(void)state;
	need_landlock(4);
	assert_int_equal(error_of(connect_tcp, false), ECONNREFUSED);
	assert_int_equal(error_of(connect_tcp, true), EACCES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_network),
	};

	return cmocka_run_group_tests_name("helper_landlock", tests, NULL, NULL);
}
