#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Eight nbd-map at once, over and over, while the server is killed and restarted COUNT times: each
# of them ends with the map that nbdinfo shows.
# tags: smp

. "$(dirname "$0")/lib/soak.sh"

requires nbdinfo
truncate -s 16M "$TMP/image"
for ((i = 0; i < 32; i++)); do
	dd if=/dev/urandom of="$TMP/image" bs=64k count=1 seek=$((i * 8)) conv=notrunc status=none
done
soak_server file "$TMP/image"
server_up
nbdinfo --map "$URI" >"$TMP/want"
[ "$(wc -l <"$TMP/want")" -eq 64 ] || fail "$(cat "$TMP/want")"
attach -C 4 --dead-timeout forever

mapper() {
	until [ -e "$TMP/enough" ]; do
		timeout -k 5 "$PATIENCE" nbd-map "$DEV" >"$TMP/map$1" ||
			{ echo "status $?"; return; }
		cmp "$TMP/map$1" "$TMP/want" || return 0
		echo . >>"$TMP/maps"
	done >>"$TMP/bad" 2>&1
}

more_maps() { [ "$(wc -l <"$TMP/maps")" -gt "$1" ]; }

touch "$TMP/maps"
mappers=()
for ((i = 0; i < 8; i++)); do
	mapper "$i" &
	mappers+=($!)
done
for ((kills = 0; kills < ${COUNT:-2}; kills++)); do
	rnd 200 1200
	nap_ms "$N"
	server_down
	nap_ms "$((N / 2))"
	server_up
	wait_until "$PATIENCE" more_maps "$(wc -l <"$TMP/maps")"
done
touch "$TMP/enough"
within $((2 * PATIENCE)) tail -f /dev/null "${mappers[@]/#/--pid=}"
[ ! -s "$TMP/bad" ] || fail "$(head -n 5 "$TMP/bad")"
detach
soaked "$kills kills, $(wc -l <"$TMP/maps") maps right, 0 wrong"
