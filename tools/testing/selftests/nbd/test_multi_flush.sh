#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# With four connections a flush waits until the writes it covers were answered on every one of them:
# no FLUSH reaches the server while one of those is in flight.

. "$(dirname "$0")/lib/lib.sh"

log=$TMP/log
serve evil-nbd --port @PORT@ --log "$log" --delay 20
attach -C 4
settle
before=$(grep -c ^FLUSH "$log" || true)
within 60 dd if=/dev/zero of="$DEV" bs=4M count=2 seek=4 conv=notrunc,fsync status=none
detach
same "$(grep -c VIOLATION "$log" || true)" 0 "violations"
n=$(($(grep -c ^FLUSH "$log") - before))
[ "$n" -ge 1 ] || fail "no FLUSH"
bytes=$(awk '/^WRITE / { n += $3 } /^FLUSH / && n && !f { print n; f = 1 }' "$log")
same "$bytes" 8388608 "bytes written before the first FLUSH after a WRITE"
