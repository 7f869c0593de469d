#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The map of 8 TiB, mostly a hole, is that of nbdinfo, and is there in seconds: a request covers much.

. "$(dirname "$0")/map.sh"

serve_nbdkit data '@0x10000000000 1 @0x20000000123 2 @0x7fffffff000 3' size=8T
attach -C 1
nbd-map "$DEV" >/dev/null
start=$SECONDS
same_map
took=$((SECONDS - start))
[ "$took" -le 30 ] || fail "took $took s"
same "$(grep -c '"data"' "$TMP/ours")" 3 "data extents"
detach
