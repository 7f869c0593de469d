/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_MEANING_H
#define NBD_HELPER_MEANING_H

#include <stdint.h>

#define MEANING_ROOM	48

/*
 * enum meaning_class - how a status is drawn
 * @MEANING_NOTHING: there is nothing, or nothing new
 * @MEANING_MAIN: what the context is about: data, dirty, local
 * @MEANING_ZERO: allocated, reads as zeroes
 * @MEANING_HOLE: not allocated, of unknown content
 * @MEANING_OTHER: anything else, as what comes from a backing file
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
 * Words for a status of a context, the ones nbdinfo has; NULL if there are
 * none. @room has MEANING_ROOM bytes.
 */
const char *meaning_of(const char *context, uint64_t status, char *room);

enum meaning_class meaning_class(const char *context, uint64_t status);

#endif
