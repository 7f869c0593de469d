#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The map of 8 TiB, mostly a hole, is that of nbdinfo, and is there in seconds: a request covers much.

. "$(dirname "$0")/map.sh"

serve_nbdkit data '@1099511627776 1 @2199023255843 2 @8796093018112 3' size=8T
attach -C 1
nbd-map "$DEV" >/dev/null
start=$SECONDS
same_map
took=$((SECONDS - start))
[ "$took" -le 30 ] || fail "took $took s"
same "$(grep -c '"data"' "$TMP/ours")" 3 "data extents"
detach
