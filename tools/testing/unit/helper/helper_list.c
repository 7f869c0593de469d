// SPDX-License-Identifier: GPL-2.0-only
/*
 * nbd-list: the choice of columns. Without memory it fails, and prints no part of the table.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <libsmartcols.h>

#include "unit.h"

static struct libscols_line *fake_line(struct libscols_table *table, struct libscols_line *parent);
static int fake_set_data(struct libscols_line *line, size_t n, const char *data);

#define kernel_devices		fake_devices
#define scols_table_new_line	fake_line
#define scols_line_set_data	fake_set_data
#include "verbs/columns.c"
#include "verbs/list.c"
#undef scols_table_new_line
#undef scols_line_set_data

/* How many lines and cells there is memory for, and devices */
static unsigned int lines, cells;
#define DEVICES	3

static struct libscols_line *fake_line(struct libscols_table *table, struct libscols_line *parent)
{
	return lines && lines-- ? scols_table_new_line(table, parent) : NULL;
}

static int fake_set_data(struct libscols_line *line, size_t n, const char *data)
{
	return cells && cells-- ? scols_line_set_data(line, n, data) : -ENOMEM;
}

int fake_devices(struct kernel *kernel, kernel_device_fn fn, void *context, struct error *err)
{
	static struct kernel_device device;
	unsigned int i;

	(void)kernel;
	for (i = 0; i < DEVICES; i++) {
		device.index = i;
		if (fn(context, &device, err))
			return -1;
	}
	return 0;
}

/* Prints the names of the devices to @text, with memory for so much. */
static int print(unsigned int n_lines, unsigned int n_cells, char *text, size_t room,
		 struct error *err)
{
	struct list list = {
		.columns = { .ids = { COLUMN_NAME, COLUMN_INDEX }, .n = 2 },
		.noheadings = true,
	};
	int fd = memfd_create("list", 0), out = dup(STDOUT_FILENO), rc;
	ssize_t n;

	assert_true(fd >= 0 && out >= 0);
	lines = n_lines;
	cells = n_cells;
	memset(err, 0, sizeof(*err));
	fflush(stdout);
	assert_true(dup2(fd, STDOUT_FILENO) >= 0);
	/* What the kernel is for the real kernel_devices(), which is not called */
	rc = list_as_table(&list, (struct kernel *)&list, stdout, err);
	fflush(stdout);
	assert_true(dup2(out, STDOUT_FILENO) >= 0);
	n = pread(fd, text, room - 1, 0);
	assert_true(n >= 0);
	text[n] = '\0';
	close(out);
	close(fd);
	return rc;
}

static void test_whole(void **state)
{
	struct error err;
	char text[200];

	(void)state;
	assert_int_equal(print(DEVICES, 2 * DEVICES, text, sizeof(text), &err), 0);
	assert_non_null(strstr(text, "nbd0"));
	assert_non_null(strstr(text, "nbd2"));
}

static void fails(unsigned int n_lines, unsigned int n_cells)
{
	struct error err;
	char text[200];

	assert_int_equal(print(n_lines, n_cells, text, sizeof(text), &err), -1);
	assert_int_equal(err.code, EXIT_SYSTEM);
	assert_non_null(strstr(err.cause, strerror(ENOMEM)));
	assert_string_equal(text, "");
}

static void test_no_memory(void **state)
{
	unsigned int n;

	(void)state;
	for (n = 0; n < DEVICES; n++)
		fails(n, 2 * DEVICES);
	for (n = 0; n < 2 * DEVICES; n++)
		fails(DEVICES, n);
}

/* Fails unless @names chooses the columns @want. */
static void chooses(const char *names, const char *want)
{
	struct columns columns;
	struct error err;
	char have[200] = "";
	unsigned int i;

	columns_default(&columns);
	assert_int_equal(columns_choose(&columns, names, &err), 0);
	for (i = 0; i < columns.n; i++)
		sprintf(have + strlen(have), "%s ", columns_all[columns.ids[i]].name);
	assert_string_equal(have, want);
}

static void test_choose(void **state)
{
	char many[COLUMNS_MAX * 3 + 3] = "";
	struct columns columns;
	struct error err;
	unsigned int i;

	(void)state;
	chooses("size,Name", "SIZE NAME ");
	chooses("RO,RO,", "RO RO ");
	chooses("+QDEPTH,index", "NAME SIZE RO CONN STATE IDENTIFIER URI QDEPTH INDEX ");
	for (i = 0; i < COLUMNS_MAX; i++)
		strcat(many, "RO,");
	columns_default(&columns);
	assert_int_equal(columns_choose(&columns, many, &err), 0);
	assert_int_equal(columns.n, COLUMNS_MAX);
	assert_int_equal(columns_choose(&columns, "+RO", &err), -1);
	assert_int_equal(err.code, EXIT_USAGE);
	assert_int_equal(columns.n, COLUMNS_MAX);
	/* The hint has room for all names. */
	assert_int_equal(columns_choose(&columns, "none", &err), -1);
	assert_non_null(strstr(err.hint, columns_all[COLUMN_IDS - 1].name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_choose),
	};

	return cmocka_run_group_tests_name("helper_list", tests, NULL, NULL);
}
