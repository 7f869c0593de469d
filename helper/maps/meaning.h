/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_MEANING_H
#define NBD_HELPER_MEANING_H

#include <stdint.h>

#define MEANING_ROOM	48

/*
 * enum meaning_class - how a status is drawn
 * @MEANING_NOTHING: no data, or none that is new
 * @MEANING_MAIN: what the context is about: data, dirty, local
 * @MEANING_ZERO: allocated, reads as zeroes
 * @MEANING_HOLE: not allocated, may read as anything
 * @MEANING_OTHER: anything else, such as data from a backing file
 */
enum meaning_class {
	MEANING_NOTHING,
	MEANING_MAIN,
	MEANING_ZERO,
	MEANING_HOLE,
	MEANING_OTHER,
	MEANING_CLASSES,
};

/*
 * The words of nbdinfo for a status of a context, or NULL. @room has MEANING_ROOM bytes, and may
 * store them.
 */
const char *meaning_of(const char *context, uint64_t status, char *room);

enum meaning_class meaning_class(const char *context, uint64_t status);

#endif
