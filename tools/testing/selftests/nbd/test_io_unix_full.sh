#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A Unix socket is full again and again, as its server is slow or stopped: what did not go in goes in
# when there is room, and nothing waits for ever.

. "$(dirname "$0")/lib.sh"

requires fio
write_and_read() {
	until [ -e "$TMP/enough" ]; do
		within 200 fio --name=writes --filename="$DEV" --ioengine=libaio --direct=1 \
			--iodepth=16 --rw=randwrite --bs=256k --size=64M --verify=crc32c \
			--verify_fatal=1 --verify_state_save=0 >"$TMP/fio" 2>&1 || return
	done
}
full() { [ "$(awk '{ print $2 }' "/sys/block/$DISK/inflight")" -ge 8 ]; }
writing() { kill -0 "$fio" 2>/dev/null; }
full_or_ended() { full || ! writing; }

TRANSPORT=unix serve_nbdkit memory 64M
attach
write_and_read &
fio=$!
defer _kill "$fio"
for _ in {1..10}; do
	wait_until 60 full_or_ended
	writing || fail "fio has ended: $(tail -n 5 "$TMP/fio")"
	pause_server
	sleep 0.2
	resume_server
done
touch "$TMP/enough"
wait "$fio" || fail "fio: $(tail -n 5 "$TMP/fio")"
detach
