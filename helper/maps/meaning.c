// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "../../uapi/linux/nbdmap.h"
#include "maps/meaning.h"

static bool is_bitmap(const char *context)
{
	return !strncmp(context, "qemu:dirty-bitmap:", strlen("qemu:dirty-bitmap:"));
}

const char *meaning_of(const char *context, uint64_t status, char *room)
{
	static const char *const base[] = { "data", "hole", "zero", "hole,zero" };

	if (!strcmp(context, "base:allocation"))
		return status < 4 ? base[status] : NULL;
	if (is_bitmap(context))
		return status < 2 ? (status ? "dirty" : "clean") : NULL;
	if (strcmp(context, "qemu:allocation-depth"))
		return NULL;
	/* A depth, not flags: 0 is unallocated, 1 the top layer, 2 the one below. */
	if (status < 2)
		return status ? "local" : "absent";
	snprintf(room, MEANING_ROOM, "backing depth %" PRIu64, status);
	return room;
}

enum meaning_class meaning_class(const char *context, uint64_t status)
{
	if (!strcmp(context, "base:allocation"))
		switch (status & (NBDMAP_BASE_HOLE | NBDMAP_BASE_ZERO)) {
		case NBDMAP_BASE_HOLE | NBDMAP_BASE_ZERO:
			return MEANING_NOTHING;
		case NBDMAP_BASE_HOLE:
			return MEANING_HOLE;
		case NBDMAP_BASE_ZERO:
			return MEANING_ZERO;
		default:
			return MEANING_MAIN;
		}
	if (is_bitmap(context))
		return status & NBDMAP_DIRTY ? MEANING_MAIN : MEANING_NOTHING;
	if (!status)
		return MEANING_NOTHING;
	return status == 1 ? MEANING_MAIN : MEANING_OTHER;
}
