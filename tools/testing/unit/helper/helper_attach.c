// SPDX-License-Identifier: GPL-2.0-only
/* What nbd-client's options change in an attach: connections, block size, and the report. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unit.h"

#include "verbs/attach.c"

static char warnings[1000];

static void keep_warning(enum log_level level, const char *text)
{
	if (level == LOG_LEVEL_WARNING)
		strcat(warnings, text);
}

static struct attach_args args;
static struct kernel_driver driver;
static struct attach attach;

/* An export as negotiated; nothing was requested. */
static void begin(uint16_t flags, uint32_t minimum)
{
	struct export *export = &attach.bundle.exports[0];

	memset(&args, 0, sizeof(args));
	memset(&attach, 0, sizeof(attach));
	driver.max_slots = 8;
	driver.max_min_block_size = 65536;
	attach.args = &args;
	attach.driver = &driver;
	export_init(export);
	export->size = 1 << 20;
	export->flags = flags;
	export->minimum = minimum;
	export->preferred = 4096;
	*warnings = '\0';
}

static void test_connections(void **state)
{
	struct error err;
	unsigned int n;

	(void)state;
	begin(0, 1);
	args.connections = 4;
	assert_int_equal(attach_count(&attach, &n, &err), -1);
	assert_int_equal(err.code, EXIT_EXPORT);
	args.connections_at_most = true;
	assert_int_equal(attach_count(&attach, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_string_equal(warnings, "this export allows only one connection, not 4");
	begin(NBD_FLAG_CAN_MULTI_CONN, 1);
	args.connections = 4;
	args.connections_at_most = true;
	assert_int_equal(attach_count(&attach, &n, &err), 0);
	assert_int_equal(n, 4);
	assert_string_equal(warnings, "");
}

static void test_block_size(void **state)
{
	struct error err;

	(void)state;
	begin(0, 1);
	args.block_size = 512;
	assert_int_equal(attach_check_export(&attach, &err), 0);
	assert_string_equal(warnings, "");
	args.block_size = 4096;
	assert_int_equal(attach_check_export(&attach, &err), 0);
	assert_non_null(strstr(warnings, "blocks of 512 bytes, not 4096"));
	begin(0, 4096);
	args.block_size = 4096;
	assert_int_equal(attach_check_export(&attach, &err), 0);
	assert_string_equal(warnings, "");
}

/* What attach_report() prints of nbd3 */
static void assert_reports(const char *want)
{
	int fd = memfd_create("stdout", MFD_CLOEXEC), out = dup(STDOUT_FILENO);
	struct error err;
	char got[200] = "";

	assert_true(fd >= 0 && out >= 0);
	fflush(stdout);
	dup2(fd, STDOUT_FILENO);
	attach.index = 3;
	attach_report(&attach, &err);
	dup2(out, STDOUT_FILENO);
	close(out);
	assert_true(pread(fd, got, sizeof(got) - 1, 0) >= 0);
	close(fd);
	assert_string_equal(got, want);
}

static void test_report(void **state)
{
	(void)state;
	begin(0, 1);
	assert_reports("/dev/nbd3\n");
	args.has_device = true;
	assert_reports("");
	args.announce = "Connected ";
	assert_reports("Connected /dev/nbd3\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connections),
		cmocka_unit_test(test_block_size),
		cmocka_unit_test(test_report),
	};

	log_divert(keep_warning);
	return cmocka_run_group_tests_name("helper_attach", tests, NULL, NULL);
}
