// SPDX-License-Identifier: GPL-2.0-only
/* A device as JSON: what each member is called, and that numbers are numbers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "base/json.h"
#include "kernel/kernel.h"
#include "negotiate/handshake-proto.h"
#include "verbs/device-json.h"

#define BEGIN	"{\n  \"version\": 1,\n"

static struct kernel_device device;

static int setup(void **state)
{
	(void)state;
	device = (struct kernel_device){
		.index = 3,
		.state = NBDCTL_STATE_LIVE,
		.size = 1ULL << 40,
		.flags = NBD_FLAG_SEND_FLUSH | NBD_FLAG_CAN_MULTI_CONN,
		.header_mode = NBDCTL_HEADER_MODE_STRUCTURED,
		.minimum = 1,
		.preferred = 4096,
		.max_payload = 33554432,
		.dead_time = 120000,
		.queue_depth = 128,
		.openers = 2,
		.in_flight = 3,
		.oldest = 61500,
		.requests = UINT64_MAX,
		.replies = 20,
		.errors = 5,
		.bytes_sent = 560,
		.bytes_received = 4096,
		.last_error = 104,
		.last_error_age = 10000000250,
		.identifier = "my \"disk\"",
		.display = "nbd://h/e",
		.contexts = { "base:allocation" },
		.n_contexts = 1,
		.n_slots = 2,
		.slots = { { .state = NBDCTL_SLOT_STATE_UP, .reconnects = 9 },
			   { .index = 1, .state = NBDCTL_SLOT_STATE_EMPTY, .reason = 104 } },
	};
	return 0;
}

static char *written(unsigned int members)
{
	char *text = NULL;
	size_t length;
	struct json json;
	FILE *out = open_memstream(&text, &length);

	json_start(&json, out);
	device_json(&json, &device, members);
	fclose(out);
	return text;
}

static void expect(unsigned int members, const char *want)
{
	char *have = written(members);

	assert_string_equal(have, want);
	free(have);
}

static void test_all(void **state)
{
	static const char want[] =
		BEGIN
		"  \"device\": \"/dev/nbd3\",\n"
		"  \"index\": 3,\n"
		"  \"state\": \"live\",\n"
		"  \"gave_up\": false,\n"
		"  \"uri\": \"nbd://h/e\",\n"
		"  \"identifier\": \"my \\\"disk\\\"\",\n"
		"  \"size\": 1099511627776,\n"
		"  \"read_only\": false,\n"
		"  \"flags\": [\n    \"flush\",\n    \"multi-conn\"\n  ],\n"
		"  \"structured\": true,\n"
		"  \"block_size\": {\n    \"minimum\": 1,\n    \"preferred\": 4096,\n"
		"    \"maximum\": 33554432\n  },\n"
		"  \"contexts\": [\n    \"base:allocation\"\n  ],\n"
		"  \"request_timeout\": null,\n"
		"  \"dead_timeout\": 120,\n"
		"  \"queue_size\": 128,\n"
		"  \"openers\": 2,\n"
		"  \"in_flight\": 3,\n"
		"  \"oldest_request\": 61.5,\n"
		"  \"requests\": 18446744073709551615,\n"
		"  \"replies\": 20,\n"
		"  \"errors\": 5,\n"
		"  \"bytes_sent\": 560,\n"
		"  \"bytes_received\": 4096,\n"
		"  \"reconnects\": 9,\n"
		"  \"last_error\": 104,\n"
		"  \"last_error_age\": 10000000.25,\n"
		"  \"connections_total\": 2,\n"
		"  \"connections_up\": 1\n"
		"}\n";

	(void)state;
	expect(DEVICE_JSON_ALL & ~DEVICE_JSON_CONNECTIONS, want);
}

static void test_connections(void **state)
{
	static const char want[] =
		BEGIN
		"  \"connections\": [\n"
		"    {\n"
		"      \"index\": 1,\n"
		"      \"state\": \"empty\",\n"
		"      \"transport\": \"none\",\n"
		"      \"requests\": 7,\n"
		"      \"replies\": 0,\n"
		"      \"errors\": 0,\n"
		"      \"bytes_sent\": 0,\n"
		"      \"bytes_received\": 0,\n"
		"      \"reconnects\": 0,\n"
		"      \"reason\": 104\n"
		"    }\n"
		"  ]\n"
		"}\n";

	(void)state;
	device.slots[0] = device.slots[1];
	device.slots[0].requests = 7;
	device.n_slots = 1;
	expect(DEVICE_JSON_CONNECTIONS, want);
}

static void test_times(void **state)
{
	const unsigned int times = DEVICE_JSON_REQUEST_TIMEOUT | DEVICE_JSON_DEAD_TIMEOUT;

	(void)state;
	device.request_timeout = 7500;
	device.dead_time = 0;
	expect(times, BEGIN "  \"request_timeout\": 7.5,\n  \"dead_timeout\": 0\n}\n");
	device.request_timeout = 1;
	device.dead_time = NBDCTL_TIME_FOREVER;
	expect(times, BEGIN "  \"request_timeout\": 0.001,\n  \"dead_timeout\": null\n}\n");
}

/* JSON Lines: no line break but at the end */
static void test_line(void **state)
{
	char *text = NULL;
	size_t length;
	struct json json;
	FILE *out = open_memstream(&text, &length);

	(void)state;
	json_start_line(&json, out);
	json_object(&json, NULL);
	json_string(&json, "a", "\n");
	json_array(&json, "c");
	json_end(&json);
	json_array(&json, "d");
	json_number(&json, NULL, 1);
	json_end(&json);
	json_end(&json);
	fclose(out);
	assert_string_equal(text, "{\"version\": 1, \"a\": \"\\u000a\", \"c\": [], \"d\": [1]}\n");
	free(text);
}

/* No request in flight, and no connection lost */
static void test_idle(void **state)
{
	(void)state;
	device.oldest = 0;
	device.last_error = 0;
	expect(DEVICE_JSON_OLDEST | DEVICE_JSON_LAST_ERROR,
	       BEGIN "  \"oldest_request\": null,\n  \"last_error\": 0,\n"
	       "  \"last_error_age\": null\n}\n");
}

/* Those that are not known to the caller are left out. */
static void test_unknown(void **state)
{
	(void)state;
	device.display[0] = '\0';
	device.identifier[0] = '\0';
	expect(DEVICE_JSON_URI | DEVICE_JSON_IDENTIFIER | DEVICE_JSON_SIZE,
	       BEGIN "  \"size\": 1099511627776\n}\n");
}

#define TEST(name)	cmocka_unit_test_setup(test_##name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all),
		TEST(connections),
		TEST(times),
		TEST(line),
		TEST(idle),
		TEST(unknown),
	};

	return cmocka_run_group_tests_name("helper_json", tests, NULL, NULL);
}
