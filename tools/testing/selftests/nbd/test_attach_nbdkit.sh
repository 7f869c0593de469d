#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# nbd-attach makes an nbdkit export a disk of its size, data pass both ways, nbd-detach frees it.

. "$(dirname "$0")/lib/lib.sh"

image=$TMP/image
truncate -s 8M "$image"
dd if=/dev/urandom of="$TMP/data" bs=64k count=3 status=none

serve_nbdkit file "$image"
attach
same "$(blockdev --getsize64 "$DEV")" 8388608 "size of the disk"
within 30 dd if="$TMP/data" of="$DEV" bs=64k seek=5 oflag=direct conv=fsync status=none
within 30 dd if="$DEV" of="$TMP/back" bs=64k skip=5 count=3 iflag=direct status=none
cmp "$TMP/back" "$TMP/data"
detach

# the server's file is the witness that the bytes left this machine
cmp -n 196608 -i 327680:0 "$image" "$TMP/data"
