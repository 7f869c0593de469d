// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the process that negotiates says: all of it arrives as it was said, and nothing that a
 * process in the hands of an enemy could say is believed, leaks a file or leaves anything behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

#include "base/pass.h"
#include "negotiate/verdict.h"

#define HEADER	offsetof(struct verdict_message, text)

static struct verdict verdict;
static struct verdict_message message;
static int fds[2];
/* A file to pass on, and a pair to see by whether it was closed everywhere */
static int file, witness;

static void say_file(void)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	file = pair[0];
	witness = pair[1];
}

static int setup(void **state)
{
	(void)state;
	memset(&message, 0, sizeof(message));
	verdict_init(&verdict);
	say_file();
	return pass_pair(fds);
}

static int teardown(void **state)
{
	(void)state;
	verdict_free(&verdict);
	close(fds[0]);
	close(fds[1]);
	close(file);
	close(witness);
	return 0;
}

static int hear(void)
{
	return verdict_receive(&verdict, fds[0]);
}

static void send_message(size_t length, int with)
{
	assert_int_equal(pass_send(fds[1], &message, length, with), 0);
}

static void send_kind(uint32_t kind, size_t length)
{
	message.kind = kind;
	send_message(HEADER + length, -1);
}

static void good_export(void)
{
	message.kind = VERDICT_EXPORT;
	message.export = (struct verdict_export){
		.size = 1 << 20,
		.minimum = 1,
		.preferred = 4096,
		.maximum = 32 << 20,
		.flags = NBD_FLAG_HAS_FLAGS,
		.structured = 1,
		.has_block_size = 1,
	};
}

static void send_export(void)
{
	send_message(HEADER + sizeof(message.export), file);
}

static void send_context(uint32_t id, const char *name)
{
	message.context.id = id;
	strcpy(message.context.name, name);
	send_kind(VERDICT_CONTEXT, sizeof(id) + strlen(name));
}

/* Everybody who had the file has closed it, but for ourselves. */
static bool file_is_closed(void)
{
	char byte;
	bool closed;

	close(file);
	file = -1;
	closed = !recv(witness, &byte, 1, MSG_DONTWAIT);
	return closed;
}

/* The last message ended it, and not well. */
static void broken(const char *why)
{
	assert_int_equal(hear(), 1);
	assert_true(verdict.over);
	assert_int_equal(verdict.socket, -1);
	assert_int_equal(verdict.export.n_contexts, 0);
	assert_int_equal(verdict.error.code, EXIT_SYSTEM);
	assert_non_null(strstr(verdict.error.cause, why));
	assert_true(file_is_closed());
}

static void test_round_trip(void **state)
{
	struct export export;
	int passed;

	(void)state;
	export_init(&export);
	export.size = UINT64_MAX - 511;
	export.flags = 0xffff;
	export.structured = true;
	export.has_block_size = true;
	export.minimum = 65536;
	export.preferred = 131072;
	export.maximum = UINT32_MAX;
	export.n_contexts = 2;
	export.contexts[0] = (struct export_context){ (char *)"base:allocation", 0 };
	export.contexts[1] = (struct export_context){ (char *)"x:\xc3\xa4", UINT32_MAX };
	verdict_say_note(fds[1], LOG_LEVEL_NOTE, "heard");
	verdict_say_connected(fds[1]);
	verdict_say_export(fds[1], &export, file);
	while (hear() > 0)
		;
	assert_true(verdict.over);
	assert_true(verdict.connected);
	assert_int_equal(verdict.notes, 1);
	assert_int_equal(export_compare(&export, &verdict.export, &verdict.error), 0);
	assert_int_equal(verdict.export.contexts[1].id, UINT32_MAX);
	assert_true(verdict.export.has_block_size);
	/* It is the same socket, and ours alone. */
	passed = verdict.socket;
	assert_true(passed >= 0 && passed != file);
	assert_true(fcntl(passed, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(passed, "x", 1), 1);
	assert_int_equal(recv(witness, &message, 1, MSG_DONTWAIT), 1);
	verdict_free(&verdict);
	assert_true(file_is_closed());
}

static void test_error(void **state)
{
	struct error err;

	(void)state;
	error_set(&err, EXIT_TLS, "it wants \\x1b[1m TLS");
	error_hint(&err, "hint");
	verdict_say_error(fds[1], &err);
	assert_int_equal(hear(), 1);
	assert_true(verdict.over);
	assert_memory_equal(&verdict.error.cause, err.cause, strlen(err.cause) + 1);
	assert_string_equal(verdict.error.hint, "hint");
	assert_int_equal(verdict.error.code, EXIT_TLS);
	assert_int_equal(hear(), 0);
}

/* Text that would drive a terminal, or does not end, is made harmless. */
static void test_error_text(void **state)
{
	(void)state;
	message.error.code = EXIT_REACH;
	memset(message.error.cause, 0xff, sizeof(message.error.cause));
	memset(message.error.hint, '\033', sizeof(message.error.hint));
	send_kind(VERDICT_ERROR, sizeof(message.error));
	assert_int_equal(hear(), 1);
	assert_int_equal(verdict.error.code, EXIT_REACH);
	assert_int_equal(strlen(verdict.error.cause), sizeof(verdict.error.cause) - 1);
	assert_int_equal(strspn(verdict.error.cause, "?"), sizeof(verdict.error.cause) - 1);
	assert_int_equal(strspn(verdict.error.hint, "?"), sizeof(verdict.error.hint) - 1);
}

/* The exit status says failure, whatever comes. */
static void test_error_code(void **state)
{
	static const int codes[] = { EXIT_DONE, -1, EXIT_SYSTEM + 1, 256, INT32_MIN };
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(codes); i++) {
		verdict_init(&verdict);
		message.error.code = codes[i];
		strcpy(message.error.cause, "done");
		send_kind(VERDICT_ERROR, sizeof(message.error));
		assert_int_equal(hear(), 1);
		assert_int_equal(verdict.error.code, EXIT_SYSTEM);
		assert_non_null(strstr(verdict.error.cause, "without text"));
	}
}

