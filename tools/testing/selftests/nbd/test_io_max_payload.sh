#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Nothing larger than the server's maximum payload is sent; what is larger arrives in pieces, and
# whole. TRIM and WRITE_ZEROES, which carry no payload, are not cut.

. "$(dirname "$0")/lib/lib.sh"

log=$TMP/log
serve evil-nbd --port @PORT@ --log "$log" --block-size 512:4096:65536
attach -C 1
dd if=/dev/urandom of="$TMP/data" bs=1M count=2 status=none
within 20 dd if="$TMP/data" of="$DEV" bs=2M seek=8 oflag=direct conv=notrunc status=none
within 20 dd if="$DEV" of="$TMP/back" bs=2M skip=8 count=1 iflag=direct status=none
cmp "$TMP/data" "$TMP/back"
within 20 blkdiscard -o 32M -l 4M "$DEV"
within 20 blkdiscard -z -o 40M -l 4M "$DEV"
detach
same "$(grep -c VIOLATION "$log" || true)" 0 "violations"
largest() { awk -v c="$1" '$1 == c && $3 > m { m = $3 } END { print m }' "$log"; }
same "$(largest READ) $(largest WRITE) $(largest TRIM) $(largest WRITE_ZEROES)" \
	"65536 65536 4194304 4194304" "largest requests"
