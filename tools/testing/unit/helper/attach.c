// SPDX-License-Identifier: GPL-2.0-only
/* What the tests of handshake_attach() have in common. */
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "attach.h"

const char *const two_contexts[2] = { "base:allocation", "qemu:dirty-bitmap:b 0:x" };

const struct handshake_request plain = { .export = "disk", .structured = true };
const struct handshake_request with_contexts = {
	.export = "disk",
	.structured = true,
	.contexts = two_contexts,
	.n_contexts = 2,
};

struct script *script;
struct export exported;
struct error failure;

int attach_setup(void **state)
{
	(void)state;
	script = malloc(sizeof(*script));
	script_init(script);
	memset(&failure, 0, sizeof(failure));
	return 0;
}

int attach_teardown(void **state)
{
	(void)state;
	export_free(&exported);
	free(script);
	return 0;
}

void attach_well(const struct handshake_request *request)
{
	size_t length = script->in_length;

	script_raw(script, "transmission", 12);
	if (handshake_attach(&script->transport, request, &exported, &failure))
		fail_msg("%s", failure.cause);
	assert_int_equal(script->at, length);
}

void attach_badly(const struct handshake_request *request, enum exit_code code, const char *says)
{
	assert_int_equal(handshake_attach(&script->transport, request, &exported, &failure), -1);
	if (failure.code != code || !strstr(failure.cause, says))
		fail_msg("%u: %s", failure.code, failure.cause);
	assert_int_equal(exported.n_contexts, 0);
}

void say_start(void)
{
	script_greeting(script, FIXED | NO_ZEROES);
	script_ack(script, STRUCTURED);
}

void say_go(void)
{
	script_info_export(script, GO, SIZE, FLAGS);
	script_ack(script, GO);
}
