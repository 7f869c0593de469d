// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a process that negotiates says, if it is in the hands of an enemy. Each message of the input
 * has two bytes of length before it; the top bit of the length says that a file comes with it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "negotiate/verdict.h"

static void say_nothing(enum log_level level, const char *text)
{
	(void)level;
	if (!text_is_utf8(text, strlen(text)))
		abort();
}

/* Nothing is believed that could not be negotiated. */
static void check(const struct verdict *verdict)
{
	const struct export *export = &verdict->export;
	unsigned int i;

	if (verdict->socket < 0) {
		if (export->n_contexts || !verdict->error.code || !verdict->error.cause[0] ||
		    verdict->error.code > EXIT_SYSTEM ||
		    !text_is_utf8(verdict->error.cause, strlen(verdict->error.cause)) ||
		    !text_is_utf8(verdict->error.hint, strlen(verdict->error.hint)))
			abort();
		return;
	}
	if (!verdict->connected || (export->n_contexts && !export->structured) ||
	    !export_blocks_are_sound(export->minimum, export->preferred, export->maximum))
		abort();
	for (i = 0; i < export->n_contexts; i++)
		if (export_find_context(export, export->contexts[i].name) != &export->contexts[i])
			abort();
}

static size_t feed(struct verdict *verdict, const uint8_t *data, size_t size)
{
	struct verdict_message message = { 0 };
	size_t length;
	int file;

	if (size < 2)
		return size;
	length = (data[0] & 0x7f) << 8 | data[1];
	length = length < size - 2 ? length : size - 2;
	file = data[0] & 0x80 ? dup(STDERR_FILENO) : -1;
	memcpy(&message, data + 2, length < sizeof(message) ? length : sizeof(message));
	verdict_take(verdict, &message, length, file);
	return 2 + length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct verdict verdict;
	size_t n;

	log_divert(say_nothing);
	verdict_init(&verdict);
	for (; size && !verdict.over; data += n, size -= n)
		n = feed(&verdict, data, size);
	if (verdict.over)
		check(&verdict);
	verdict_free(&verdict);
	return 0;
}
