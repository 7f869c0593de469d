// SPDX-License-Identifier: GPL-2.0-only
/* NBD URIs: each rule of the format, and what is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "base/error.h"
#include "negotiate/target.h"
#include "negotiate/uri.h"

struct good {
	const char *uri;
	enum target_kind kind;
	bool tls;
	const char *host;
	uint32_t port;
	const char *export;
};

static const struct good good[] = {
	{ "nbd://example.com/disk", TARGET_TCP, false, "example.com", 10809, "disk" },
	{ "nbd://example.com", TARGET_TCP, false, "example.com", 10809, "" },
	{ "nbd://example.com/", TARGET_TCP, false, "example.com", 10809, "" },
	{ "nbd://example.com//disk", TARGET_TCP, false, "example.com", 10809, "/disk" },
	{ "nbd://example.com///", TARGET_TCP, false, "example.com", 10809, "//" },
	{ "nbd://example.com/a/b/../c/", TARGET_TCP, false, "example.com", 10809, "a/b/../c/" },
	{ "nbd://example.com/hello%20world", TARGET_TCP, false, "example.com", 10809,
	  "hello world" },
	{ "nbd://example.com/%2F%3f%23%25", TARGET_TCP, false, "example.com", 10809, "/?#%" },
	{ "nbd://h/a+b", TARGET_TCP, false, "h", 10809, "a+b" },
	{ "nbd://h/%C3%A9", TARGET_TCP, false, "h", 10809, "\xc3\xa9" },
	{ "nbd://h/a:b@c", TARGET_TCP, false, "h", 10809, "a:b@c" },
	{ "nbd://h:1/x", TARGET_TCP, false, "h", 1, "x" },
	{ "nbd://h:65535", TARGET_TCP, false, "h", 65535, "" },
	{ "nbd://h:/x", TARGET_TCP, false, "h", 10809, "x" },
	{ "nbd://192.0.2.1:10810/x", TARGET_TCP, false, "192.0.2.1", 10810, "x" },
	{ "nbd://[::1]/x", TARGET_TCP, false, "::1", 10809, "x" },
	{ "nbd://[2001:db8::2]:99/", TARGET_TCP, false, "2001:db8::2", 99, "" },
	{ "nbd://[fe80::1%25eth0]/x", TARGET_TCP, false, "fe80::1%eth0", 10809, "x" },
	{ "nbd://[fe80::1%eth0]:99/x", TARGET_TCP, false, "fe80::1%eth0", 99, "x" },
	{ "nbd://[fe80::1%251]/%41", TARGET_TCP, false, "fe80::1%1", 10809, "A" },
	{ "nbd://[fe80::1%25a%2Db]", TARGET_TCP, false, "fe80::1%a-b", 10809, "" },
	{ "nbd:///x", TARGET_TCP, false, "localhost", 10809, "x" },
	{ "NBD://h/x", TARGET_TCP, false, "h", 10809, "x" },
	{ "nbds://h/x", TARGET_TCP, true, "h", 10809, "x" },
	{ "nbds://alice@h/x?tls-type=psk&tls-verify-peer=0", TARGET_TCP, true, "h", 10809, "x" },
	{ "nbd://h/x?x-test=1", TARGET_TCP, false, "h", 10809, "x" },
	{ "nbd://h/x?", TARGET_TCP, false, "h", 10809, "x" },
	{ "nbd+vsock://2/x", TARGET_VSOCK, false, "", 10809, "x" },
	{ "nbd+vsock://3:4/", TARGET_VSOCK, false, "", 4, "" },
};

static void test_good(void **state)
{
	struct target *target = malloc(sizeof(*target));
	struct error err = { .cause = "" };
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(good); i++) {
		if (uri_parse(good[i].uri, target, &err))
			fail_msg("%s: %s", good[i].uri, err.cause);
		assert_int_equal(target->kind, good[i].kind);
		assert_int_equal(target->tls, good[i].tls);
		assert_string_equal(target->host, good[i].host);
		assert_int_equal(target->port, good[i].port);
		assert_string_equal(target->export, good[i].export);
		assert_int_equal(target->named, *good[i].export != '\0');
	}
	free(target);
}

static void check_socket(const char *uri, const char *path, size_t length, const char *export)
{
	struct target *target = malloc(sizeof(*target));
	struct error err = { .cause = "" };

	if (uri_parse(uri, target, &err))
		fail_msg("%s: %s", uri, err.cause);
	assert_int_equal(target->kind, TARGET_UNIX);
	assert_int_equal(target->path_length, length);
	assert_memory_equal(target->path, path, length);
	assert_string_equal(target->export, export);
	free(target);
}

static void test_sockets(void **state)
{
	(void)state;
	check_socket("nbd+unix:///?socket=nbd.sock", "nbd.sock", 8, "");
	check_socket("nbd+unix:///disk?socket=/run/a%20b", "/run/a b", 8, "disk");
	check_socket("nbd+unix:////disk?socket=s", "s", 1, "/disk");
	check_socket("nbd+unix://?socket=s", "s", 1, "");
	check_socket("nbd+unix:/disk?socket=s", "s", 1, "disk");
	check_socket("nbds+unix:///?x-a&socket=s&tls-type=anon", "s", 1, "");
	check_socket("nbd+unix:///?socket=a=b", "a=b", 3, "");
	check_socket("nbd+unix:///?socket=a+b", "a+b", 3, "");
	check_socket("nbd+unix:///?socket=%00/abstract", "\0/abstract", 10, "");
	/* NUL is but a byte inside an abstract name. */
	check_socket("nbd+unix:///?socket=%00a%00b", "\0a\0b", 4, "");
}

