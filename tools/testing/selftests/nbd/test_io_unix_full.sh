#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A Unix socket is full again and again, as its server is stopped or slow: what did not go in goes
# in when there is room, and nothing waits for ever.

. "$(dirname "$0")/lib/lib.sh"

requires fio
write_and_read() {
	within 100 fio --name=writes --filename="$DEV" --ioengine=libaio --direct=1 --iodepth=16 \
		--rw=randwrite --bs=256k --size=8M --verify=crc32c --verify_fatal=1 \
		--verify_state_save=0 >"$TMP/fio" 2>&1
}
# More than the socket holds, and of a stopped server's requests none is answered
full() { [ "$(awk '{ print $2 }' "/sys/block/$DISK/inflight")" -ge 8 ]; }

TRANSPORT=unix serve_nbdkit memory 64M
attach
settle
# udev reads a disk that somebody has written to, and nobody can open it then; not one that is
# locked
flock --exclusive --no-fork "$DEV" sleep infinity &
lock=$!
defer _kill $lock
for _ in {1..5}; do
	pause_server
	write_and_read &
	fio=$!
	wait_until 60 full
	resume_server
	wait "$fio" || fail "fio: $(tail -n 5 "$TMP/fio")"
done
_kill $lock
settle
detach
