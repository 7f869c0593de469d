// SPDX-License-Identifier: GPL-2.0-only
/*
 * The handshake against a server whose bytes are the input. The first byte
 * chooses what the client does.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/transport.h"
#include "negotiate/handshake.h"

enum way {
	ATTACH,
	ATTACH_WITHOUT_CONTEXTS,
	LIST,
	LOOK,
	WAYS,
};

struct input {
	struct transport transport;
	const uint8_t *data;
	size_t left;
};

static int input_read(struct transport *t, void *buf, size_t len)
{
	struct input *input = (struct input *)t;

	if (input->left < len)
		return -ENOTCONN;
	memcpy(buf, input->data, len);
	input->data += len;
	input->left -= len;
	return 0;
}

/* Reads every byte, so that one beyond its buffer is noticed. */
static void look_at(const void *data, size_t len)
{
	static char last[2 * NBD_OPTION_REPLY_MAX];

	if (len > sizeof(last))
		abort();
	memcpy(last, data, len);
}

static int input_write(struct transport *t, const void *buf, size_t len)
{
	(void)t;
	look_at(buf, len);
	return 0;
}

static void attach(struct input *input, size_t n_contexts)
{
	static const char *const contexts[] = { "base:allocation", "qemu:dirty-bitmap:b" };
	const struct handshake_request request = {
		.export = "disk",
		.structured = true,
		.contexts = contexts,
		.n_contexts = n_contexts,
	};
	struct export export;
	struct error err;
	uint64_t disk;
	uint32_t payload;

	if (handshake_attach(&input->transport, &request, &export, &err)) {
		if (export.n_contexts || !err.cause[0])
			abort();
		return;
	}
	if (!export_disk_size(&export, &disk, &err) && (disk > export.size || disk % 512))
		abort();
	if (!export_disk_payload(&export, &payload, &err) && (payload > 32 << 20 || !payload))
		abort();
	if (export_compare(&export, &export, &err))
		abort();
	export_free(&export);
}

static int entry(void *context, const char *name, size_t name_length, const char *description,
		 size_t description_length, struct error *err)
{
	(void)context;
	(void)err;
	look_at(name, name_length);
	look_at(description, description_length);
	return 0;
}

static void list(struct input *input)
{
	struct handshake hs;
	struct error err;

	if (!handshake_open(&hs, &input->transport, &err))
		handshake_list(&hs, entry, NULL, &err);
	handshake_leave(&hs);
}

static void look(struct input *input)
{
	const struct handshake_request request = { .export = "disk" };
	struct export export;
	struct handshake hs;
	struct error err;
	bool known;

	export_init(&export);
	if (!handshake_open(&hs, &input->transport, &err) && !handshake_structured(&hs, &err) &&
	    !handshake_info(&hs, "disk", &export, &known, &err))
		handshake_contexts(&hs, NBD_OPT_LIST_META_CONTEXT, &request, &export, &err);
	handshake_leave(&hs);
	export_free(&export);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {
		.transport = { .read = input_read, .write = input_write },
		.data = data + 1,
		.left = size - 1,
	};

	if (!size)
		return 0;
	switch (data[0] % WAYS) {
	case ATTACH:
		attach(&input, 2);
		break;
	case ATTACH_WITHOUT_CONTEXTS:
		attach(&input, 0);
		break;
	case LIST:
		list(&input);
		break;
	default:
		look(&input);
	}
	return 0;
}
