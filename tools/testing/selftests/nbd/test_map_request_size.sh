#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A large disk is asked for in requests of at most 1 GiB, one after the other, without gaps, since
# some servers crash on a block status request of nearly 4 GiB.

. "$(dirname "$0")/lib/lib.sh"

requires evil-nbd
log=$TMP/log

serve evil-nbd --port @PORT@ --log "$log" --size 5G --fill zero
attach -C 1
within 30 nbd-map "$DEV" >"$TMP/map"
detach
same "$(grep '^BLOCK_STATUS' "$log" | sed 's/ conn=.*//' | paste -sd,)" \
	"BLOCK_STATUS 0 1073741824,BLOCK_STATUS 1073741824 1073741824,$(
	)BLOCK_STATUS 2147483648 1073741824,BLOCK_STATUS 3221225472 1073741824,$(
	)BLOCK_STATUS 4294967296 1073741824" "requests"
same "$(awk '{ n += $2 } END { printf "%.0f\n", n }' "$TMP/map")" 5368709120 "bytes in the map"
same "$(grep -c VIOLATION "$log" || true)" 0 "violations"
