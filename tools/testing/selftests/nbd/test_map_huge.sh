#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The map of 8 TiB, mostly a hole, is that of nbdinfo, and is there in seconds: a request covers
# much.

. "$(dirname "$0")/lib/map.sh"

requires evil-nbd

# three bits of data: 1 byte at 1 TiB, 2 near 2 TiB, 3 in the last block
cat >"$TMP/layout" <<-END
	0 1099511627776 3
	1099511627777 1099511628066 3
	2199023255845 6597069762267 3
	8796093018115 4093 3
END
serve_evil --size 8T --fill zero --context "base:allocation=file:$TMP/layout"
attach -C 1
start=$SECONDS
same_map
took=$((SECONDS - start))
[ "$took" -le 120 ] || fail "took $took s"
same "$(grep -c '"data"' "$TMP/ours")" 3 "extents of data"
requests=$(grep -c '^BLOCK_STATUS' "$TMP/evil.log")
[ "$requests" -lt 20000 ] || fail "$requests requests for two maps"
detach
