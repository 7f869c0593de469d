// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "negotiate/export.h"
#include "negotiate/handshake-proto.h"

#define SECTOR_SIZE	512

void export_init(struct export *export)
{
	memset(export, 0, sizeof(*export));
	export->minimum = NBD_MIN_BLOCK_SIZE_DEFAULT;
	export->preferred = NBD_PREFERRED_BLOCK_SIZE_DEFAULT;
	export->maximum = NBD_MAX_PAYLOAD_DEFAULT;
}

void export_forget_contexts(struct export *export)
{
	while (export->n_contexts)
		free(export->contexts[--export->n_contexts].name);
}

void export_free(struct export *export)
{
	export_forget_contexts(export);
	free(export->canonical);
	free(export->description);
	export->canonical = NULL;
	export->description = NULL;
}

const struct export_context *export_find_context(const struct export *export, const char *name)
{
	unsigned int i;

	for (i = 0; i < export->n_contexts; i++)
		if (!strcmp(export->contexts[i].name, name))
			return &export->contexts[i];
	return NULL;
}

static bool is_power_of_2(uint32_t n)
{
	return n && !(n & (n - 1));
}

bool export_blocks_are_sound(uint32_t minimum, uint32_t preferred, uint32_t maximum)
{
	return is_power_of_2(minimum) && minimum <= NBD_MIN_BLOCK_SIZE_MAX &&
	       is_power_of_2(preferred) && preferred >= NBD_PREFERRED_BLOCK_SIZE_MIN &&
	       preferred >= minimum && maximum >= preferred;
}

uint32_t export_block(const struct export *export)
{
	return export->minimum > SECTOR_SIZE ? export->minimum : SECTOR_SIZE;
}

int export_disk_size(const struct export *export, uint64_t *size, struct error *err)
{
	uint32_t block = export_block(export);

	if (!export->size) {
		error_set(err, EXIT_EXPORT, "the export has size 0");
		error_hint(err, "nothing is loaded or configured behind this export");
		return -1;
	}
	if (export->size > INT64_MAX)
		return error_set(err, EXIT_EXPORT,
				 "the export has %" PRIu64 " bytes, more than a disk can have",
				 export->size);
	*size = export->size - export->size % block;
	if (!*size)
		return error_set(err, EXIT_EXPORT,
				 "the export has %" PRIu64 " bytes, less than one block of %u",
				 export->size, block);
	return 0;
}

int export_disk_payload(const struct export *export, uint32_t *payload, struct error *err)
{
	uint32_t block = export_block(export);
	uint32_t max = export->maximum;

	if (max > NBD_MAX_PAYLOAD_DEFAULT)
		max = NBD_MAX_PAYLOAD_DEFAULT;
	*payload = max - max % block;
	if (!*payload)
		return error_set(err, EXIT_EXPORT,
				 "the server takes %u bytes at once, less than one block of %u",
				 export->maximum, block);
	return 0;
}

static int export_compare_contexts(const struct export *first, const struct export *other,
				   struct error *err)
{
	char name[256];
	unsigned int i;

	for (i = 0; i < first->n_contexts; i++) {
		const char *want = first->contexts[i].name;

		if (export_find_context(other, want))
			continue;
		text_escape(name, sizeof(name), want, strlen(want));
		return error_set(err, EXIT_PROTOCOL, "it lacks the context \"%s\"", name);
	}
	if (first->n_contexts != other->n_contexts)
		return error_set(err, EXIT_PROTOCOL, "it has %u contexts, the first %u",
				 other->n_contexts, first->n_contexts);
	return 0;
}

int export_compare(const struct export *first, const struct export *other, struct error *err)
{
	if (first->size != other->size)
		return error_set(err, EXIT_PROTOCOL,
				 "it has %" PRIu64 " bytes, the first %" PRIu64, other->size,
				 first->size);
	if (first->flags != other->flags)
		return error_set(err, EXIT_PROTOCOL, "its flags are %#x, those of the first %#x",
				 other->flags, first->flags);
	if (first->structured != other->structured)
		return error_set(err, EXIT_PROTOCOL, "it has another header mode");
	if (first->minimum != other->minimum || first->preferred != other->preferred ||
	    first->maximum != other->maximum)
		return error_set(err, EXIT_PROTOCOL,
				 "its block sizes are %u/%u/%u, those of the first %u/%u/%u",
				 other->minimum, other->preferred, other->maximum, first->minimum,
				 first->preferred, first->maximum);
	return export_compare_contexts(first, other, err);
}
