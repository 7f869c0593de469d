#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# nbdkit's last extent runs past what was asked for; the map of a range, and of extents of one byte,
# is what nbdinfo says all the same.

. "$(dirname "$0")/map.sh"

serve_nbdkit data '( 0x55 0 )*2000 @1048576 1 @67108863 7' size=64M
attach
same_map
same "$(our_map --offset 512 --length 512)" '[512,512,0,"data"]' "map of one block"
detach

# shellcheck disable=SC2016 # nbdkit runs these
serve_nbdkit eval get_size='echo 1024' can_extents='exit 0' pread='head -c $3 /dev/zero' \
	extents='i=$4; while [ $i -lt $(($4 + 40)) ] && [ $i -lt 1024 ]; do
		[ $((i % 3)) = 0 ] && echo "$i 1 hole,zero" || echo "$i 1"; i=$((i + 1)); done'
attach -C 1
same_map
[ "$(wc -l <"$TMP/ours")" -gt 600 ] || fail "not all extents"
detach
