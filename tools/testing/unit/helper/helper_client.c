// SPDX-License-Identifier: GPL-2.0-only
/* Command lines of nbd-client, among them those of distributions, and what is done for them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

#include "kernel/device.h"

static char *fake_sysfs;

#define attach_perform	fake_attach
#define detach_device	fake_detach
#undef DEVICE_SYSFS
#define DEVICE_SYSFS	fake_sysfs
#include "verbs/client.c"

/* The last attach and detach, and the result of the latter */
static struct attach_args *attached;
static char detached[100], server[300];
static enum exit_code detach_code;

int fake_attach(struct attach_args *args, struct error *err)
{
	char uri[TARGET_URI_ROOM];

	(void)err;
	*attached = *args;
	/* It refers to the command line, which is gone later. */
	snprintf(server, sizeof(server), "%s", target_uri(&args->target, uri));
	return 0;
}

int fake_detach(char *name, struct error *err)
{
	snprintf(detached, sizeof(detached), "%s", name);
	return detach_code ? error_set(err, detach_code, "no") : 0;
}

/* Runs nbd-client with the words of @line. */
static int client(struct error *err, const char *line)
{
	char *copy = strdup(line), *argv[32] = { "nbd-client" }, *rest = copy;
	int argc = 1, rc;

	while ((argv[argc] = strsep(&rest, " ")))
		argc++;
	optind = 0;
	memset(err, 0, sizeof(*err));
	memset(attached, 0, sizeof(*attached));
	*server = *detached = '\0';
	rc = client_run(&client_verb, argc, argv, err);
	free(copy);
	return rc;
}

/**
 * struct call - a call of nbd-client, and what is attached
 * @device: -1 for any
 */
struct call {
	const char *line;
	const char *server;
	int device;
};

static const struct call calls[] = {
	/* the hook of Debian's initramfs, and its unit */
	{ "192.0.2.1 -N root 10809 /dev/nbd0 -swap -persist -systemd-mark -b 512",
	  "nbd://192.0.2.1/root", 0 },
	{ "192.0.2.1 -N root /dev/nbd0 -swap -persist -systemd-mark -b 512",
	  "nbd://192.0.2.1/root", 0 },
	/* dracut */
	{ "192.0.2.1 2000 /dev/nbd0 --systemd-mark bs=4096 timeout=30 -persist",
	  "nbd://192.0.2.1:2000/", 0 },
	{ "-name root 192.0.2.1 /dev/nbd0 --systemd-mark -persist", "nbd://192.0.2.1/root", 0 },
	/* people */
	{ "host /dev/nbd3 -name a", "nbd://host/a", 3 },
	{ "host nbd3 -N a -C 4", "nbd://host/a", 3 },
	{ "--name=a host 99 nbd3 -nofork -nonetlink -no-optgo", "nbd://host:99/a", 3 },
	{ "-N a host", "nbd://host/a", -1 },
	{ "host 99", "nbd://host:99/", -1 },
	{ "host /dev/nbd1", "nbd://host/", 1 },
	{ "fe80::1%eth0 /dev/nbd1", "nbd://[fe80::1%25eth0]/", 1 },
	{ "-unix /run/s /dev/nbd1 -N a", "nbd+unix:///a?socket=/run/s", 1 },
	{ "-u /run/s /dev/nbd1", "nbd+unix:///?socket=/run/s", 1 },
	{ "/run/s -N nbd7 -u", "nbd+unix:///nbd7?socket=/run/s", -1 },
	{ "-N a nbd+unix:///b?socket=/s nbd1", NULL, 0 },
	{ "nbd+unix:///b?socket=/s nbd1", "nbd+unix:///b?socket=/s", 1 },
};

static void test_calls(void **state)
{
	struct error err;
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(calls); i++) {
		if (client(&err, calls[i].line) != (calls[i].server ? 0 : -1))
			fail_msg("%s: %s", calls[i].line, err.cause);
		if (strcmp(server, calls[i].server ?: ""))
			fail_msg("%s: %s", calls[i].line, server);
		if (!calls[i].server)
			continue;
		assert_int_equal(attached->has_device ? (int)attached->device : -1,
				 calls[i].device);
		assert_string_equal(attached->announce, "Connected ");
	}
}

