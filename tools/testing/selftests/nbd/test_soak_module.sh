#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The module is loaded and unloaded while disks are attached and detached, for DURATION seconds: it
# goes when none is attached, it stays when one is, and nobody hangs.

. "$(dirname "$0")/soak.sh"

serve_nbdkit memory 8M
end=$((SECONDS + ${DURATION:-15}))

# attacher N: until the end; a disk that is attached must be readable, so the module is there
attacher() {
	while [ "$SECONDS" -lt "$end" ]; do
		timeout -k 5 60 nbd-attach --no-reconnect "$URI" "/dev/nbd$1" >/dev/null 2>&1 || continue
		dd if="/dev/nbd$1" of=/dev/null bs=4k count=1 iflag=direct status=none || echo "read $1"
		timeout -k 5 60 nbd-detach "/dev/nbd$1" >/dev/null 2>&1 || nbd-detach --force "/dev/nbd$1"
		echo . >>"$TMP/attached"
	done >>"$TMP/bad" 2>&1
}

loader() {
	while [ "$SECONDS" -lt "$end" ]; do
		rmmod nbd 2>/dev/null && echo . >>"$TMP/unloaded"
		modprobe nbd 2>/dev/null || true
	done
}

tasks=()
attacher 3 &
tasks+=($!)
attacher 4 &
tasks+=($!)
loader &
tasks+=($!)
all_ended() { ! kill -0 "${tasks[@]}" 2>/dev/null; }
wait_until $((end - SECONDS + 200)) all_ended
[ ! -s "$TMP/bad" ] || fail "$(cat "$TMP/bad")"
settle
modprobe nbd
wait_until 60 rmmod nbd
modprobe nbd
attached=$(wc -l <"$TMP/attached") unloaded=$(wc -l <"$TMP/unloaded")
if [ "$attached" -lt 2 ] || [ "$unloaded" -lt 2 ]; then
	fail "$attached attaches, $unloaded unloads prove nothing"
fi
attach --no-reconnect
fails rmmod nbd
soaked "$attached attaches, $unloaded unloads"
