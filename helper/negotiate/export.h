/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_EXPORT_H
#define NBD_HELPER_EXPORT_H

#include <stdbool.h>
#include <stdint.h>

/* Most metadata contexts of one connection */
#define EXPORT_MAX_CONTEXTS	64

struct error;

/**
 * struct export_context - a metadata context that the server selected or listed
 * @name: NUL-terminated, valid UTF-8
 * @id: valid only on the connection that it came from
 */
struct export_context {
	char *name;
	uint32_t id;
};

/**
 * struct export - negotiated parameters of one connection
 * @size: in bytes, as the server sent it
 * @flags: transmission flags as the server sent them
 * @structured: structured replies were negotiated
 * @has_block_size: the server sent block sizes; otherwise these are defaults
 * @maximum: maximum payload in bytes
 * @canonical: name the server prefers, or NULL
 * @description: human-readable, or NULL
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

/* True if the sizes obey "Block size constraints" of the protocol. */
bool export_blocks_are_sound(uint32_t minimum, uint32_t preferred, uint32_t maximum);

/* Bytes of a block of the disk: the minimum block size or 512, whichever is larger. */
uint32_t export_block(const struct export *export);

/*
 * Sets *@size to the bytes of the disk: the whole blocks of the export, see export_block(). Fails
 * if there are none, or more than INT64_MAX bytes.
 */
int export_disk_size(const struct export *export, uint64_t *size, struct error *err);

/* Sets *@payload to the maximum payload of the driver: whole blocks, at most 32 MiB. */
int export_disk_payload(const struct export *export, uint32_t *payload, struct error *err);

/* Fails with the first difference between @other, of a further connection, and @first. */
int export_compare(const struct export *first, const struct export *other, struct error *err);

#endif
