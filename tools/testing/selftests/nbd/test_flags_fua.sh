#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A direct write with O_DSYNC is one WRITE with FUA where the server offers that; else it is a WRITE
# and, once that was answered, a FLUSH.

. "$(dirname "$0")/lib/lib.sh"

log=$TMP/log
write() {
	within 20 dd if=/dev/zero of="$DEV" bs=64k count=1 seek=256 oflag=direct,dsync \
		conv=notrunc \
		status=none
}

serve evil-nbd --port @PORT@ --log "$log"
attach -C 1
same "$(queue fua)" 1 "FUA"
write
matches "$(grep '^WRITE 16777216' "$log")" "^WRITE 16777216 65536 fua conn=1$" "with FUA"
detach
same "$(grep -c VIOLATION "$log" || true)" 0 "violations"

serve evil-nbd --port @PORT@ --log "$log" --flags no-fua
attach -C 1
same "$(queue fua)" 0 "FUA"
write
detach
matches "$(grep -A 1 '^WRITE 16777216' "$log")" $'65536 conn=1\nFLUSH 0 0' "without FUA"
same "$(grep -c VIOLATION "$log" || true)" 0 "violations"
