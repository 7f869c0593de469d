#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A read or write of 1 MiB, and of 4 MiB, is one request on the wire, if the server has no maximum.

. "$(dirname "$0")/lib/lib.sh"

log=$TMP/log
serve evil-nbd --port @PORT@ --log "$log"
attach -C 1
settle
# huge pages keep the buffer in one piece where there are any, so this is for ordinary pages too
for size in 1048576 4194304; do
	within 20 dd if="$DEV" of=/dev/null bs="$size" count=1 skip=4 iflag=direct status=none
	within 20 dd if=/dev/zero of="$DEV" bs="$size" count=1 seek=5 oflag=direct conv=notrunc \
		status=none
done
detach
for size in 1048576 4194304; do
	same "$(grep -c "^READ $((size * 4)) $size conn" "$log")" 1 "READ of $size"
	same "$(grep -c "^WRITE $((size * 5)) $size conn" "$log")" 1 "WRITE of $size"
done
