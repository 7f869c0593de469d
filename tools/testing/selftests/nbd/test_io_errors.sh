#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The server's errors keep their meaning: ENOSPC is "No space left", EIO is an I/O error, EPERM is
# never success. Only that request fails, the connection stays, and the disk continues to work.

. "$(dirname "$0")/lib/lib.sh"

log=$TMP/log
allow_klog "I/O error|critical (space|target|medium) "

# io MiB COMMAND: one direct request that the server answers with an error
io() {
	case $2 in
	write) fails within 20 dd if=/dev/zero of="$DEV" bs=64k count=1 seek="$(($1 * 16))" \
		oflag=direct conv=notrunc ;;
	read) fails within 20 dd if="$DEV" of=/dev/null bs=64k count=1 skip="$(($1 * 16))" \
		iflag=direct ;;
	# a write of zeroes that the kernel may not replace by writing, as it does for "blkdiscard
	# -z"
	zeroes) fails within 20 fallocate -p -o "${1}M" -l 64k "$DEV" ;;
	trim) fails within 20 blkdiscard -o "${1}M" -l 64k "$DEV" ;;
	esac
}

serve evil-nbd --port @PORT@ --log "$log" \
	--evil write-enospc --at 16M --every --evil write-eio-chunk --at 18M --every \
	--evil read-eio --at 20M --every --evil write-eperm --at 22M --every \
	--evil zeroes-enospc --at 24M --every --evil trim-eio --at 26M --every
attach -C 1
io 16 write
matches "$OUTPUT" "No space left on device" "ENOSPC"
io 18 write
matches "$OUTPUT" "Input/output error" "EIO"
io 20 read
matches "$OUTPUT" "Input/output error" "EIO"
io 22 write
io 24 zeroes
matches "$OUTPUT" "No space left on device" "ENOSPC of a write of zeroes"
io 26 trim
# and next to each of them all is well
within 20 dd if=/dev/zero of="$DEV" bs=1M count=1 seek=17 oflag=direct conv=notrunc status=none
within 20 dd if="$DEV" of=/dev/null bs=1M count=1 skip=19 iflag=direct status=none
detach
same "$(grep -c ^CONNECT "$log")" 1 "connections in all"
same "$(grep -c VIOLATION "$log" || true)" 0 "violations"
same "$(tail -n 1 "$log")" "DISC 1" "end of the log"
