#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Discards are TRIM, of blocks as small as the server takes, though the disk says that it is best at
# whole physical blocks; the server's image gets the holes.

. "$(dirname "$0")/lib/lib.sh"

log=$TMP/log image=$TMP/image
dd if=/dev/urandom of="$image" bs=1M count=32 status=none
serve evil-nbd --port @PORT@ --log "$log" --image "$image" --block-size 512:65536:33554432
attach
same "$(queue discard_granularity)" 4096 "granularity"
before=$(stat -c %b "$image")
within 20 blkdiscard -o 8M -l 16M "$DEV"
within 20 blkdiscard -o 512 -l 1024 "$DEV"
detach
same "$(grep -c VIOLATION "$log" || true)" 0 "violations"
same "$(grep ^TRIM "$log" | sed 's/ conn=.*//')" "TRIM 8388608 16777216
TRIM 512 1024" "on the wire"
same "$(($(stat -c %b "$image") + 32768))" "$before" "blocks of the image"
