#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# While one in ten allocations below the driver fails, in whatever context, all I/O succeeds, one
# request at a time and many, and all data are right.

. "$(dirname "$0")/lib/fault.sh"

requires fio
io() {
	within 60 fio --name="$1" --filename="$DEV" --ioengine=libaio --direct=1 --iodepth="$1" \
		--rw=randwrite --bs=16k --size="$2" --verify=crc32c --verify_fatal=1 \
		--verify_state_save=0 --randseed=9 --output-format=terse >"$TMP/fio" 2>&1 ||
		fail "$TRANSPORT, depth $1: $(tail -n 5 "$TMP/fio")"
}

for TRANSPORT in unix tcp; do
	serve_nbdkit memory 64M
	attach -C 4
	fail_below_nbd 10
	io 1 1M
	io 32 8M
	fail_nothing
	detach
done
same "$(klog | grep "lost, error" || true)" "" "connections lost"
klog | grep -q "FAULT_INJECTION: forcing a failure" || fail "no allocation failed"
