#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Zeroes and trims that take the server longer than --timeout are done all the same, in pieces that
# it can do in time, and none twice; pieces become larger again when the server is fast. Without a
# time-out they are sent whole.

. "$(dirname "$0")/lib/keeper.sh"

log=$TMP/log
M=1048576

# sent COMMAND [PATTERN]: lengths of what the server got, each once
sent() { sed -n "s/^$1 [0-9]* \([0-9]*\).*/\1/p" "$log" | sort -nu | paste -sd,; }
# zeroed OFFSET LENGTH: that, and nothing else, is zero in the image
zeroed() {
	cmp "$TMP/image" "$TMP/before" -n "$1"
	cmp "$TMP/image" /dev/zero -i "$1:0" -n "$2"
	cmp "$TMP/image" "$TMP/before" -i "$(($1 + $2))"
}
renew() {
	yes | head -c $((80 * M)) >"$TMP/image"
	cp "$TMP/image" "$TMP/before"
}

for command in WRITE_ZEROES:-z TRIM:; do
	renew
	serve evil-nbd --port @PORT@ --log "$log" --image "$TMP/image" --zero-rate 4M
	attach -C 2 --timeout 2 --dead-timeout forever
	settle
	# 18 seconds of work
	# shellcheck disable=SC2086 # an option, or none
	blkdiscard ${command#*:} -o $((M + 4096)) -l $((70 * M)) "$DEV"
	zeroed $((M + 4096)) $((70 * M))
	# half of a piece of 32 MiB, and so on, each to a multiple of its length
	matches "$(sent "${command%:*}")" ",(4194304|8388608),.*15724544,32501760$" "lengths"
	detach
	stop_server
	same "$(grep -c VIOLATION "$log" || true)" 0 "violations"
	[ "$(grep -c "^CONNECT" "$log")" -le 8 ] ||
		fail "it took $(grep -c "^CONNECT" "$log") connections"
done

# the server stands still for once
serve evil-nbd --port @PORT@ --log "$log" --image "$TMP/image"
attach -C 1 --timeout 2 --dead-timeout forever
settle
pause_server
background discard blkdiscard -z -o 0 -l $((64 * M)) "$DEV"
sleep 5
resume_server
ends discard 0
was=$(wc -l <"$log")
blkdiscard -z -o 0 -l $((64 * M)) "$DEV"
sed -i "1,${was}d" "$log"
same "$(sent WRITE_ZEROES)" $((32 * M)) "lengths afterwards"
detach
stop_server

serve evil-nbd --port @PORT@ --log "$log" --image "$TMP/image"
attach -C 1
settle
blkdiscard -z -o 0 -l $((64 * M)) "$DEV"
detach
same "$(sent WRITE_ZEROES)" $((64 * M)) "without a time-out"
