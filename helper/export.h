/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_EXPORT_H
#define NBD_HELPER_EXPORT_H

#include <stdbool.h>
#include <stdint.h>

/* Most contexts that one connection may have. */
#define EXPORT_MAX_CONTEXTS	64

struct error;

/**
 * struct export_context - a metadata context that the server selected or lists
 * @name: NUL-terminated, valid UTF-8
 * @id: meaningful on the connection it came from and nowhere else
 */
struct export_context {
	char *name;
	uint32_t id;
};

/**
 * struct export - what was negotiated on one connection
 * @size: in bytes, as the server said
 * @flags: transmission flags as the server sent them
 * @structured: replies may come in chunks
 * @has_block_size: the server told its block sizes; else these are defaults
 * @maximum: maximum payload
 * @canonical: name the server prefers, or NULL
 * @description: text for people, or NULL
 */
struct export {
	uint64_t size;
	uint16_t flags;
	bool structured;
	bool has_block_size;
	uint32_t minimum;
	uint32_t preferred;
	uint32_t maximum;
	unsigned int n_contexts;
	struct export_context contexts[EXPORT_MAX_CONTEXTS];
	char *canonical;
	char *description;
};

void export_init(struct export *export);
void export_free(struct export *export);
void export_forget_contexts(struct export *export);

const struct export_context *export_find_context(const struct export *export, const char *name);

/* "Block size constraints" of the protocol */
bool export_blocks_are_sound(uint32_t minimum, uint32_t preferred, uint32_t maximum);

/*
 * Bytes of the disk: whole blocks of at least a sector. An error if nothing is
 * left or the kernel could not count them.
 */
int export_disk_size(const struct export *export, uint64_t *size, struct error *err);

/* Maximum payload as the kernel takes it: whole blocks, at most 32 MiB. */
int export_disk_payload(const struct export *export, uint32_t *payload, struct error *err);

/* An error that says how @other, of a further connection, differs from @first. */
int export_compare(const struct export *first, const struct export *other, struct error *err);

#endif
