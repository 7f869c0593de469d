// SPDX-License-Identifier: GPL-2.0-only
/* URIs: whatever is accepted means the same after it was printed and read again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "negotiate/target.h"
#include "negotiate/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct target first, second;
	static char text[TARGET_URI_ROOM];
	char *uri = strndup((const char *)data, size);
	struct error err;

	uri_is_uri(uri);
	if (!uri_parse(uri, &first, &err)) {
		if (uri_parse(target_uri(&first, text), &second, &err))
			abort();
		if (first.kind != second.kind || first.port != second.port ||
		    first.cid != second.cid || strcmp(first.host, second.host) ||
		    strcmp(first.export, second.export) ||
		    first.path_length != second.path_length ||
		    memcmp(first.path, second.path, first.path_length))
			abort();
	} else if (!err.cause[0]) {
		abort();
	}
	free(uri);
	return 0;
}
