#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# nbd-detach writes out what is dirty, flushes, and says DISC on each connection as the last thing.

. "$(dirname "$0")/lib/lib.sh"

log=$TMP/log image=$TMP/image
truncate -s 32M "$image"
dd if=/dev/urandom of="$TMP/data" bs=1M count=4 status=none
serve evil-nbd --port @PORT@ --log "$log" --image "$image" --delay 3
attach -C 4
# held open by a reader, so that closing writes nothing out
exec {fd}<"$DEV"
dd if="$TMP/data" of="$DEV" bs=1M seek=9 conv=notrunc status=none
exec {fd}<&-
detach
cmp -n 4194304 -i 9437184:0 "$image" "$TMP/data"
same "$(tail -n 4 "$log" | sort)" $'DISC 1\nDISC 2\nDISC 3\nDISC 4' "end of the log"
same "$(grep -c ^DISC "$log")" 4 "DISC in all"
same "$(grep -cE '^EOF|VIOLATION' "$log" || true)" 0 "violations"
last_write=$(grep -n '^WRITE ' "$log" | tail -n 1 | cut -d : -f 1)
last_flush=$(grep -n '^FLUSH ' "$log" | tail -n 1 | cut -d : -f 1)
[ "$last_flush" -gt "$last_write" ] || fail "no FLUSH after the last WRITE"
