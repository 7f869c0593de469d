#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The module is loaded and unloaded while nbd-client connects and disconnects, for DURATION seconds:
# the module goes when no disk is attached, and nothing hangs.
# tags: smp

. "$(dirname "$0")/lib/compat.sh"

requires_nbd
requires nbd-client
serve_nbdkit memory 8M
settle

client() {
	while [ "$SECONDS" -lt "$end" ]; do
		timeout -k 5 60 nbd-client 127.0.0.1 "$PORT" /dev/nbd2 "$@" || continue
		echo . >&3
		timeout -k 5 60 nbd-client -d /dev/nbd2 || true
	done >"$TMP/client.log" 2>&1 3>"$TMP/connected"
}

loader() {
	while [ "$SECONDS" -lt "$end" ]; do
		rmmod nbd 2>/dev/null && echo .
		modprobe nbd 2>/dev/null || true
		_nap 0.2
	done >"$TMP/unloaded"
}

have_ended() { ! kill -0 "$client" "$loader" 2>/dev/null; }

for options in "" "-L"; do
	end=$((SECONDS + ${DURATION:-8}))
	# shellcheck disable=SC2086 # none, or one
	client $options &
	client=$!
	loader &
	loader=$!
	wait_until $((${DURATION:-8} + 130)) have_ended
	timeout -k 5 60 nbd-client -d /dev/nbd2 >/dev/null 2>&1 || true
	wait_until 20 is_idle /dev/nbd2
	settle
	modprobe nbd
	wait_until 60 rmmod nbd
	modprobe nbd
	settle
	connected=$(wc -l <"$TMP/connected") unloaded=$(wc -l <"$TMP/unloaded")
	note "$connected connects, $unloaded unloads with '$options'"
	if [ "$connected" -lt 2 ] || [ "$unloaded" -lt 2 ]; then
		fail "that proves nothing"
	fi
done
