#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A server comes back with a larger export: the disk grows as soon as all connections are to the
# larger one, with an event for udev, and its new end is the file's.

. "$(dirname "$0")/keeper.sh"

requires nbdkit
truncate -s 8M "$TMP/image"
_place
again nbdkit -f -i 127.0.0.1 -p @PORT@ file "$TMP/image"
attach -C 2
same "$(blockdev --getsize64 "$DEV")" 8388608 "size"
stop_server
truncate -s 12M "$TMP/image"
again nbdkit -f -i 127.0.0.1 -p @PORT@ file "$TMP/image"
wait_until 20 sh -c "[ \$(cat /sys/block/$DISK/size) = 24576 ]"
head -c 65536 /dev/urandom >"$TMP/data"
dd if="$TMP/data" of="$DEV" bs=64k seek=191 oflag=direct conv=notrunc,fsync status=none
cmp -n 65536 -i 0:12517376 "$TMP/data" "$TMP/image"
detach
