// SPDX-License-Identifier: GPL-2.0-only
/*
 * A negotiation as its parent sees it: its result, its rights, and each way in which the process
 * may end. The filter of system calls is not built with the address sanitizer;
 * test_priv_negotiation.sh looks at it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#include "base/log.h"
#include "negotiate/handshake-proto.h"
#include "negotiate/negotiate.h"
#include "script.h"

static struct script *script;
static struct target target;
static struct negotiation neg;
static struct negotiation_request request;
static struct export export;
static struct error err;
static pid_t server;

static int setup(void **state)
{
	(void)state;
	script = malloc(sizeof(*script));
	script_init(script);
	target_init(&target);
	target.kind = TARGET_UNIX;
	target.path_length = 1 + sprintf(target.path + 1, "nbd-unit-negotiate-%d", getpid());
	memset(&neg, 0, sizeof(neg));
	memset(&request, 0, sizeof(request));
	request.connect.target = &target;
	request.handshake.export = "";
	request.milliseconds = 10000;
	return 0;
}

/* Neither a negotiation nor a zombie is left. */
static int teardown(void **state)
{
	(void)state;
	free(script);
	if (server) {
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
	}
	server = 0;
	return waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD;
}

static void serve_client(int client)
{
	char byte;

	if (write(client, script->in, script->in_length) < 0)
		_exit(1);
	while (read(client, &byte, 1) > 0)
		;
	close(client);
}

/* Says what is in the script, whatever it hears, and stays until the client has gone, to @n. */
static void serve_n(unsigned int n)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(address.sun_path, target.path, target.path_length);
	assert_int_equal(bind(fd, (struct sockaddr *)&address,
			      offsetof(struct sockaddr_un, sun_path) + target.path_length), 0);
	assert_int_equal(listen(fd, 5), 0);
	server = fork();
	if (!server) {
		while (n--)
			serve_client(accept(fd, NULL, NULL));
		_exit(0);
	}
	close(fd);
}

static void serve(void)
{
	serve_n(1);
}

