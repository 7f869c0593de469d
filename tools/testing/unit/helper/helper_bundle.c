// SPDX-License-Identifier: GPL-2.0-only
/* The first connection of a disk, to a name whose addresses may be those of several servers. */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#include "base/error.h"
#include "base/log.h"
#include "negotiate/handshake-proto.h"
#include "verbs/bundle.h"
#include "script.h"

/* What is found at an address */
enum server { NOBODY, GOOD, DISCONNECTS, MUTE, REFUSES, BABBLES };

#define ADDRESSES	3

static struct sockaddr_in addresses[ADDRESSES];
static pid_t pids[ADDRESSES];
static unsigned int n_addresses;
static struct script *script;
static struct target *target;
static struct bundle *bundle;
static struct error err;
static unsigned int warnings;

/* The name server */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		struct addrinfo **list)
{
	static struct addrinfo entries[ADDRESSES];
	unsigned int i;

	(void)node;
	(void)service;
	(void)hints;
	for (i = 0; i < n_addresses; i++)
		entries[i] = (struct addrinfo){
			.ai_family = AF_INET,
			.ai_socktype = SOCK_STREAM,
			.ai_addr = (struct sockaddr *)&addresses[i],
			.ai_addrlen = sizeof(addresses[i]),
			.ai_next = i + 1 < n_addresses ? &entries[i + 1] : NULL,
		};
	*list = entries;
	return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
	(void)list;
}

static void count_warning(enum log_level level, const char *text)
{
	(void)text;
	warnings += level == LOG_LEVEL_WARNING;
}

static int setup(void **state)
{
	(void)state;
	script = malloc(sizeof(*script));
	script_init(script);
	target = malloc(sizeof(*target));
	target_init(target);
	strcpy(target->host, "disks.invalid");
	bundle = calloc(1, sizeof(*bundle));
	bundle->request.connect.target = target;
	bundle->request.handshake.export = "";
	bundle->request.milliseconds = 20000;
	n_addresses = 0;
	warnings = 0;
	log_divert(count_warning);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	log_start("unit");
	bundle_close(bundle, true);
	while (n_addresses--) {
		if (!pids[n_addresses])
			continue;
		kill(pids[n_addresses], SIGKILL);
		waitpid(pids[n_addresses], NULL, 0);
	}
	free(bundle);
	free(target);
	free(script);
	return 0;
}

static void serve_client(enum server is, int client)
{
	static const char mail[] = "220 mail.example.com ESMTP, at your service\r\n";
	char byte;

	if (is == GOOD || is == REFUSES)
		send(client, script->in, script->in_length, MSG_NOSIGNAL);
	if (is == BABBLES)
		send(client, mail, sizeof(mail) - 1, MSG_NOSIGNAL);
	while (is != DISCONNECTS && read(client, &byte, 1) > 0)
		;
	close(client);
}

static void write_script(enum server is)
{
	script_init(script);
	script_greeting(script, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
	if (is == REFUSES) {
		script_reply(script, NBD_OPT_GO, NBD_REP_ERR_UNKNOWN, "never heard of it", 17);
		return;
	}
	script_info_export(script, NBD_OPT_GO, 1 << 20, NBD_FLAG_HAS_FLAGS);
	script_ack(script, NBD_OPT_GO);
}

/* One address more, with the port of the first. */
static void add(enum server is)
{
	struct sockaddr_in *address = &addresses[n_addresses];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t length = sizeof(*address);

	*address = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = n_addresses ? addresses[0].sin_port : 0,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK + n_addresses),
	};
	assert_int_equal(bind(fd, (struct sockaddr *)address, length), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &length), 0);
	pids[n_addresses] = 0;
	if (is != NOBODY) {
		assert_int_equal(listen(fd, 5), 0);
		write_script(is);
		pids[n_addresses] = fork();
		while (!pids[n_addresses])
			serve_client(is, accept(fd, NULL, NULL));
	}
	close(fd);
	n_addresses++;
}

/* A connection comes of it, to the address of that number. */
static void assert_connected(unsigned int number)
{
	struct sockaddr_in peer;
	socklen_t length = sizeof(peer);

	if (bundle_first(bundle, &err))
		fail_msg("%s", err.cause);
	assert_int_equal(getpeername(bundle->fds[0], (struct sockaddr *)&peer, &length), 0);
	assert_int_equal(ntohl(peer.sin_addr.s_addr), INADDR_LOOPBACK + number);
	assert_int_equal(bundle->exports[0].size, 1 << 20);
	/* Further ones go there, too. */
	assert_true(bundle->request.connect.pinned);
	assert_memory_equal(bundle->request.connect.address, &peer, sizeof(peer));
}

static void assert_failed(enum exit_code code, const char *words)
{
	assert_int_equal(bundle_first(bundle, &err), -1);
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.cause, words));
}

static void test_first(void **state)
{
	(void)state;
	add(GOOD);
	add(MUTE);
	assert_connected(0);
	assert_int_equal(warnings, 0);
}

/* A proxy whose server is gone. */
static void test_disconnects(void **state)
{
	(void)state;
	add(DISCONNECTS);
	add(GOOD);
	assert_connected(1);
	assert_int_equal(warnings, 1);
}

static void test_mute(void **state)
{
	(void)state;
	add(MUTE);
	add(GOOD);
	bundle->request.milliseconds = 2000;
	assert_connected(1);
	assert_int_equal(warnings, 1);
}

static void test_babbles(void **state)
{
	(void)state;
	add(BABBLES);
	add(NOBODY);
	add(GOOD);
	assert_connected(2);
	assert_int_equal(warnings, 1);
}

/* That is an answer; the other server need not have the same export of that name. */
static void test_refuses(void **state)
{
	(void)state;
	add(REFUSES);
	add(GOOD);
	assert_failed(EXIT_EXPORT, "never heard of it");
	assert_int_equal(warnings, 0);
}

static void test_none(void **state)
{
	(void)state;
	add(DISCONNECTS);
	add(BABBLES);
	add(DISCONNECTS);
	assert_failed(EXIT_REACH, "the server closed the connection");
	assert_int_equal(warnings, 2);
}

static void test_nobody(void **state)
{
	(void)state;
	add(NOBODY);
	add(NOBODY);
	assert_failed(EXIT_REACH, "Connection refused");
	assert_int_equal(warnings, 0);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(first),
		TEST(disconnects),
		TEST(mute),
		TEST(babbles),
		TEST(refuses),
		TEST(none),
		TEST(nobody),
	};

	return cmocka_run_group_tests_name("helper_bundle", tests, NULL, NULL);
}
