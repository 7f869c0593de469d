/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests of handshake_attach() against a script, each with a fresh one. */
#ifndef NBD_UNIT_ATTACH_H
#define NBD_UNIT_ATTACH_H

#include "base/error.h"
#include "negotiate/handshake.h"
#include "script.h"

#define FIXED		NBD_FLAG_FIXED_NEWSTYLE
#define NO_ZEROES	NBD_FLAG_NO_ZEROES
#define FLAGS		(NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH)
#define SIZE		1048576
#define STRUCTURED	NBD_OPT_STRUCTURED_REPLY
#define SET		NBD_OPT_SET_META_CONTEXT
#define GO		NBD_OPT_GO

#define TEST(name)	cmocka_unit_test_setup_teardown(test_##name, attach_setup, attach_teardown)

/* What is asked for */
extern const char *const two_contexts[2];
extern const struct handshake_request plain;
extern const struct handshake_request with_contexts;

/* The server, and what has come of it */
extern struct script *script;
extern struct export exported;
extern struct error failure;

int attach_setup(void **state);
int attach_teardown(void **state);

/* The server begins, and answers that it has structured replies. */
void say_start(void);
/* It answers GO. */
void say_go(void);

/* It succeeds, and takes nothing of what follows the handshake from the stream. */
void attach_well(const struct handshake_request *request);
/* It fails with this code and a cause that has these words. */
void attach_badly(const struct handshake_request *request, enum exit_code code, const char *says);

#endif
