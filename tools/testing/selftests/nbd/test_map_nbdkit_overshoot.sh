#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# nbdkit's last extent runs past what was asked for; the map of a range, and of extents of one byte,
# is what nbdinfo says all the same, as it is where an extent follows behind. A map that breaks off
# shows what is known.

. "$(dirname "$0")/lib/map.sh"

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

# one more extent behind one that ends where the request does
truncate -s 10000001 "$TMP/image"
dd if=/dev/urandom of="$TMP/image" bs=4096 seek=5 count=1 conv=notrunc status=none
serve_nbdkit --filter=truncate --filter=cow file "$TMP/image" round-up=4096
attach
same "$(our_map --offset 20481 --length 4095)" '[20481,4095,0,"data"]' \
	"map that ends with an extent"
same_map
detach

# a map that breaks off shows what it has, and where that ends
# shellcheck disable=SC2016 # nbdkit runs these
serve_nbdkit eval get_size='echo 3G' can_extents='exit 0' pread='head -c $3 /dev/zero' \
	extents='[ $4 -lt 2147483648 ] || { echo EIO broken >&2; exit 1; }; echo $4 $3 hole'
attach -C 1
exits 13 nbd-map "$DEV"
matches "$OUTPUT" '^ *0 +2147483648 +1 +hole
nbd-map: .*: at byte 2147483648: ' "what is known, and the error"
same "$(nbd-map --json "$DEV" 2>/dev/null | jq -c '.[] | [.offset, .length]')" '[0,2147483648]' \
	"JSON of what is known"