static void test_options(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(client(&err, "h nbd0 -C4 -t 30 -T 20 -R -i x -b 4096"), 0);
	assert_int_equal(attached->connections, 4);
	assert_true(attached->connections_at_most);
	assert_int_equal(attached->request_timeout, 30000);
	assert_int_equal(attached->dead_time, 20000);
	assert_int_equal(attached->block_size, 4096);
	assert_true(attached->read_only);
	assert_non_null(attached->identifier);
	assert_int_equal(attached->keep, ATTACH_KEEP_BACKGROUND);
	assert_int_equal(client(&err, "h nbd0 -connections 2 -timeout=3 --dead-timeout 2"), 0);
	assert_int_equal(attached->connections, 2);
	assert_int_equal(attached->request_timeout, 3000);
	assert_int_equal(attached->dead_time, 2000);
	assert_int_equal(client(&err, "h nbd0 -readonly -identifier x -block-size 512"), 0);
	assert_true(attached->read_only);
	assert_non_null(attached->identifier);
	assert_int_equal(attached->block_size, 512);
	/* The keeper is the default, also without -persist. */
	assert_int_equal(client(&err, "bs=1024 timeout=5 h nbd0"), 0);
	assert_int_equal(attached->block_size, 1024);
	assert_int_equal(attached->request_timeout, 5000);
	assert_int_equal(attached->keep, ATTACH_KEEP_BACKGROUND);
	assert_int_equal(attached->dead_time, 120000);
	assert_int_equal(client(&err, "h nbd0 -nofork"), 0);
	assert_int_equal(attached->keep, ATTACH_KEEP_FOREGROUND);
}

static void test_refused(void **state)
{
	static const struct {
		const char *line, *says;
		enum exit_code code;
	} refused[] = {
		{ "-persist", "missing server", EXIT_USAGE },
		{ "h 1 nbd0 x", "unexpected argument \"x\"", EXIT_USAGE },
		{ "h nbd0 x", "unexpected argument \"x\"", EXIT_USAGE },
		{ "h x", "unexpected argument \"x\"", EXIT_USAGE },
		{ "h /dev/sda", "not an NBD disk", EXIT_USAGE },
		{ "h 1 2 3 4", "unexpected argument \"3\"", EXIT_USAGE },
		{ "h 0 nbd0", "bad port", EXIT_USAGE },
		{ "-l h 1 nbd0", "unexpected argument \"nbd0\"", EXIT_USAGE },
		{ "-l", "missing server", EXIT_USAGE },
		{ "h nbd0 -b 100", "bad block size", EXIT_USAGE },
		{ "h nbd0 bs=x", "bad block size", EXIT_USAGE },
		{ "h nbd0 -N", "needs an argument", EXIT_USAGE },
		{ "h nbd0 -zonk", "option -zonk", EXIT_USAGE },
		{ "h nbd0 -sdp", "SDP", EXIT_USAGE },
		{ "h nbd0 -preinit", "handshake", EXIT_USAGE },
		{ "h nbd0 -size 512", "size of its export", EXIT_USAGE },
		{ "h nbd0 -enable-tls", "TLS", EXIT_TLS },
		{ "h nbd0 -x", "TLS", EXIT_TLS },
		{ "h nbd0 -certfile f", "TLS", EXIT_TLS },
		{ "h nbd0 -keyfile f", "TLS", EXIT_TLS },
		{ "h nbd0 -cacertfile f", "TLS", EXIT_TLS },
		{ "h nbd0 -tlshostname f", "TLS", EXIT_TLS },
		{ "h nbd0 -priority f", "TLS", EXIT_TLS },
	};
	struct error err;
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(refused); i++) {
		if (client(&err, refused[i].line) != -1)
			fail_msg("%s is accepted", refused[i].line);
		if (!strstr(err.cause, refused[i].says))
			fail_msg("%s: %s", refused[i].line, err.cause);
		assert_int_equal(err.code, refused[i].code);
		assert_string_equal(server, "");
	}
}

