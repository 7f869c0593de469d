#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# nbd-detach refuses a disk that is mounted, also where no path leads any more, is swap, or is open:
# exit status 7, and the message names the users. The disk stays attached; when it is free, it is
# detached.

. "$(dirname "$0")/lib/lib.sh"

busy() {
	exits 7 within 30 nbd-detach "$DEV"
	matches "$OUTPUT" "$1" "message"
	within 20 dd if="$DEV" of=/dev/null bs=4k count=1 iflag=direct status=none
}

image=$TMP/image
truncate -s 16M "$image"
mke2fs -q -F -t ext4 -O ^has_journal "$image"
serve_nbdkit file "$image"
attach

mkdir "$TMP/a place"
mount "$DEV" "$TMP/a place"
defer eval "umount -q -l '$TMP/a place' || true"
busy "mounted on $TMP/a place"
(cd "$TMP/a place" && exec sleep 600) &
sleeper=$!
asleep() { [ "$(<"/proc/$sleeper/comm")" = sleep ]; }
wait_until 20 asleep
umount -l "$TMP/a place"
busy "$DISK has files in process $sleeper \(sleep\)"
kill "$sleeper"
wait "$sleeper" || true

mkswap -q "$DEV"
swapon "$DEV"
defer eval "swapoff '$DEV' 2>/dev/null || true"
busy "swap"
swapoff "$DEV"

# shellcheck disable=SC2217 # it need not read it
sleep 600 <"$DEV" &
sleeper=$!
busy "process $sleeper \(sleep\)"
kill "$sleeper"
wait "$sleeper" || true
detach