static char logged[LOG_TEXT_ROOM];

static void log_here(enum log_level level, const char *text)
{
	(void)level;
	strcpy(logged, text);
}

static void test_note_text(void **state)
{
	(void)state;
	log_divert(log_here);
	strcpy(message.text, "a\033[2Jb\nc\xc3\xa4\xffz");
	send_kind(VERDICT_WARNING, strlen(message.text));
	assert_int_equal(hear(), 1);
	log_divert(NULL);
	assert_false(verdict.over);
	assert_string_equal(logged, "a?[2Jb?c\xc3\xa4?z");
}

static void test_note_long(void **state)
{
	(void)state;
	memset(message.text, 'a', sizeof(message.text));
	send_kind(VERDICT_NOTE, sizeof(message.text));
	broken("too long a note");
}

static void test_notes_many(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < VERDICT_MAX_NOTES; i++) {
		send_kind(VERDICT_NOTE, 0);
		assert_int_equal(hear(), 1);
		assert_false(verdict.over);
	}
	send_kind(VERDICT_NOTE, 0);
	broken("too many notes");
}

static void test_lengths(void **state)
{
	static const size_t short_ones[] = { 1, HEADER / 2, HEADER - 1 };
	static char long_one[sizeof(struct verdict_message) + 1];
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(short_ones); i++) {
		verdict_init(&verdict);
		message.kind = VERDICT_NOTE;
		send_message(short_ones[i], -1);
		assert_int_equal(hear(), 1);
		assert_true(verdict.over);
	}
	verdict_init(&verdict);
	assert_int_equal(pass_send(fds[1], long_one, sizeof(long_one), file), 0);
	broken("wrong length");
}

static void test_kind(void **state)
{
	static const uint32_t kinds[] = { 0, VERDICT_TRIED + 1, UINT32_MAX };
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(kinds); i++) {
		verdict_init(&verdict);
		send_kind(kinds[i], 0);
		assert_int_equal(hear(), 1);
		assert_true(verdict.over);
		assert_non_null(strstr(verdict.error.cause, "unknown"));
	}
}

static void good_tried(void)
{
	message.tried = (struct verdict_tried){
		.address.ss_family = AF_INET,
		.length = sizeof(struct sockaddr_in),
	};
}

/* Addresses come before the connection does. */
static void test_tried(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < VERDICT_MAX_TRIED; i++) {
		good_tried();
		message.tried.connected = i == VERDICT_MAX_TRIED - 1;
		send_kind(VERDICT_TRIED, sizeof(message.tried));
		assert_int_equal(hear(), 1);
		assert_false(verdict.over);
	}
	assert_int_equal(verdict.n_tried, VERDICT_MAX_TRIED);
	assert_false(verdict.tried[0].connected);
	assert_true(verdict.tried[VERDICT_MAX_TRIED - 1].connected);
	send_kind(VERDICT_TRIED, sizeof(message.tried));
	broken("an impossible address");
}

static void test_tried_late(void **state)
{
	(void)state;
	send_kind(VERDICT_CONNECTED, 0);
	assert_int_equal(hear(), 1);
	good_tried();
	send_kind(VERDICT_TRIED, sizeof(message.tried));
	broken("an impossible address");
}

static void test_tried_too_long(void **state)
{
	(void)state;
	good_tried();
	message.tried.length = sizeof(message.tried.address) + 1;
	send_kind(VERDICT_TRIED, sizeof(message.tried));
	broken("an impossible address");
}

static void test_connected_twice(void **state)
{
	(void)state;
	send_kind(VERDICT_CONNECTED, 0);
	assert_int_equal(hear(), 1);
	send_kind(VERDICT_CONNECTED, 0);
	broken("connected twice");
}

static void test_file_unasked(void **state)
{
	(void)state;
	message.kind = VERDICT_NOTE;
	send_message(HEADER, file);
	broken("unexpected file");
}

