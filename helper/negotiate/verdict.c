// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/pass.h"
#include "base/text.h"
#include "negotiate/verdict.h"

#define VERDICT_HEADER		offsetof(struct verdict_message, text)

void verdict_init(struct verdict *verdict)
{
	memset(verdict, 0, sizeof(*verdict));
	verdict->socket = -1;
	export_init(&verdict->export);
}

void verdict_fail(struct verdict *verdict)
{
	export_free(&verdict->export);
	if (verdict->socket >= 0)
		close(verdict->socket);
	verdict->socket = -1;
	verdict->over = true;
}

void verdict_free(struct verdict *verdict)
{
	verdict_fail(verdict);
	verdict_init(verdict);
}

/* Either a bug, or the server controls that process. */
static int verdict_broken(struct verdict *verdict, const char *what)
{
	error_set(&verdict->error, EXIT_SYSTEM,
		  "invalid message from the process that talks to the server: %s", what);
	error_hint(&verdict->error, "do not trust this server");
	return -1;
}

static int verdict_take_note(struct verdict *verdict, const struct verdict_message *message,
			     size_t length)
{
	char text[LOG_TEXT_ROOM];

	if (length > sizeof(text) - 1)
		return verdict_broken(verdict, "too long a note");
	if (verdict->notes++ == VERDICT_MAX_NOTES)
		return verdict_broken(verdict, "too many notes");
	memcpy(text, message->text, length);
	text_tame(text, length);
	text[length] = '\0';
	if (message->kind == VERDICT_WARNING)
		log_warning("%s", text);
	else
		log_note("%s", text);
	return 0;
}

/* Addresses are reported before the process is connected. */
static int verdict_take_tried(struct verdict *verdict, const struct verdict_message *message,
			      size_t length)
{
	const struct verdict_tried *tried = &message->tried;

	if (length != sizeof(*tried) || verdict->connected ||
	    verdict->n_tried == VERDICT_MAX_TRIED || !tried->length ||
	    tried->length > sizeof(tried->address) || tried->connected > 1 || tried->others > 1)
		return verdict_broken(verdict, "an impossible address");
	verdict->tried[verdict->n_tried++] = *tried;
	return 0;
}

static int verdict_take_context(struct verdict *verdict, const struct verdict_message *message,
				size_t length)
{
	struct export *export = &verdict->export;
	size_t name_length = length - sizeof(message->context.id);
	struct export_context *context;
	unsigned int i;

	if (length <= sizeof(message->context.id) || name_length > NBD_STRING_MAX ||
	    !text_is_utf8(message->context.name, name_length))
		return verdict_broken(verdict, "a context without a name");
	if (export->n_contexts == EXPORT_MAX_CONTEXTS)
		return verdict_broken(verdict, "too many contexts");
	context = &export->contexts[export->n_contexts];
	context->id = message->context.id;
	context->name = strndup(message->context.name, name_length);
	if (!context->name)
		return error_errno(&verdict->error, EXIT_SYSTEM, ENOMEM,
				   "cannot allocate context names");
	export->n_contexts++;
	for (i = 0; i < export->n_contexts - 1; i++)
		if (export->contexts[i].id == context->id ||
		    !strcmp(export->contexts[i].name, context->name))
			return verdict_broken(verdict, "the same context twice");
	return 0;
}

static int verdict_take_export(struct verdict *verdict, const struct verdict_message *message,
			       size_t length)
{
	const struct verdict_export *from = &message->export;
	struct export *export = &verdict->export;

	if (length != sizeof(*from) || verdict->socket < 0 || !verdict->connected)
		return verdict_broken(verdict, "an export without a connection");
	if (!(from->flags & NBD_FLAG_HAS_FLAGS) || from->structured > 1 ||
	    from->has_block_size > 1 || (!from->structured && export->n_contexts) ||
	    !export_blocks_are_sound(from->minimum, from->preferred, from->maximum))
		return verdict_broken(verdict, "an impossible export");
	export->size = from->size;
	export->minimum = from->minimum;
	export->preferred = from->preferred;
	export->maximum = from->maximum;
	export->flags = from->flags;
	export->structured = from->structured;
	export->has_block_size = from->has_block_size;
	verdict->over = true;
	return 0;
}

