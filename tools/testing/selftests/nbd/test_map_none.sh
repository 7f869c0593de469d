#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A disk of a server without block status works, but nbd-map says that there are no maps and exits
# with 1; --require-context refuses the attach.

. "$(dirname "$0")/map.sh"

no_maps() {
	attach "$@"
	exits 1 nbd-map "$DEV"
	matches "$OUTPUT" "^nbd-map: $DEV: .*(context|map|block status)" "message"
	exits 1 nbd-map --list "$DEV"
	dd if="$DEV" of=/dev/null bs=64k count=4 iflag=direct status=none
	detach
}

refused() {
	_pick_device
	fails nbd-attach --require-context "$URI" "$DEV"
	matches "$OUTPUT" 'base:allocation|context|block status' "message of --require-context"
	! attached "$DEV" || fail "attached in spite of --require-context"
}

serve_nbdkit --no-sr memory 8M
no_maps
refused

truncate -s 8M "$TMP/file"
# it serves one connection
serve_nbd_server "$TMP/file"
no_maps
serve_nbd_server "$TMP/file"
refused

serve_nbdkit memory 8M
no_maps --no-contexts
