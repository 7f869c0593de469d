// SPDX-License-Identifier: GPL-2.0-only
/* Numbers, sizes, times, UTF-8 and escapes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "base/json.h"
#include "base/text.h"
#include "kernel/device.h"

static void test_sizes(void **state)
{
	static const struct { const char *text; int rc; uint64_t size; } table[] = {
		{ "0", 0, 0 },
		{ "512", 0, 512 },
		{ "1K", 0, 1024 },
		{ "1k", 0, 1024 },
		{ "10M", 0, 10 << 20 },
		{ "3G", 0, 3ULL << 30 },
		{ "2T", 0, 2ULL << 40 },
		{ "1P", 0, 1ULL << 50 },
		{ "15E", 0, 15ULL << 60 },
		{ "4GiB", 0, 4ULL << 30 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "16E", -ERANGE, 0 },
		{ "99999999999999999999999", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "K", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "1KB", -EINVAL, 0 },
		{ "1Mi", -EINVAL, 0 },
		{ "1.5G", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
	};
	uint64_t size;
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(table); i++) {
		assert_int_equal(text_parse_size(table[i].text, &size), table[i].rc);
		if (!table[i].rc)
			assert_int_equal(size, table[i].size);
	}
}

static void test_numbers(void **state)
{
	uint64_t n;

	(void)state;
	assert_int_equal(text_parse_number("65535", 65535, &n), 0);
	assert_int_equal(n, 65535);
	assert_int_equal(text_parse_number("65536", 65535, &n), -ERANGE);
	assert_int_equal(text_parse_number("5", 4, &n), -ERANGE);
	assert_int_equal(text_parse_number("12x", 65535, &n), -EINVAL);
	assert_int_equal(text_parse_number("", 65535, &n), -EINVAL);
}

static void test_seconds(void **state)
{
	static const struct { const char *text; int rc; uint32_t ms; } table[] = {
		{ "0", 0, 0 },
		{ "30", 0, 30000 },
		{ "0.5", 0, 500 },
		{ "1.25", 0, 1250 },
		{ "0.0019", 0, 1 },
		{ "4294967.294", 0, 4294967294 },
		/* The next number means "for ever" to the driver. */
		{ "4294967.295", -ERANGE, 0 },
		{ "4294968", -ERANGE, 0 },
		{ ".5", -EINVAL, 0 },
		{ "1.", -EINVAL, 0 },
		{ "1s", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
	};
	uint32_t ms;
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(table); i++) {
		assert_int_equal(text_parse_seconds(table[i].text, &ms), table[i].rc);
		if (!table[i].rc)
			assert_int_equal(ms, table[i].ms);
	}
}

static void test_show_sizes(void **state)
{
	char room[TEXT_SIZE_ROOM];

	(void)state;
	assert_string_equal(text_format_size(room, 0), "0B");
	assert_string_equal(text_format_size(room, 511), "511B");
	assert_string_equal(text_format_size(room, 10 << 20), "10M");
	assert_string_equal(text_format_size(room, 3ULL << 29), "1.5G");
	assert_string_equal(text_format_size(room, UINT64_MAX), "16E");
}

static void test_utf8(void **state)
{
	static const struct { const char *text; size_t length; int valid; } table[] = {
		{ "", 0, 1 },
		{ "plain", 5, 1 },
		{ "\xc3\xa9", 2, 1 },
		{ "\xe2\x82\xac", 3, 1 },
		{ "\xf0\x9f\x92\xbe", 4, 1 },
		{ "a\0b", 3, 0 },
		{ "\xc3", 1, 0 },
		{ "\xc0\x80", 2, 0 },		/* NUL in two bytes */
		{ "\xe0\x80\xaf", 3, 0 },	/* a slash in three */
		{ "\xed\xa0\x80", 3, 0 },	/* a surrogate */
		{ "\xf4\x90\x80\x80", 4, 0 },	/* behind the last code point */
		{ "\xff", 1, 0 },
		{ "\x80", 1, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(table); i++)
		assert_int_equal(text_is_utf8(table[i].text, table[i].length), table[i].valid);
}

static void test_escape(void **state)
{
	char room[32];

	(void)state;
	assert_string_equal(text_escape(room, sizeof(room), "a b\xc3\xa9", 5), "a b\xc3\xa9");
	assert_string_equal(text_escape(room, sizeof(room), "\033[31m", 5), "\\x1b[31m");
	assert_string_equal(text_escape(room, sizeof(room), "\\", 1), "\\x5c");
	assert_string_equal(text_escape(room, sizeof(room), "\n\0\x7f", 3), "\\x0a\\x00\\x7f");
	assert_string_equal(text_escape(room, sizeof(room), "\xff", 1), "\\xff");
	/* CSI as one control character, in valid UTF-8 */
	assert_string_equal(text_escape(room, sizeof(room), "\xc2\x9b", 2), "\\xc2\\x9b");
}

static void test_escape_fits(void **state)
{
	char room[9];

	(void)state;
	memset(room, 'x', sizeof(room));
	assert_string_equal(text_escape(room, 8, "\xff\xff\xff", 3), "\\xff");
	assert_string_equal(text_escape(room, 8, "12345678", 8), "1234567");
	assert_string_equal(text_escape(room, 8, "123456\xc3\xa9", 8), "123456");
	assert_string_equal(text_escape(room, 1, "1", 1), "");
	assert_int_equal(room[8], 'x');
}

static void test_device_names(void **state)
{
	static const struct { const char *text; int is; uint32_t index; } table[] = {
		{ "nbd0", 1, 0 },
		{ "/dev/nbd0", 1, 0 },
		{ "/dev/nbd15", 1, 15 },
		{ "nbd1048575", 1, 1048575 },
		{ "nbd1048576", 0, 0 },
		{ "nbd", 0, 0 },
		{ "nbd01", 0, 0 },
		{ "nbd0p1", 0, 0 },
		{ "/dev/sda", 0, 0 },
		{ "dev/nbd0", 0, 0 },
		{ "nbd-1", 0, 0 },
		{ "export", 0, 0 },
	};
	uint32_t index;
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(table); i++) {
		assert_int_equal(device_is_name(table[i].text, &index), table[i].is);
		if (table[i].is)
			assert_int_equal(index, table[i].index);
	}
}

static void test_json(void **state)
{
	static const char want[] =
		"{\n  \"version\": 1,\n"
		"  \"a \\\"key\\\"\": \"tab\\u0009 back\\\\ \xc3\xa9 \\ufffd \\u001b\\u009b;m\xc2\xa0\",\n"
		"  \"empty\": [],\n  \"two\": [\n    18446744073709551615,\n    false\n  ]\n}\n";
	char *text = NULL;
	size_t length;
	struct json json;
	FILE *out = open_memstream(&text, &length);

	(void)state;
	json_start(&json, out);
	json_object(&json, NULL);
	json_string(&json, "a \"key\"", "tab\t back\\ \xc3\xa9 \xff \033\xc2\x9b;m\xc2\xa0");
	json_array(&json, "empty");
	json_end(&json);
	json_array(&json, "two");
	json_number(&json, NULL, UINT64_MAX);
	json_bool(&json, NULL, false);
	json_end(&json);
	json_end(&json);
	fclose(out);
	assert_string_equal(text, want);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_seconds),
		cmocka_unit_test(test_show_sizes),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_escape_fits),
		cmocka_unit_test(test_device_names),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests_name("helper_text", tests, NULL, NULL);
}
