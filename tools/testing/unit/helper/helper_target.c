// SPDX-License-Identifier: GPL-2.0-only
/* How a command line names a server, an export and a device. */
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "base/error.h"
#include "negotiate/target.h"
#include "verbs/operands.h"

struct line {
	const char *unix_path, *port, *vsock, *name;
	const char *words[5];
	const char *uri;	/* what it means */
	int device;		/* or -1 */
};

static const struct line good[] = {
	{ .words = { "h" }, .uri = "nbd://h/", .device = -1 },
	{ .words = { "h", "e" }, .uri = "nbd://h/e", .device = -1 },
	{ .words = { "h", "e", "/dev/nbd3" }, .uri = "nbd://h/e", .device = 3 },
	{ .words = { "h", "nbd4" }, .uri = "nbd://h/", .device = 4 },
	{ .words = { "h", "", "nbd4" }, .uri = "nbd://h/", .device = 4 },
	{ .words = { "h", "nbd5", "nbd4" }, .uri = "nbd://h/nbd5", .device = 4 },
	{ .words = { "h" }, .name = "nbd5", .uri = "nbd://h/nbd5", .device = -1 },
	{ .words = { "h", "nbd1" }, .name = "e", .uri = "nbd://h/e", .device = 1 },
	{ .words = { "h" }, .port = "99", .uri = "nbd://h:99/", .device = -1 },
	{ .words = { "::1" }, .port = "99", .uri = "nbd://[::1]:99/", .device = -1 },
	{ .words = { "[::1]" }, .uri = "nbd://[::1]/", .device = -1 },
	{ .words = { "nbd://h:7/e" }, .uri = "nbd://h:7/e", .device = -1 },
	{ .words = { "nbd://h/e", "nbd0" }, .uri = "nbd://h/e", .device = 0 },
	{ .unix_path = "/s", .uri = "nbd+unix:///?socket=/s", .device = -1 },
	{ .unix_path = "/s", .words = { "e" }, .uri = "nbd+unix:///e?socket=/s", .device = -1 },
	{ .unix_path = "/s", .words = { "/dev/nbd0" }, .uri = "nbd+unix:///?socket=/s",
	  .device = 0 },
	{ .unix_path = "/s", .words = { "e", "nbd0" }, .uri = "nbd+unix:///e?socket=/s",
	  .device = 0 },
	{ .unix_path = "@a", .uri = "nbd+unix:///?socket=%00a", .device = -1 },
	{ .vsock = "2", .words = { "e" }, .uri = "nbd+vsock://2/e", .device = -1 },
	{ .vsock = "2:99", .uri = "nbd+vsock://2:99/", .device = -1 },
};

static const struct line bad[] = {
	{ .words = { NULL } },
	{ .words = { "nbd0" } },
	{ .words = { "" } },
	{ .words = { "h", "e", "x" } },
	{ .words = { "h:10809" } },
	{ .words = { "/dev/sda", "e" } },
	{ .words = { "h", "e", "/dev/sda" } },
	{ .words = { "h", "e" }, .name = "e" },
	{ .words = { "nbd://h/e", "e" } },
	{ .words = { "nbd://h/e" }, .port = "99" },
	{ .words = { "nbd://h/e" }, .name = "x" },
	{ .words = { "nbd://h/e" }, .unix_path = "/s" },
	{ .unix_path = "/s", .port = "99" },
	{ .unix_path = "/s", .vsock = "2" },
	{ .unix_path = "" },
	{ .vsock = "" },
	{ .vsock = "x" },
	{ .vsock = "2:" },
	{ .vsock = "2:x" },
	{ .vsock = "4294967295" },
	{ .words = { "h" }, .port = "0" },
	{ .words = { "h" }, .port = "65536" },
	{ .words = { "h", "\xff" } },
};

static int parse(const struct line *line, bool device, struct target *target, int *index,
		 struct error *err)
{
	struct operands operands = {
		.unix_path = line->unix_path,
		.port = line->port,
		.vsock = line->vsock,
		.name = line->name,
		.words = (char *const *)line->words,
	};
	bool has_device = false;
	uint32_t number = 0;
	int rc;

	while (operands.words[operands.n_words])
		operands.n_words++;
	memset(err, 0, sizeof(*err));
	rc = operands_target(&operands, target, device ? &has_device : NULL, &number, err);
	*index = has_device ? (int)number : -1;
	return rc;
}

static void test_good(void **state)
{
	struct target *target = malloc(sizeof(*target));
	char *text = malloc(TARGET_URI_ROOM);
	struct error err;
	int index;
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(good); i++) {
		if (parse(&good[i], true, target, &index, &err))
			fail_msg("%zu: %s", i, err.cause);
		assert_string_equal(target_uri(target, text), good[i].uri);
		assert_int_equal(index, good[i].device);
	}
	free(text);
	free(target);
}

static void test_bad(void **state)
{
	struct target *target = malloc(sizeof(*target));
	struct error err;
	int index;
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(bad); i++) {
		if (!parse(&bad[i], true, target, &index, &err))
			fail_msg("line %zu is accepted", i);
		assert_int_equal(err.code, EXIT_USAGE);
	}
	free(target);
}

static void test_no_device(void **state)
{
	const struct line line = { .words = { "h", "nbd0" } };
	struct target *target = malloc(sizeof(*target));
	struct error err;
	int index;

	(void)state;
	assert_int_equal(parse(&line, false, target, &index, &err), 0);
	assert_string_equal(target->export, "nbd0");
	free(target);
}

static void test_tls(void **state)
{
	static const struct line lines[] = {
		{ .words = { "nbds://h/e" } },
		{ .words = { "nbds://alice@h/e?tls-verify-peer=1", "nbd0" } },
		{ .words = { "nbds+unix:///e?socket=/s" } },
	};
	struct target *target = malloc(sizeof(*target));
	struct error err;
	int index;
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(lines); i++) {
		assert_int_equal(parse(&lines[i], true, target, &index, &err), -1);
		assert_int_equal(err.code, EXIT_TLS);
		assert_string_equal(err.cause, "TLS is not built in yet");
	}
	free(target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_no_device),
		cmocka_unit_test(test_tls),
	};

	return cmocka_run_group_tests_name("helper_target", tests, NULL, NULL);
}
