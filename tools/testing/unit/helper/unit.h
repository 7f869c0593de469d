/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_UNIT_H
#define NBD_UNIT_H

/* What cmocka wants included first, in the order it wants it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define N_ELEMENTS(array)	(sizeof(array) / sizeof((array)[0]))

/* Skip the test, with the reason: tap() of results.sh takes it from there. */
#define skip_as(...)                                     \
	do {                                             \
		print_message("# reason: " __VA_ARGS__); \
		print_message("\n");                     \
		skip();                                  \
	} while (0)

#endif
