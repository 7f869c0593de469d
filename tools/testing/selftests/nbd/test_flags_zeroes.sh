#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Writes of zeroes are WRITE_ZEROES, with NO_HOLE exactly when the space has to stay allocated.

. "$(dirname "$0")/lib.sh"

log=$TMP/log
serve evil-nbd --port @PORT@ --log "$log"
attach
within 20 blkdiscard -z -o 16M -l 1M "$DEV"
within 20 fallocate -z -o 20M -l 2M "$DEV"
within 20 fallocate -p -o 24M -l 3M "$DEV"
same "$(head -c 28311552 "$DEV" | tail -c 3145728 | tr -d '\0' | wc -c)" 0 "bytes that are not zero"
detach
same "$(grep ^WRITE_ZEROES "$log" | sed 's/ conn=.*//')" \
	"WRITE_ZEROES 16777216 1048576 no_hole
WRITE_ZEROES 20971520 2097152 no_hole
WRITE_ZEROES 25165824 3145728" "on the wire"
same "$(grep -c '^WRITE ' "$log" || true)" 0 "ordinary writes"
same "$(grep -c VIOLATION "$log" || true)" 0 "violations"
