// SPDX-License-Identifier: GPL-2.0-only
/* Devices as metrics: lines of each stand together, counters are named as such, text is escaped. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "kernel/kernel.h"
#include "verbs/metrics.h"

static struct kernel_device devices[2];

static int setup(void **state)
{
	(void)state;
	devices[0] = (struct kernel_device){
		.index = 3,
		.state = NBDCTL_STATE_WAITING,
		.size = 1ULL << 40,
		.requests = 1ULL << 63,
		.errors = 7,
		.bytes_received = 12345,
		.in_flight = 2,
		.oldest = 61005,
		.identifier = "\"\\\ne\xff",
		.display = "\u00e4",
		.n_slots = 2,
		.slots = { { .state = NBDCTL_SLOT_STATE_UP, .reconnects = 4 },
			   { .index = 1, .state = NBDCTL_SLOT_STATE_EMPTY } },
	};
	devices[1] = (struct kernel_device){ .index = 12, .state = NBDCTL_STATE_LIVE };
	return 0;
}

static char *written(unsigned int n)
{
	char *text = NULL;
	struct metrics metrics;
	unsigned int i;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_int_equal(metrics_init(&metrics), 0);
	for (i = 0; i < n; i++)
		metrics_add(&metrics, &devices[i]);
	assert_int_equal(metrics_print(&metrics, out), 0);
	metrics_free(&metrics);
	fclose(out);
	return text;
}

/* Fails unless @line is in @text, as a line. */
static void has(const char *text, const char *line)
{
	const char *at = strstr(text, line);

	if (!at || (at != text && at[-1] != '\n') || at[strlen(line)] != '\n')
		fail_msg("no line \"%s\" in:\n%s", line, text);
}

static void test_values(void **state)
{
	char *text = written(2);

	(void)state;
	has(text, "nbd_devices 2");
	has(text, "nbd_info{device=\"nbd3\",identifier=\"\\\"\\\\\\ne\ufffd\",uri=\"\u00e4\"} 1");
	/* What an unprivileged user is not shown is no label. */
	has(text, "nbd_info{device=\"nbd12\"} 1");
	has(text, "nbd_state{device=\"nbd3\",state=\"waiting\"} 1");
	has(text, "nbd_state{device=\"nbd3\",state=\"live\"} 0");
	has(text, "nbd_state{device=\"nbd12\",state=\"live\"} 1");
	has(text, "nbd_size_bytes{device=\"nbd3\"} 1099511627776");
	has(text, "nbd_connections{device=\"nbd3\"} 2");
	has(text, "nbd_connections_up{device=\"nbd3\"} 1");
	has(text, "nbd_requests_in_flight{device=\"nbd3\"} 2");
	has(text, "nbd_oldest_request_seconds{device=\"nbd3\"} 61.005");
	has(text, "nbd_requests_total{device=\"nbd3\"} 9223372036854775808");
	has(text, "nbd_errors_total{device=\"nbd3\"} 7");
	has(text, "nbd_received_bytes_total{device=\"nbd3\"} 12345");
	has(text, "nbd_connection_up{device=\"nbd3\",connection=\"0\"} 1");
	has(text, "nbd_connection_up{device=\"nbd3\",connection=\"1\"} 0");
	has(text, "nbd_connection_reconnects_total{device=\"nbd3\",connection=\"0\"} 4");
	free(text);
}

/* HELP, TYPE, then all samples of that metric, and no second time. */
static void test_order(void **state)
{
	char *text = written(2), *line, *rest = text;
	char name[80] = "", word[90], seen[4000] = "", type[20] = "";
	int counter, n;

	(void)state;
	while ((line = strsep(&rest, "\n")) && *line) {
		if (sscanf(line, "# HELP %79[a-z_]", name) == 1) {
			sprintf(word, " %s ", name);
			assert_null(strstr(seen, word));
			strcat(seen, word);
			line = strsep(&rest, "\n");
			assert_non_null(line);
			assert_int_equal(strncmp(line, "# TYPE ", 7), 0);
			assert_int_equal(strncmp(line + 7, name, strlen(name)), 0);
			n = sscanf(line + 7 + strlen(name), " %19s", type);
			assert_int_equal(n, 1);
			counter = strlen(name) > 6 &&
				  !strcmp(name + strlen(name) - 6, "_total");
			assert_string_equal(type, counter ? "counter" : "gauge");
			continue;
		}
		assert_int_equal(strcspn(line, "{ "), strlen(name));
		assert_int_equal(strncmp(line, name, strlen(name)), 0);
	}
	free(text);
}

static void test_none(void **state)
{
	char *text = written(0);

	(void)state;
	assert_string_equal(text, "# HELP nbd_devices Disks that are attached.\n"
			    "# TYPE nbd_devices gauge\nnbd_devices 0\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_values, setup),
		cmocka_unit_test_setup(test_order, setup),
		cmocka_unit_test_setup(test_none, setup),
	};

	return cmocka_run_group_tests_name("helper_metrics", tests, NULL, NULL);
}
