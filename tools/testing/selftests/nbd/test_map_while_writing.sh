#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Eight processes that map a disk again and again while fio writes to it all get whole maps: from
# the first byte to the last, without a gap or an overlap. Afterwards the map is the server's.

. "$(dirname "$0")/lib/map.sh"

requires fio

maps() {
	local i

	for i in 1 2 3; do
		nbd-map "$DEV" | awk -v size="$((64 << 20))" '
			$1 != at || $2 < 1 { print "gap at", at; exit 1 }
			{ at = $1 + $2 }
			END { if (at != size) { print "ends at", at; exit 1 } }' || return 1
	done
}

serve_nbdkit memory 64M
attach
fio --name=w --filename="$DEV" --direct=1 --ioengine=libaio --iodepth=8 --rw=randwrite --bs=64k \
	--size=64M --rate_iops=200 --time_based --runtime=90 --output="$TMP/fio" >/dev/null 2>&1 &
fio=$!
defer _kill "$fio"
pids=()
for ((i = 0; i < 8; i++)); do
	maps >"$TMP/maps-$i" 2>&1 &
	pids+=("$!")
done
for pid in "${pids[@]}"; do
	wait "$pid" || fail "a map is broken: $(cat "$TMP"/maps-*)"
done
kill -0 "$fio" || fail "fio ended before the maps"
kill "$fio"
wait "$fio" || true
same_map
detach