struct bad {
	const char *uri;
	const char *says;
};

static const struct bad bad[] = {
	{ "http://h/x", "scheme" },
	{ "nbd+tcp://h/x", "scheme" },
	{ "//h/x", "no scheme" },
	{ "nbd:x", "lacks //" },
	{ "nbd://h/a b", "malformed URI at byte 9" },
	{ "nbd://h/%zz", "malformed" },
	{ "nbd://h/%2", "malformed" },
	{ "nbd://h/a%00b", "without NUL" },
	{ "nbd://h/%ff", "not UTF-8" },
	{ "nbd://h/x#part", "fragment" },
	{ "nbd://h:0/x", "bad port" },
	{ "nbd://h:65536/x", "bad port" },
	{ "nbd://h:123456789/x", "bad port" },
	{ "nbd://h:x/x", "malformed" },
	{ "nbd://::1/x", "malformed" },
	{ "nbd://a%00b/x", "host" },
	{ "nbd://[fe80::1%]/x", "zone" },
	{ "nbd://[fe80::1%25%00]/x", "zone" },
	{ "nbd://[fe80::1%25a%2]/x", "zone" },
	{ "nbd://[fe80::1%a%zz]/x", "zone" },
	{ "nbd://[fe80::1%25a%2Fb]/x", "host" },
	{ "nbd://[::zz%25a]/x", "malformed URI at byte 9" },
	{ "nbd://e%3Ae/x", "host" },
	{ "nbd://u@h/x", "user name" },
	{ "nbd://h/x?socket=s", "nbd+unix" },
	{ "nbd://h/x?tls-type=x509", "without TLS" },
	{ "nbd://h/x?tls-verify-peer=0", "without TLS" },
	{ "nbds://h/x?tls-verify=0", "not for" },
	{ "nbd://h/x?unknown=1", "unknown key \"unknown\"" },
	{ "nbd+unix:///x", "lacks ?socket" },
	{ "nbd+unix:///x?socket=", "1 to 107 bytes" },
	{ "nbd+unix:///x?socket=a&socket=b", "more than one" },
	{ "nbd+unix:///x?socket=%00", "no name" },
	{ "nbd+unix:///x?socket=a%00b", "NUL" },
	{ "nbd+unix://host/x?socket=s", "no host" },
	{ "nbd+vsock:///x", "no vsock CID" },
	{ "nbd+vsock://host/x", "vsock address" },
	{ "nbd+vsock://4294967295/x", "vsock address" },
};

