// SPDX-License-Identifier: GPL-2.0-only
/* What makes a disk of an export, and when two connections show the same one. */
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "base/error.h"
#include "negotiate/export.h"
#include "negotiate/facts.h"
#include "negotiate/handshake-proto.h"

static void add_context(struct export *export, const char *name, uint32_t id)
{
	export->contexts[export->n_contexts].name = strdup(name);
	export->contexts[export->n_contexts++].id = id;
}

static void test_disk_size(void **state)
{
	static const struct { uint64_t size; uint32_t minimum; uint64_t disk; } table[] = {
		{ 512, 1, 512 },
		{ 10 << 20, 512, 10 << 20 },
		{ 1000001, 1, 999936 },
		{ 10000, 4096, 8192 },
		{ INT64_MAX, 1, INT64_MAX - 511 },
		{ 0, 1, 0 },
		{ 511, 1, 0 },
		{ 4095, 4096, 0 },
		{ 1ULL << 63, 1, 0 },
		{ UINT64_MAX, 1, 0 },
	};
	struct export export;
	struct error err;
	uint64_t size;
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(table); i++) {
		export_init(&export);
		export.size = table[i].size;
		export.minimum = table[i].minimum;
		if (table[i].disk) {
			assert_int_equal(export_disk_size(&export, &size, &err), 0);
			assert_int_equal(size, table[i].disk);
		} else {
			assert_int_equal(export_disk_size(&export, &size, &err), -1);
			assert_int_equal(err.code, EXIT_EXPORT);
		}
	}
}

static void test_payload(void **state)
{
	static const struct { uint32_t maximum; uint32_t minimum; uint32_t payload; } table[] = {
		{ 33554432, 1, 33554432 },
		{ 0xffffffff, 1, 33554432 },
		{ 67108864, 512, 33554432 },
		{ 5000000, 1, 4999680 },
		{ 5000000, 65536, 4980736 },
		{ 512, 1, 512 },
		{ 511, 1, 0 },
		{ 4096, 8192, 0 },
	};
	struct export export;
	struct error err;
	uint32_t payload;
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(table); i++) {
		export_init(&export);
		export.maximum = table[i].maximum;
		export.minimum = table[i].minimum;
		if (table[i].payload) {
			assert_int_equal(export_disk_payload(&export, &payload, &err), 0);
			assert_int_equal(payload, table[i].payload);
		} else {
			assert_int_equal(export_disk_payload(&export, &payload, &err), -1);
		}
	}
}

static void differ(struct export *first, struct export *other, const char *says)
{
	struct error err;

	assert_int_equal(export_compare(first, other, &err), -1);
	assert_int_equal(err.code, EXIT_PROTOCOL);
	assert_non_null(strstr(err.cause, says));
}

static void make(struct export *export)
{
	export_init(export);
	export->size = 4096;
	export->minimum = 512;
	export->flags = 0x101;
	export->structured = true;
	add_context(export, "base:allocation", 1);
	add_context(export, "qemu:allocation-depth", 2);
}

static void test_compare(void **state)
{
	struct export first, other;
	struct error err;

	(void)state;
	make(&first);
	make(&other);
	/* Ids and order belong to the connection. */
	other.contexts[0].id = 77;
	assert_int_equal(export_compare(&first, &other, &err), 0);
	other.size = 8192;
	differ(&first, &other, "8192 bytes");
	other.size = 4096;
	other.flags = 0x103;
	differ(&first, &other, "flags");
	other.flags = 0x101;
	other.structured = false;
	differ(&first, &other, "header mode");
	other.structured = true;
	other.minimum = 1;
	differ(&first, &other, "block sizes");
	other.minimum = 512;
	other.preferred = 8192;
	differ(&first, &other, "block sizes");
	other.preferred = 4096;
	other.maximum = 1 << 20;
	differ(&first, &other, "block sizes");
	other.maximum = 32 << 20;
	assert_int_equal(export_compare(&first, &other, &err), 0);
	free(other.contexts[--other.n_contexts].name);
	differ(&first, &other, "lacks the context \"qemu:allocation-depth\"");
	add_context(&other, "qemu:allocation-depth", 5);
	add_context(&other, "x-a:b", 6);
	differ(&first, &other, "3 contexts, the first 2");
	export_free(&first);
	export_free(&other);
}

static void test_facts(void **state)
{
	char flags[FACTS_FLAGS_ROOM], time[FACTS_TIME_ROOM];

	(void)state;
	assert_string_equal(facts_flags(flags, 0), "");
	assert_string_equal(facts_flags(flags, 0x0d6d),
			    "flush,fua,trim,write-zeroes,multi-conn,cache,fast-zero");
	/* All at once fit. */
	assert_true(strlen(facts_flags(flags, 0xffff)) < sizeof(flags));
	assert_string_equal(facts_time(time, 0), "off");
	assert_string_equal(facts_time(time, 30000), "30s");
	assert_string_equal(facts_time(time, 1500), "1.500s");
	assert_string_equal(facts_time(time, 4294967294), "4294967.294s");
	assert_string_equal(facts_time(time, UINT32_MAX), "forever");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_disk_size),
		cmocka_unit_test(test_payload),
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_facts),
	};

	return cmocka_run_group_tests_name("helper_export", tests, NULL, NULL);
}
