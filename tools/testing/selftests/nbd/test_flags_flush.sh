#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# fsync sends FLUSH, after the write that it covers was answered; a plain direct write sends none.

. "$(dirname "$0")/lib/lib.sh"

log=$TMP/log
serve evil-nbd --port @PORT@ --log "$log"
attach -C 1
same "$(queue write_cache)" "write back" "write cache"
settle
flushes() { grep -c ^FLUSH "$log" || true; }

before=$(flushes)
# fsync of the open file; closing the last writer would flush too
exec {fd}<>"$DEV"
within 20 dd if=/dev/zero of="/proc/self/fd/$fd" bs=64k count=1 seek=128 oflag=direct status=none
settle
same "$(flushes)" "$before" "FLUSH without fsync"
within 20 dd if=/dev/zero of="/proc/self/fd/$fd" bs=64k count=1 seek=256 conv=notrunc,fsync \
	oflag=direct status=none
matches "$(grep -A 1 '^WRITE 16777216 65536' "$log")" $'conn=1\nFLUSH 0 0' "after the write"
exec {fd}>&-
detach
same "$(grep -c VIOLATION "$log" || true)" 0 "violations"
