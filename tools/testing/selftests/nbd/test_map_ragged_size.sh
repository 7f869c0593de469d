#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Of an export of 1000001 bytes the map has the whole blocks, as the disk does; what nbdinfo says of
# them, and nothing of the rest.

. "$(dirname "$0")/lib/map.sh"

serve_nbdkit data '@1000 1 @999000 2 @1000000 3' size=1000001
attach
size=$(blockdev --getsize64 "$DEV")
same "$size" $((1000001 / 512 * 512)) "size of the disk"
our_map >"$TMP/ours"
server_map |
	jq -c --argjson n "$size" 'select(.[0] < $n) | .[1] = ([.[0] + .[1], $n] | min) - .[0]' \
	>"$TMP/want"
same_files "$TMP/ours" "$TMP/want" "maps"
detach
