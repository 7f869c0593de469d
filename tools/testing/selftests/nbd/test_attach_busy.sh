#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A device that is in use is left as it is: exit status 7 for the same export, 8 for another one,
# and the message says what is attached.

. "$(dirname "$0")/lib/lib.sh"

serve_nbdkit memory 4M
attach
first=$URI
exits 7 within 20 nbd-attach "$URI" "$DEV"
matches "$OUTPUT" "$DEV is attached to $first" "message"

serve_nbdkit memory 8M
exits 8 within 20 nbd-attach "$URI" "$DEV"
matches "$OUTPUT" "$DEV is attached to $first" "message"
same "$(ss -Htn state established "dport = :$PORT")" "" "connections left"
same "$(blockdev --getsize64 "$DEV")" 4194304 "size of the disk"
within 20 dd if="$DEV" of=/dev/null bs=64k count=1 iflag=direct status=none
