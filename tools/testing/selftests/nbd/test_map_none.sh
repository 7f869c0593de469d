#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A disk of a server without block status works, but nbd-map says that there are no maps and exits
# with 1; --require-context refuses the attach. It says so, too, where nothing is attached, and
# exits with
# 5 for what is not an NBD disk, though it be made of one.

. "$(dirname "$0")/lib/map.sh"

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

# what is made of an NBD disk would show the disk's map, from another place
requires dmsetup
serve_nbdkit data '@1048576 1*4096' size=16M
attach
dmsetup create "nbd-map-$$" --table "0 8192 linear $DEV 16384"
defer sh -c "dmsetup remove --retry nbd-map-$$ 2>/dev/null"
exits 5 nbd-map "/dev/mapper/nbd-map-$$"
matches "$OUTPUT" 'not an NBD disk' "message about a linear device"
exits 0 nbd-map "$DEV"
dmsetup remove --retry "nbd-map-$$"
detach
for disk in /sys/block/[!n]*; do
	[ -b "/dev/${disk##*/}" ] || continue
	exits 5 nbd-map "/dev/${disk##*/}"
	matches "$OUTPUT" 'not an NBD disk' "message about another disk"
done
for name in "$DEV" nbd999 /dev/nbd999; do
	exits 1 nbd-map "$name"
	matches "$OUTPUT" 'not attached' "message about $name"
done
