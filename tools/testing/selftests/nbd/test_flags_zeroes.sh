#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Writes of zeroes are WRITE_ZEROES, with NO_HOLE exactly when the space has to stay allocated.
# Where the kernel has FALLOC_FL_WRITE_ZEROES, the disk supports it.
# tags: kernel

. "$(dirname "$0")/lib/lib.sh"

write_zeroes() {
	within 20 python3 -c '
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
fd = os.open(sys.argv[1], os.O_RDWR)
if libc.fallocate(fd, 0x80, ctypes.c_long(int(sys.argv[2])), ctypes.c_long(int(sys.argv[3]))):
    sys.exit(os.strerror(ctypes.get_errno()))
' "$@"
}

requires python3
log=$TMP/log
want="WRITE_ZEROES 16777216 1048576 no_hole
WRITE_ZEROES 20971520 2097152 no_hole
WRITE_ZEROES 25165824 3145728"
serve evil-nbd --port @PORT@ --log "$log"
attach
within 20 blkdiscard -z -o 16M -l 1M "$DEV"
within 20 fallocate -z -o 20M -l 2M "$DEV"
within 20 fallocate -p -o 24M -l 3M "$DEV"
if [ -e "/sys/block/$DISK/queue/write_zeroes_unmap_max_bytes" ]; then
	same "$(queue write_zeroes_unmap_max_bytes)" "$(queue write_zeroes_max_bytes)" "unmapping"
	write_zeroes "$DEV" 28311552 4194304
	want+=$'\nWRITE_ZEROES 28311552 4194304'
else
	note "this kernel has no FALLOC_FL_WRITE_ZEROES"
fi
same "$(head -c 28311552 "$DEV" | tail -c 3145728 | tr -d '\0' | wc -c)" 0 "bytes that are not zero"
detach
same "$(grep ^WRITE_ZEROES "$log" | sed 's/ conn=.*//')" "$want" "on the wire"
same "$(grep -c '^WRITE ' "$log" || true)" 0 "ordinary writes"
same "$(grep -c VIOLATION "$log" || true)" 0 "violations"
