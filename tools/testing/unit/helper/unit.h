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

#endif