/* More than one file, all in one message: none stays open. */
static void test_files_many(void **state)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(3 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { &message, HEADER };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	int files[3] = { file, file, file };
	const char *emulated = getenv("EMULATED");

	(void)state;
	if (emulated && *emulated)
		skip_as("qemu-user takes more files from the kernel than there is room for");
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(files));
	memcpy(CMSG_DATA(&control.header), files, sizeof(files));
	message.kind = VERDICT_NOTE;
	assert_int_equal(sendmsg(fds[1], &msg, 0), (int)HEADER);
	broken("unexpected file");
}

static void test_context_names(void **state)
{
	static const struct {
		const char *name;
		size_t length;
	} bad[] = { { "", 0 }, { "a\0b", 3 }, { "\xff", 1 }, { "\xed\xa0\x80", 3 } };
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(bad); i++) {
		verdict_init(&verdict);
		memcpy(message.context.name, bad[i].name, bad[i].length);
		send_kind(VERDICT_CONTEXT, sizeof(uint32_t) + bad[i].length);
		assert_int_equal(hear(), 1);
		assert_true(verdict.over);
		assert_non_null(strstr(verdict.error.cause, "without a name"));
	}
	verdict_init(&verdict);
	send_kind(VERDICT_CONTEXT, 3);
	broken("without a name");
}

static void test_context_twice(void **state)
{
	(void)state;
	send_context(1, "a:b");
	assert_int_equal(hear(), 1);
	send_context(2, "a:b");
	assert_int_equal(hear(), 1);
	assert_true(verdict.over);
	verdict_init(&verdict);
	send_context(1, "a:b");
	assert_int_equal(hear(), 1);
	send_context(1, "a:c");
	broken("same context twice");
}

static void test_contexts_many(void **state)
{
	char name[32];
	int i;

	(void)state;
	for (i = 0; i < EXPORT_MAX_CONTEXTS; i++) {
		sprintf(name, "a:%d", i);
		send_context(i, name);
		assert_int_equal(hear(), 1);
		assert_false(verdict.over);
	}
	send_context(i, "a:last");
	broken("too many contexts");
}

static void test_export_early(void **state)
{
	(void)state;
	good_export();
	send_export();
	broken("without a connection");
}

static void test_export_without_socket(void **state)
{
	(void)state;
	verdict.connected = true;
	good_export();
	send_message(HEADER + sizeof(message.export), -1);
	broken("without a connection");
}

static void test_export_length(void **state)
{
	(void)state;
	verdict.connected = true;
	good_export();
	send_message(HEADER + sizeof(message.export) - 1, file);
	broken("without a connection");
}

static void check_export(const char *why)
{
	verdict_init(&verdict);
	verdict.connected = true;
	send_export();
	if (why)
		return broken(why);
	assert_int_equal(hear(), 1);
	assert_true(verdict.socket >= 0);
	verdict_free(&verdict);
}

static void test_export_facts(void **state)
{
	struct verdict_export *export = &message.export;
	struct {
		uint32_t *at;
		uint32_t value;
	} bad[] = {
		{ &export->minimum, 0 }, { &export->minimum, 3 }, { &export->minimum, 131072 },
		{ &export->minimum, 8192 }, { &export->preferred, 0 }, { &export->preferred, 256 },
		{ &export->preferred, 4097 }, { &export->maximum, 4095 },
	};
	size_t i;

	(void)state;
	good_export();
	check_export(NULL);
	for (i = 0; i < N_ELEMENTS(bad); i++) {
		good_export();
		*bad[i].at = bad[i].value;
		check_export("impossible export");
		close(witness);
		say_file();
	}
	good_export();
	export->flags = 0xfffe;
	check_export("impossible export");
}

static void test_export_bools(void **state)
{
	(void)state;
	good_export();
	message.export.structured = 2;
	check_export("impossible export");
	close(witness);
	say_file();
	good_export();
	message.export.has_block_size = 255;
	check_export("impossible export");
}

/* Contexts need structured replies. */
static void test_export_simple(void **state)
{
	(void)state;
	verdict.connected = true;
	send_context(1, "a:b");
	assert_int_equal(hear(), 1);
	good_export();
	message.export.structured = 0;
	send_export();
	broken("impossible export");
}

static void test_end(void **state)
{
	(void)state;
	assert_int_equal(hear(), 0);
	close(fds[1]);
	assert_int_equal(hear(), -1);
	fds[1] = -1;
}

#define TEST(name)	cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tried),
		TEST(tried_late),
		TEST(tried_too_long),
		TEST(round_trip),
		TEST(error),
		TEST(error_text),
		TEST(error_code),
		TEST(note_text),
		TEST(note_long),
		TEST(notes_many),
		TEST(lengths),
		TEST(kind),
		TEST(connected_twice),
		TEST(file_unasked),
		TEST(files_many),
		TEST(context_names),
		TEST(context_twice),
		TEST(contexts_many),
		TEST(export_early),
		TEST(export_without_socket),
		TEST(export_length),
		TEST(export_facts),
		TEST(export_bools),
		TEST(export_simple),
		TEST(end),
	};

	return cmocka_run_group_tests_name("helper_verdict", tests, NULL, NULL);
}