/* Takes the reported error, or fills in another if it is malformed: both end the verdict. */
static int verdict_take_error(struct verdict *verdict, const struct verdict_message *message,
			      size_t length)
{
	const struct error *from = &message->error;
	struct error *err = &verdict->error;

	if (length != sizeof(*from) || (int)from->code < EXIT_FALSE || from->code > EXIT_SYSTEM ||
	    !from->cause[0])
		return verdict_broken(verdict, "an error without text");
	*err = *from;
	err->cause[sizeof(err->cause) - 1] = '\0';
	err->hint[sizeof(err->hint) - 1] = '\0';
	text_tame(err->cause, strlen(err->cause));
	text_tame(err->hint, strlen(err->hint));
	return -1;
}

static int verdict_judge(struct verdict *verdict, const struct verdict_message *message,
			 size_t length)
{
	switch (message->kind) {
	case VERDICT_NOTE:
	case VERDICT_WARNING:
		return verdict_take_note(verdict, message, length);
	case VERDICT_TRIED:
		return verdict_take_tried(verdict, message, length);
	case VERDICT_CONNECTED:
		if (length || verdict->connected)
			return verdict_broken(verdict, "connected twice");
		verdict->connected = true;
		return 0;
	case VERDICT_CONTEXT:
		return verdict_take_context(verdict, message, length);
	case VERDICT_EXPORT:
		return verdict_take_export(verdict, message, length);
	case VERDICT_ERROR:
		return verdict_take_error(verdict, message, length);
	default:
		return verdict_broken(verdict, "an unknown message");
	}
}

void verdict_take(struct verdict *verdict, const struct verdict_message *message, size_t length,
		  int fd)
{
	int rc;

	verdict->socket = fd;
	if (length < VERDICT_HEADER || length > sizeof(*message))
		rc = verdict_broken(verdict, "a message of a wrong length");
	else if (fd >= 0 && message->kind != VERDICT_EXPORT)
		rc = verdict_broken(verdict, "an unexpected file");
	else
		rc = verdict_judge(verdict, message, length - VERDICT_HEADER);
	if (rc)
		verdict_fail(verdict);
}

int verdict_receive(struct verdict *verdict, int fd)
{
	struct verdict_message message = { 0 };
	ssize_t n;
	int file;

	n = pass_receive(fd, &message, sizeof(message), &file);
	if (n == -EAGAIN)
		return 0;
	if (!n || (n < 0 && n != -EMSGSIZE))
		return -1;
	verdict_take(verdict, &message, n < 0 ? 0 : n, file);
	return 1;
}

/* If the reader is gone, this process exits soon anyway. */
static void verdict_send(int fd, const struct verdict_message *message, size_t length, int file)
{
	pass_send(fd, message, VERDICT_HEADER + length, file);
}

void verdict_say_note(int fd, enum log_level level, const char *text)
{
	struct verdict_message message = {
		.kind = level == LOG_LEVEL_NOTE ? VERDICT_NOTE : VERDICT_WARNING,
	};
	size_t length = strnlen(text, sizeof(message.text) - 1);

	memcpy(message.text, text, length);
	verdict_send(fd, &message, length, -1);
}

void verdict_say_tried(int fd, const struct verdict_tried *tried)
{
	struct verdict_message message = { .kind = VERDICT_TRIED, .tried = *tried };

	verdict_send(fd, &message, sizeof(message.tried), -1);
}

void verdict_say_connected(int fd)
{
	struct verdict_message message = { .kind = VERDICT_CONNECTED };

	verdict_send(fd, &message, 0, -1);
}

void verdict_say_error(int fd, const struct error *err)
{
	struct verdict_message message = { .kind = VERDICT_ERROR, .error = *err };

	verdict_send(fd, &message, sizeof(message.error), -1);
}

int verdict_say_export(int fd, const struct export *export, int socket)
{
	struct verdict_message message = { .kind = VERDICT_CONTEXT };
	size_t length;
	unsigned int i;

	for (i = 0; i < export->n_contexts; i++) {
		length = strlen(export->contexts[i].name);
		message.context.id = export->contexts[i].id;
		memcpy(message.context.name, export->contexts[i].name, length);
		verdict_send(fd, &message, sizeof(message.context.id) + length, -1);
	}
	memset(&message, 0, sizeof(message));
	message.kind = VERDICT_EXPORT;
	message.export = (struct verdict_export){
		.size = export->size,
		.minimum = export->minimum,
		.preferred = export->preferred,
		.maximum = export->maximum,
		.flags = export->flags,
		.structured = export->structured,
		.has_block_size = export->has_block_size,
	};
	return pass_send(fd, &message, VERDICT_HEADER + sizeof(message.export), socket);
}
