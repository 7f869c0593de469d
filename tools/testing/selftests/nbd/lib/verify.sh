# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# verify_writes ARGS...: random writes of mixed sizes to evil-nbd ARGS, 32 at a time over one and
# four connections, are read back right, and all of them are within the protocol.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

requires fio

verify_writes() {
	local log=$TMP/log connections

	serve evil-nbd --port @PORT@ --log "$log" --size 64M --fill zero "$@"
	cd "$TMP"
	for connections in 1 4; do
		attach -C "$connections"
		within 90 fio --name=verify --filename="$DEV" --ioengine=libaio --direct=1 \
			--iodepth=32 --rw=randwrite --bsrange=512-256k --blockalign=512 --size=10M \
			--offset=16M --verify=crc32c --verify_fatal=1 --verify_state_save=0 \
			--randseed=7 --output-format=terse >"$TMP/fio" 2>&1 ||
			fail "$(tail -n 5 "$TMP/fio")"
		detach
	done
	same "$(grep -c VIOLATION "$log" || true)" 0 "violations: $(grep -m 1 VIOLATION "$log")"
	matches "$(awk '/^WRITE / && $2 >= 16777216 { n += $3 } END { print n }' "$log")" \
		"^2[0-9]{7}$" "bytes written"
}
