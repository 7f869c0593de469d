// SPDX-License-Identifier: GPL-2.0-only
/* Extents parser, see "NBD_REPLY_TYPE_BLOCK_STATUS" in the NBD protocol. */
#include "extents.h"

/* Status bits of "base:allocation", the only context in the namespace "base:" */
#define BASE_MASK	3u

/**
 * nbd_context_mask() - get the status bits that a metadata context defines
 * @name: name of the context
 *
 * Bits that "base:" does not define have to be ignored. The driver does not know other namespaces,
 * and passes all their bits on.
 *
 * Return: mask of the bits.
 */
u64 nbd_context_mask(const char *name)
{
	return strncmp(name, "base:", 5) ? U64_MAX : BASE_MASK;
}

/**
 * nbd_extents_reset() - prepare for the reply to a request
 * @e: the extents; @e->mask, @e->one, @e->cap and @e->list are kept
 * @length: length of the request in bytes
 */
void nbd_extents_reset(struct nbd_extents *e, u64 length)
{
	e->length = length;
	e->total = 0;
	e->covered = 0;
	e->seen = false;
	e->nr = 0;
	e->have = 0;
}

static void extents_keep(struct nbd_extents *e, u64 length, u64 status)
{
	struct nbd_extent *last = e->nr ? &e->list[e->nr - 1] : NULL;

	/* An earlier one did not fit, so that this one would follow a gap */
	if (e->covered != e->total)
		return;
	if (last && last->status == status)
		last->length += length;
	else if (e->nr < e->cap)
		e->list[e->nr++] = (struct nbd_extent){ length, status };
	else
		return;
	e->covered += length;
}

/*
 * Descriptors that violate the protocol are ignored: those beyond the request, further ones in
 * spite of REQ_ONE, and empty ones. Servers send them, they do no harm, and libnbd accepts them.
 */
static void extents_add(struct nbd_extents *e, const struct nbd_wire_descriptor *wire)
{
	u64 length = be32_to_cpu(wire->length);
	u64 status = be32_to_cpu(wire->status) & e->mask;

	if (!length || e->total >= e->length || (e->one && e->total))
		return;
	/* The last one may extend beyond the request, and is cut off */
	extents_keep(e, min_t(u64, length, e->length - e->total), status);
	e->total += length;
}

/**
 * nbd_extents_feed() - parse the next bytes of the descriptors of a chunk
 * @e: extents of the context of the chunk
 * @buf: the bytes
 * @len: number of bytes, which may end within a descriptor
 */
void nbd_extents_feed(struct nbd_extents *e, const void *buf, u32 len)
{
	u32 n;

	while (len) {
		n = min_t(u32, len, sizeof(e->partial) - e->have);
		memcpy(e->partial + e->have, buf, n);
		e->have += n;
		buf += n;
		len -= n;
		if (e->have < sizeof(e->partial))
			break;
		e->have = 0;
		extents_add(e, (const void *)e->partial);
	}
}
