// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a process can do after sandbox_enter(), each thing tried in a process of its own. This is
 * built without sanitizers, with which the filter of system calls is left out.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <seccomp.h>

#include "unit.h"

#include "base/error.h"
#include "base/process.h"
#include "negotiate/sandbox.h"

#define ENTERED		100

/* Of a pair of sockets: kept in the sandbox, and its other end, which is not */
static int kept, lost;

static int setup(void **state)
{
	int fds[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
		return -1;
	kept = fds[0];
	lost = fds[1];
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(kept);
	close(lost);
	return 0;
}

/* Returns how a process ended that tried this in the sandbox. */
static int tried(unsigned int flags, int (*what)(void))
{
	struct error err;
	int status, i;
	pid_t pid = fork();

	if (!pid) {
		/* cmocka catches these */
		for (i = 1; i < SIGRTMIN; i++)
			signal(i, SIG_DFL);
		if (sandbox_enter(flags, &kept, 1, &err))
			_exit(ENTERED);
		_exit(what());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == ENTERED);
	return status;
}

static void possible(unsigned int flags, int (*what)(void))
{
	int status = tried(flags, what);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void deadly(int (*what)(void))
{
	int status = tried(0, what);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

/* ---- what a handshake needs ---- */

static int talk(void)
{
	struct timespec now;
	char c;

	if (send(kept, "x", 1, MSG_NOSIGNAL) != 1 || recv(kept, &c, 1, MSG_DONTWAIT) >= 0)
		return 1;
	if (errno != EAGAIN || clock_gettime(CLOCK_MONOTONIC, &now))
		return 2;
	return 0;
}

static int allocate(void)
{
	char *small = malloc(100), *large = malloc(8 << 20), *again;

	if (!small || !large)
		return 1;
	memset(large, 1, 8 << 20);
	again = realloc(large, 16 << 20);
	if (!again)
		return 2;
	free(again);
	free(small);
	return 0;
}

static void test_possible(void **state)
{
	char c;

	(void)state;
	possible(0, talk);
	assert_int_equal(recv(lost, &c, 1, MSG_DONTWAIT), 1);
	possible(0, allocate);
}

/* Standard output, not used before */
static FILE *output;

static int print(void)
{
	struct error err;

	fprintf(output, "%s %d\n", "line", 1);
	error_errno(&err, EXIT_SYSTEM, ENOENT, "cause");
	fprintf(stderr, "%s\n", err.cause);
	return fflush(output) ? 1 : 0;
}

/* Output may go to a file, and stdio looks at what it is. */
static void test_output(void **state)
{
	char name[] = "/tmp/nbd-unit-XXXXXX", text[64] = "";
	int fd = mkstemp(name), out = dup(1), error = dup(2);

	(void)state;
	assert_true(fd >= 0);
	unlink(name);
	fflush(NULL);
	dup2(fd, 1);
	dup2(fd, 2);
	output = fdopen(1, "w");
	assert_non_null(output);
	possible(SANDBOX_OUTPUT, print);
	dup2(out, 1);
	dup2(error, 2);
	close(out);
	close(error);
	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
	assert_non_null(strstr(text, "line 1\n"));
	assert_non_null(strstr(text, "cause: No such file or directory\n"));
	close(fd);
}

/* ---- what it does not ---- */

static int other_files(void)
{
	int fd;

	for (fd = 0; fd < 1024; fd++)
		if (fd != kept && (write(fd, "x", 1) >= 0 || errno != EBADF))
			return 1;
	return 0;
}

static int too_much_memory(void)
{
	return malloc(300 << 20) ? 1 : 0;
}

static int open_file(void)
{
	return open("/etc/passwd", O_RDONLY) >= 0 || errno != EACCES ||
	       open("/", O_RDONLY) >= 0 || errno != EACCES;
}

static void test_impossible(void **state)
{
	(void)state;
	possible(0, other_files);
	possible(0, too_much_memory);
	possible(0, open_file);
}

static int make_process(void)
{
	return fork();
}

static int run_program(void)
{
	return execl("/bin/true", "true", NULL);
}

static int make_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static int connect_elsewhere(void)
{
	struct sockaddr nowhere = { .sa_family = AF_UNSPEC };

	return connect(kept, &nowhere, sizeof(nowhere));
}

static int change_socket(void)
{
	int on = 1;

	return setsockopt(kept, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

static int kill_another(void)
{
	return kill(getppid(), 0);
}

static int trace_another(void)
{
	return ptrace(PTRACE_ATTACH, 1, NULL, NULL);
}

static int become_root(void)
{
	return setuid(0);
}

static int more_memory_for_all(void)
{
	const struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	return setrlimit(RLIMIT_AS, &limit);
}

static int remove_file(void)
{
	return unlink("/tmp/nbd-unit-nothing");
}

static int run_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	       MAP_FAILED;
}

static int make_memory_run(void)
{
	return mprotect((void *)((uintptr_t)&kept & ~4095UL), 4096, PROT_READ | PROT_EXEC);
}

static int share_memory(void)
{
	return mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
}

static void test_deadly(void **state)
{
	(void)state;
	deadly(make_process);
	deadly(run_program);
	deadly(make_socket);
	deadly(connect_elsewhere);
	deadly(change_socket);
	deadly(kill_another);
	deadly(trace_another);
	deadly(become_root);
	deadly(more_memory_for_all);
	deadly(remove_file);
	deadly(run_memory);
	deadly(make_memory_run);
	deadly(share_memory);
}

/* As the runtimes of some containers do with calls that they do not know */
static int refuse_newer_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int rc;

	rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(close_range), 0) ||
	     seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(pidfd_open), 0) ||
	     seccomp_load(filter);
	seccomp_release(filter);
	return rc;
}

static void test_newer_calls_refused(void **state)
{
	siginfo_t info;
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (!pid) {
		struct error err;
		pid_t child;

		if (refuse_newer_calls())
			_exit(1);
		child = fork();
		if (!child)
			_exit(7);
		if (!process_ended(child, 20000, 0, &info) || info.si_status != 7)
			_exit(2);
		if (sandbox_enter(0, &kept, 1, &err))
			_exit(3);
		_exit(other_files() ? 4 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* A limit that the caller has set stays as it is. */
static void test_lower_limit(void **state)
{
	const struct rlimit limit = { 200 << 20, 200 << 20 };
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (!pid) {
		struct error err;

		/* root could raise it again */
		if (setrlimit(RLIMIT_AS, &limit) || (!geteuid() && setresuid(1, 1, 1)))
			_exit(1);
		if (sandbox_enter(0, &kept, 1, &err))
			_exit(2);
		_exit(malloc(220 << 20) ? 3 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_too_many_files(void **state)
{
	int fds[SANDBOX_MAX_FILES + 1] = { 0 };
	struct error err;

	(void)state;
	assert_int_equal(sandbox_enter(0, fds, SANDBOX_MAX_FILES + 1, &err), -1);
	assert_int_equal(err.code, EXIT_SYSTEM);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(possible),
		TEST(output),
		TEST(impossible),
		TEST(deadly),
		TEST(newer_calls_refused),
		TEST(lower_limit),
		TEST(too_many_files),
	};

	return cmocka_run_group_tests_name("helper_sandbox", tests, NULL, NULL);
}