static void good_script(void)
{
	script_greeting(script, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
	script_ack(script, NBD_OPT_STRUCTURED_REPLY);
	script_context(script, NBD_OPT_SET_META_CONTEXT, 7, "base:allocation");
	script_ack(script, NBD_OPT_SET_META_CONTEXT);
	script_info_export(script, NBD_OPT_GO, 1 << 20, NBD_FLAG_HAS_FLAGS);
	script_ack(script, NBD_OPT_GO);
}

static void start(void)
{
	assert_int_equal(negotiation_start(&neg, &request, &err), 0);
}

static int finish(void)
{
	int fd = -1;

	if (negotiation_finish(&neg, &export, &fd, &err)) {
		assert_int_equal(fd, -1);
		fd = -1;
	}
	assert_int_equal(negotiation_fd(&neg), -1);
	assert_int_equal(neg.stuck, 0);
	return fd;
}

static void wait_connected(void)
{
	struct pollfd pfd = { .fd = negotiation_fd(&neg), .events = POLLIN };

	while (!neg.verdict.connected) {
		assert_int_equal(poll(&pfd, 1, 10000), 1);
		assert_false(negotiation_ready(&neg));
	}
}

static void test_export(void **state)
{
	static const char *const contexts[] = { "base:allocation" };
	char byte;
	int fd;

	(void)state;
	good_script();
	/* What comes behind the handshake is not touched. */
	script_raw(script, "!", 1);
	serve();
	request.handshake.structured = true;
	request.handshake.contexts = contexts;
	request.handshake.n_contexts = 1;
	start();
	fd = finish();
	assert_true(fd >= 0);
	assert_int_equal(export.size, 1 << 20);
	assert_int_equal(export.flags, NBD_FLAG_HAS_FLAGS);
	assert_true(export.structured);
	assert_int_equal(export.n_contexts, 1);
	assert_string_equal(export.contexts[0].name, "base:allocation");
	assert_int_equal(export.contexts[0].id, 7);
	assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(read(fd, &byte, 1), 1);
	assert_int_equal(byte, '!');
	close(fd);
	export_free(&export);
}

static void test_refused(void **state)
{
	(void)state;
	script_greeting(script, NBD_FLAG_FIXED_NEWSTYLE);
	script_reply(script, NBD_OPT_GO, NBD_REP_ERR_UNKNOWN, "never heard of it", 17);
	serve();
	start();
	assert_int_equal(finish(), -1);
	assert_int_equal(err.code, EXIT_EXPORT);
	assert_non_null(strstr(err.cause, "never heard of it"));
}

static void test_no_server(void **state)
{
	(void)state;
	start();
	assert_int_equal(finish(), -1);
	assert_int_equal(err.code, EXIT_REACH);
	assert_non_null(strstr(err.cause, "Connection refused"));
}

static void test_mute(void **state)
{
	(void)state;
	serve();
	request.milliseconds = 100;
	start();
	assert_int_equal(finish(), -1);
	assert_int_equal(err.code, EXIT_TIMEOUT);
	assert_non_null(strstr(err.cause, "the server took too long"));
}

/* Something holds the process up: it is not waited for any longer, and does not live on. */
static void test_stopped(void **state)
{
	pid_t pid;

	(void)state;
	serve();
	request.milliseconds = 300;
	start();
	pid = neg.pid;
	wait_connected();
	kill(pid, SIGSTOP);
	assert_int_equal(finish(), -1);
	assert_int_equal(err.code, EXIT_TIMEOUT);
	assert_non_null(strstr(err.cause, "takes too long"));
	assert_int_equal(kill(pid, 0), -1);
}

static void check_death(int signal, const char *words)
{
	serve();
	start();
	wait_connected();
	kill(neg.pid, signal);
	assert_int_equal(finish(), -1);
	assert_int_equal(err.code, EXIT_SYSTEM);
	assert_non_null(strstr(err.cause, words));
}

static void test_killed(void **state)
{
	(void)state;
	check_death(SIGKILL, "was killed by signal 9 (Killed)");
}

static void test_forbidden_call(void **state)
{
	(void)state;
	/* cmocka catches it */
	signal(SIGSYS, SIG_DFL);
	check_death(SIGSYS, "filter of system calls");
}

static void test_cancel(void **state)
{
	pid_t pid;

	(void)state;
	negotiation_cancel(&neg);
	serve();
	start();
	pid = neg.pid;
	wait_connected();
	negotiation_cancel(&neg);
	assert_int_equal(negotiation_fd(&neg), -1);
	assert_int_equal(neg.stuck, 0);
	assert_int_equal(kill(pid, 0), -1);
}

/* One struct does for one negotiation after the other. */
static void test_again(void **state)
{
	int fd;

	(void)state;
	start();
	assert_int_equal(finish(), -1);
	assert_int_equal(err.code, EXIT_REACH);
	script_greeting(script, NBD_FLAG_FIXED_NEWSTYLE);
	script_info_export(script, NBD_OPT_GO, 1 << 20, NBD_FLAG_HAS_FLAGS);
	script_ack(script, NBD_OPT_GO);
	serve();
	start();
	fd = finish();
	assert_true(fd >= 0);
	assert_int_equal(export.size, 1 << 20);
	close(fd);
}

static int connect_here(void)
{
	struct deadline deadline = deadline_in(10000);
	int fd = connect_target(&request.connect, &deadline, &err);

	assert_true(fd >= 0);
	return fd;
}

/* A process that stays gets further connections, also ahead, and shakes hands on each in turn. */
static void test_more(void **state)
{
	pid_t pid;
	int fd, i;

	(void)state;
	script_greeting(script, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
	script_info_export(script, NBD_OPT_GO, 1 << 20, NBD_FLAG_HAS_FLAGS);
	script_ack(script, NBD_OPT_GO);
	serve_n(3);
	request.stays = true;
	start();
	pid = neg.pid;
	for (i = 0; i < 3; i++) {
		fd = -1;
		assert_int_equal(negotiation_finish(&neg, &export, &fd, &err), 0);
		assert_int_equal(export.size, 1 << 20);
		assert_int_equal(neg.pid, pid);
		assert_int_equal(kill(pid, 0), 0);
		/* The server is free for the next one; the process has kept nothing of this. */
		close(fd);
		if (!i) {
			int ahead[] = { connect_here(), connect_here() };

			assert_int_equal(negotiation_more(&neg, ahead[0], 10000, &err), 0);
			assert_int_equal(negotiation_more(&neg, ahead[1], 10000, &err), 0);
			close(ahead[0]);
			close(ahead[1]);
		}
	}
	negotiation_cancel(&neg);
	assert_int_equal(kill(pid, 0), -1);
	negotiation_cancel(&neg);
}

/* One that fails ends the process; its words come through. */
static void test_more_refused(void **state)
{
	int fd = -1, second;

	(void)state;
	script_greeting(script, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
	script_info_export(script, NBD_OPT_GO, 1 << 20, NBD_FLAG_HAS_FLAGS);
	script_ack(script, NBD_OPT_GO);
	serve_n(1);
	request.stays = true;
	start();
	assert_int_equal(negotiation_finish(&neg, &export, &fd, &err), 0);
	/* A server that ends once the first has gone: nobody greets the second. */
	second = connect_here();
	assert_int_equal(negotiation_more(&neg, second, 10000, &err), 0);
	close(second);
	close(fd);
	assert_int_equal(negotiation_finish(&neg, &export, &fd, &err), -1);
	assert_int_equal(err.code, EXIT_REACH);
	assert_int_equal(negotiation_fd(&neg), -1);
}

/* While a look-up hangs no other is begun, but what needs none is done. */
static void test_stuck(void **state)
{
	pid_t stuck = fork();

	(void)state;
	if (!stuck) {
		pause();
		_exit(0);
	}
	neg.stuck = stuck;
	target.kind = TARGET_TCP;
	strcpy(target.host, "localhost");
	start();
	assert_int_equal(negotiation_finish(&neg, &export, &(int){ -1 }, &err), -1);
	assert_non_null(strstr(err.cause, "cannot look up \"localhost\""));
	assert_int_equal(neg.stuck, stuck);
	target.kind = TARGET_UNIX;
	serve();
	start();
	wait_connected();
	negotiation_cancel(&neg);
	assert_int_equal(neg.stuck, stuck);
	kill(stuck, SIGKILL);
	waitpid(stuck, NULL, 0);
}

/* When it has ended, names are looked up again. */
static void test_stuck_no_more(void **state)
{
	(void)state;
	neg.stuck = fork();
	if (!neg.stuck)
		_exit(0);
	waitid(P_PID, neg.stuck, &(siginfo_t){ 0 }, WEXITED | WNOWAIT);
	target.kind = TARGET_TCP;
	target.port = 1;
	strcpy(target.host, "localhost");
	start();
	assert_int_equal(neg.stuck, 0);
	assert_int_equal(finish(), -1);
	assert_non_null(strstr(err.cause, "Connection refused"));
}

static void status_line(pid_t pid, const char *key, char *value)
{
	char path[64], line[256];
	size_t len = strlen(key);
	FILE *f;

	sprintf(path, "/proc/%d/status", pid);
	f = fopen(path, "r");
	assert_non_null(f);
	*value = '\0';
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, key, len))
			strcpy(value, line + len);
	fclose(f);
}

static unsigned int count_files(pid_t pid)
{
	char path[64];
	struct dirent *entry;
	unsigned int n = 0;
	DIR *dir;

	sprintf(path, "/proc/%d/fd", pid);
	dir = opendir(path);
	/* Without root there is no looking into a process that wants to be private. */
	if (!dir)
		return 2;
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

/* As nobody, without capabilities, files and new privileges, from the first byte on. */
static void test_rights(void **state)
{
	char value[256];

	(void)state;
	serve();
	start();
	wait_connected();
	if (!geteuid()) {
		status_line(neg.pid, "Uid:", value);
		assert_string_equal(value, "\t65534\t65534\t65534\t65534\n");
		status_line(neg.pid, "Gid:", value);
		assert_string_equal(value, "\t65534\t65534\t65534\t65534\n");
		status_line(neg.pid, "Groups:", value);
		assert_int_equal(value[strspn(value, "\t ")], '\n');
	}
	status_line(neg.pid, "CapPrm:", value);
	assert_string_equal(value, "\t0000000000000000\n");
	status_line(neg.pid, "CapInh:", value);
	assert_string_equal(value, "\t0000000000000000\n");
	status_line(neg.pid, "NoNewPrivs:", value);
	assert_string_equal(value, "\t1\n");
	assert_int_equal(count_files(neg.pid), 2);
	negotiation_cancel(&neg);
}

static char logged[LOG_TEXT_ROOM];

static void log_here(enum log_level level, const char *text)
{
	(void)level;
	strcpy(logged, text);
}

/* What the process has to say to the user is said by us. */
static void test_note(void **state)
{
	static const char *const contexts[] = { "a:b" };

	(void)state;
	script_greeting(script, NBD_FLAG_FIXED_NEWSTYLE);
	script_ack(script, NBD_OPT_STRUCTURED_REPLY);
	script_reply(script, NBD_OPT_SET_META_CONTEXT, NBD_REP_ERR_UNSUP, "no maps", 7);
	serve();
	request.handshake.structured = true;
	request.handshake.contexts = contexts;
	request.handshake.n_contexts = 1;
	request.milliseconds = 300;
	log_be_verbose();
	log_divert(log_here);
	start();
	assert_int_equal(finish(), -1);
	log_start("unit");
	assert_non_null(strstr(logged, "no maps"));
}

#define TEST(name)	cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(export),
		TEST(refused),
		TEST(no_server),
		TEST(mute),
		TEST(stopped),
		TEST(killed),
		TEST(forbidden_call),
		TEST(cancel),
		TEST(again),
		TEST(more),
		TEST(more_refused),
		TEST(stuck),
		TEST(stuck_no_more),
		TEST(rights),
		TEST(note),
	};

	return cmocka_run_group_tests_name("helper_negotiate", tests, NULL, NULL);
}
