#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Random writes of mixed sizes, 32 at a time over one and four connections, are read back right,
# though the server answers out of order and each read in random chunks.
# tags: kernel

. "$(dirname "$0")/lib/lib.sh"

requires fio
log=$TMP/log
serve evil-nbd --port @PORT@ --log "$log" --size 64M --fill zero --read-shape random \
	--write-reply random --delay 1
cd "$TMP"
for connections in 1 4; do
	attach -C "$connections"
	within 90 fio --name=verify --filename="$DEV" --ioengine=libaio --direct=1 --iodepth=32 \
		--rw=randwrite --bsrange=512-256k --blockalign=512 --size=10M --offset=16M \
		--verify=crc32c --verify_fatal=1 --verify_state_save=0 --randseed=7 \
		--output-format=terse \
		>"$TMP/fio" 2>&1 || fail "$(tail -n 5 "$TMP/fio")"
	detach
done
same "$(grep -c VIOLATION "$log" || true)" 0 "violations: $(grep -m 1 VIOLATION "$log")"
matches "$(awk '/^WRITE / && $2 >= 16777216 { n += $3 } END { print n }' "$log")" \
	"^2[0-9]{7}$" "bytes written"