static void test_bad(void **state)
{
	struct target *target = malloc(sizeof(*target));
	struct error err;
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(bad); i++) {
		memset(&err, 0, sizeof(err));
		if (!uri_parse(bad[i].uri, target, &err))
			fail_msg("%s is accepted", bad[i].uri);
		if (!strstr(err.cause, bad[i].says))
			fail_msg("%s: %s", bad[i].uri, err.cause);
		assert_int_equal(err.code, EXIT_USAGE);
	}
	free(target);
}

/* The longest export name passes, percent-encoded or not; one byte more does not. */
static void test_lengths(void **state)
{
	struct target *target = malloc(sizeof(*target));
	char *uri = malloc(URI_MAX + 32);
	struct error err;
	size_t i;

	(void)state;
	strcpy(uri, "nbd://h/");
	memset(uri + 8, 'x', 4097);
	uri[8 + 4096] = '\0';
	assert_int_equal(uri_parse(uri, target, &err), 0);
	assert_int_equal(strlen(target->export), 4096);
	uri[8 + 4096] = 'x';
	uri[8 + 4097] = '\0';
	assert_int_equal(uri_parse(uri, target, &err), -1);
	for (i = 0; i < 4096; i++)
		strcpy(uri + 8 + 3 * i, "%78");
	assert_int_equal(uri_parse(uri, target, &err), 0);
	assert_int_equal(strlen(target->export), 4096);
	memset(uri + 8, 'x', URI_MAX);
	uri[8 + URI_MAX] = '\0';
	assert_int_equal(uri_parse(uri, target, &err), -1);
	assert_non_null(strstr(err.cause, "longer than"));
	strcpy(uri, "nbd+unix:///?socket=");
	memset(uri + 20, 's', 108);
	uri[20 + 107] = '\0';
	assert_int_equal(uri_parse(uri, target, &err), 0);
	uri[20 + 107] = 's';
	uri[20 + 108] = '\0';
	assert_int_equal(uri_parse(uri, target, &err), -1);
	free(uri);
	free(target);
}

/* What is printed as a URI means the same when it is read. */
static void test_round_trip(void **state)
{
	static const char *const uris[] = {
		"nbd://example.com/",
		"nbd://[::1]:99/a%20b//%25%3F%23",
		"nbd://[fe80::1%25eth0.7]:99/x",
		"nbd://[fe80::1%enp1s0]/x",
		"nbd://[fe80::1%25a%25b]/x",
		"nbd+unix:///x%2520?socket=/run/a%20%26b%3D",
		"nbd+unix:///?socket=%00abs",
		"nbds+unix:///?socket=s",
		"nbd+vsock://2:5/%C3%A9",
	};
	struct target *first = malloc(sizeof(*first)), *second = malloc(sizeof(*second));
	char *text = malloc(TARGET_URI_ROOM);
	struct error err;
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(uris); i++) {
		assert_int_equal(uri_parse(uris[i], first, &err), 0);
		assert_int_equal(uri_parse(target_uri(first, text), second, &err), 0);
		assert_memory_equal(first, second, sizeof(*first));
	}
	free(text);
	free(second);
	free(first);
}

static void test_is_uri(void **state)
{
	(void)state;
	assert_true(uri_is_uri("nbd://h"));
	assert_true(uri_is_uri("http://h"));
	assert_true(uri_is_uri("nbd+unix:/x?socket=s"));
	assert_false(uri_is_uri("host"));
	assert_false(uri_is_uri("fe80::1"));
	assert_false(uri_is_uri("/dev/nbd0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_is_uri),
	};

	return cmocka_run_group_tests_name("helper_uri", tests, NULL, NULL);
}
