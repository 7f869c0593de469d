#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# An export grows: nbd-attach --resize gives the disk the new size while it is read, and its new end
# is the file's. Nothing is done where it did not grow; where it shrank, that is refused.

. "$(dirname "$0")/lib/keeper.sh"

requires nbdkit
truncate -s 8M "$TMP/image"
serve_nbdkit file "$TMP/image"
attach -C 2
pid=$(keeper)
exits 0 nbd-attach --resize "$DEV"
same "$(blockdev --getsize64 "$DEV")" 8388608 "size when nothing changed"
truncate -s 12M "$TMP/image"
background reads sh -c "for i in 1 2 3 4 5 6 7 8; do
	dd if=$DEV of=/dev/null bs=1M count=8 iflag=direct status=none || exit; done"
exits 0 nbd-attach --resize "$DEV"
same "$(cat "/sys/block/$DISK/size")" 24576 "sectors"
ends reads 0
head -c 65536 /dev/urandom >"$TMP/data"
for i in 1 2 3 4; do
	dd if="$TMP/data" of="$DEV" bs=64k seek=$((187 + i)) oflag=direct conv=notrunc status=none
done
cmp -n 65536 -i 0:12517376 "$TMP/data" "$TMP/image"
truncate -s 4M "$TMP/image"
exits 11 nbd-attach --resize "$DEV"
matches "$OUTPUT" "4194304 bytes, less than the disk's 12582912" "message"
same "$(cat "/sys/block/$DISK/size")" 24576 "sectors"
same "$(keeper)" "$pid" "the keeper"
detach