static void test_table(void **state)
{
	static const char text[] = "nbd0 h e timeout=30,conns=2\nnbd1 /s e unix\n";
	char path[] = "/tmp/nbdtab.XXXXXX", line[100];
	int fd = mkstemp(path);
	struct error err;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	snprintf(line, sizeof(line), "-table %s /dev/nbd0 -C 5 bs=512", path);
	assert_int_equal(client(&err, line), 0);
	assert_string_equal(server, "nbd://h/e");
	assert_int_equal(attached->device, 0);
	assert_int_equal(attached->request_timeout, 30000);
	assert_int_equal(attached->connections, 5);
	assert_int_equal(attached->block_size, 512);
	snprintf(line, sizeof(line), "-table %s nbd1", path);
	assert_int_equal(client(&err, line), 0);
	assert_string_equal(server, "nbd+unix:///e?socket=/s");
	assert_int_equal(attached->device, 1);
	snprintf(line, sizeof(line), "-table %s nbd2", path);
	assert_int_equal(client(&err, line), -1);
	assert_non_null(strstr(err.cause, "no entry for nbd2"));
	/* a socket of that name, or a host */
	snprintf(line, sizeof(line), "-table %s -u nbd1", path);
	assert_int_equal(client(&err, line), -1);
	assert_non_null(strstr(err.cause, "--table requires"));
	snprintf(line, sizeof(line), "-table %s nbd1 nbd2", path);
	assert_int_equal(client(&err, line), -1);
	assert_non_null(strstr(err.cause, "--table requires"));
	unlink(path);
}

static void test_detach(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(client(&err, "-d /dev/nbd3"), 0);
	assert_string_equal(detached, "/dev/nbd3");
	assert_int_equal(client(&err, "--disconnect nbd3 -nonetlink"), 0);
	assert_string_equal(detached, "nbd3");
	detach_code = EXIT_FALSE;
	assert_int_equal(client(&err, "-d nbd3"), 0);
	detach_code = EXIT_BUSY;
	assert_int_equal(client(&err, "-d nbd3"), -1);
	assert_int_equal(err.code, EXIT_BUSY);
	detach_code = EXIT_DONE;
}

/* Writes what the driver reports for nbd3. */
static void report(const char *text)
{
	char path[100];
	FILE *file;

	snprintf(path, sizeof(path), "%s/nbd3/pid", fake_sysfs);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* Fails unless "-check @device" prints the process ID. */
static void assert_prints(const char *device, const char *pid)
{
	char line[100], got[100] = "";
	int fd = memfd_create("stdout", MFD_CLOEXEC), out = dup(STDOUT_FILENO);
	struct error err;

	assert_true(fd >= 0 && out >= 0);
	fflush(stdout);
	dup2(fd, STDOUT_FILENO);
	snprintf(line, sizeof(line), "-check %s", device);
	assert_int_equal(client(&err, line), 0);
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	close(out);
	assert_true(pread(fd, got, sizeof(got) - 1, 0) >= 0);
	close(fd);
	assert_string_equal(got, pid);
}

static void test_check(void **state)
{
	char path[100];
	struct error err;

	(void)state;
	fake_sysfs = strdup("/tmp/client.XXXXXX");
	/* without sysfs */
	assert_int_equal(client(&err, "-c /dev/nbd3"), -1);
	assert_int_equal(err.code, EXIT_UNKNOWN);
	assert_non_null(mkdtemp(fake_sysfs));
	assert_int_equal(client(&err, "-c /dev/nbd3"), EXIT_FALSE);
	snprintf(path, sizeof(path), "%s/nbd3", fake_sysfs);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(client(&err, "-check nbd3"), EXIT_FALSE);
	report("1234\n");
	assert_int_equal(device_pid(fake_sysfs, 3), 1234);
	assert_prints("nbd3", "1234\n");
	assert_prints("/dev/nbd3p1", "1234\n");
	assert_int_equal(client(&err, "-c /dev/nbd33"), EXIT_FALSE);
	report("12x\n");
	assert_int_equal(client(&err, "-c nbd3"), -1);
	assert_int_equal(err.code, EXIT_UNKNOWN);
	report("");
	assert_int_equal(client(&err, "-c nbd3"), -1);
	assert_int_equal(client(&err, "-c /dev/null"), -1);
	assert_int_equal(err.code, EXIT_UNKNOWN);
	snprintf(path, sizeof(path), "rm -r %s", fake_sysfs);
	assert_int_equal(system(path), 0);
	free(fake_sysfs);
}

static int start(void **state)
{
	(void)state;
	attached = malloc(sizeof(*attached));
	return !attached;
}

static int stop(void **state)
{
	(void)state;
	free(attached);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_detach),
		cmocka_unit_test(test_check),
	};

	return cmocka_run_group_tests_name("helper_client", tests, start, stop);
}
