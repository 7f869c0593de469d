#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Servers are killed and started anew at random moments, COUNT times, under writes, zeroes, trims,
# flushes and reads: no request fails, no read is wrong, and after each kill the image has all that
# was acknowledged; of a server that keeps writes in its memory, all that was flushed or had FUA.
# Where a kill loses nothing, fio verifies as well.

. "$(dirname "$0")/soak.sh"

requires fio
rounds=("cache 4" "file 1" "nbd-server 4" "qemu 1" "cache 1" "file 4" "nbd-server 1" "qemu 4")
count=${COUNT:-4}
# a server's life in ms, in which writers have the CPU all the time
longest=$((count < 50 ? 400 : 1500))
a_round=$((count < 50 ? (count + 1) / 2 : 25))
kills=0 lost=0 passes=0 round=0

verify_by_fio() {
	while [ ! -e "$TMP/enough" ]; do
		fio --name=soak --filename="$DEV" --direct=1 --ioengine=libaio --iodepth=32 --bs=4k \
			--rw=randwrite --offset=32m --size=4m --fsync=64 --verify=crc32c \
			--verify_fatal=1 --randseed="$SEED" >"$TMP/fio.log" 2>&1 || return
		echo . >>"$TMP/passes"
	done
}

one_kill() {
	rnd 100 $longest
	nap_ms "$N"
	server_down
	check_image "$TMP/image" "$@"
	if [ $# -gt 0 ] && ! "$HERE/ledger_check" image "$LEDGER" "$TMP/image" >/dev/null; then
		lost=$((lost + 1))
	fi
	"$HERE/ledger_check" mark "$LEDGER"
	server_up
	progress
	kills=$((kills + 1))
}

one_round() {
	local kind=$1 fio='' lossy=() i rc=0

	[ "$kind" != cache ] || lossy=(volatile)
	rm -f "$TMP/image" "$TMP/enough"
	truncate -s 64M "$TMP/image"
	soak_server "$kind" "$TMP/image"
	server_up
	attach -C "$2" --dead-timeout forever
	start_ledger "${lossy[@]}"
	[ "${lossy[*]}" ] || { verify_by_fio & fio=$!; }
	for ((i = 0; i < a_round && kills < count; i++)); do
		one_kill "${lossy[@]}"
	done
	touch "$TMP/enough"
	end_ledger
	[ ! "$fio" ] || wait "$fio" || fail "fio: $(tail -n 20 "$TMP/fio.log")"
	detach
	server_down
	check_image "$TMP/image" "${lossy[@]}"
	count_written
	no_io_errors
}

while [ "$kills" -lt "$count" ]; do
	# shellcheck disable=SC2086 # kind and connections
	one_round ${rounds[round++ % ${#rounds[@]}]}
done
[ ! -e "$TMP/passes" ] || passes=$(wc -l <"$TMP/passes")
# a few kills may all come right after a flush
[ "$lost" -gt 0 ] || [ "$count" -lt 20 ] || fail "no kill lost what was not flushed: nothing is proven of FLUSH"
soaked "$kills kills ($lost lost what was not flushed), $WRITTEN writes, $passes passes of fio, 0 errors"
