#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# nbd-detach refuses a disk that is mounted in a mount namespace only, and says where and by whose
# view; with the namespace the mount is gone.

. "$(dirname "$0")/lib/lib.sh"

image=$TMP/image
truncate -s 4M "$image"
mkfs.ext4 -q -F "$image"
serve_nbdkit file "$image"
attach
mkdir "$TMP/there"
unshare -m sh -c "mount '$DEV' '$TMP/there' && echo >'$TMP/up' && exec sleep 600" &
elsewhere=$!
defer _kill "$elsewhere"
wait_until 20 test -e "$TMP/up"
[ ! -e "$TMP/there/lost+found" ] || fail "the mount is seen here"
exits 7 within 30 nbd-detach "$DEV"
matches "$OUTPUT" "$DISK is mounted on $TMP/there as process $elsewhere sees it" "message"
_kill "$elsewhere"
wait_until 20 nbd-detach "$DEV"
