#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Errors of nbdkit's error filter, simple and structured: ENOSPC for writes, EIO for reads, while it
# is told to; before and after that the same requests succeed.

. "$(dirname "$0")/lib/lib.sh"

allow_klog "I/O error|critical (space|target|medium) "
for mode in --no-sr ''; do
	# shellcheck disable=SC2086 # an option or none
	serve_nbdkit $mode --filter=error memory 16M error-pwrite=ENOSPC error-pwrite-rate=100% \
		error-pread=EIO error-pread-rate=100% error-file="$TMP/now"
	attach
	write() { dd if=/dev/zero of="$DEV" bs=64k count=1 seek=128 oflag=direct conv=notrunc; }
	read_() { dd if="$DEV" of=/dev/null bs=64k count=1 skip=128 iflag=direct; }
	exits 0 write
	touch "$TMP/now"
	fails write
	matches "$OUTPUT" "No space left on device" "write"
	fails read_
	matches "$OUTPUT" "Input/output error" "read"
	rm "$TMP/now"
	exits 0 write
	exits 0 read_
	detach
	stop_server
done
