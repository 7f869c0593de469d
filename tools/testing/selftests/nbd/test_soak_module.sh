#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The module is loaded and unloaded while disks are attached and detached, for DURATION seconds: it
# goes when none is attached, it stays when one is, and nobody hangs.
# tags: smp

. "$(dirname "$0")/lib/soak.sh"

serve_nbdkit memory 8M
end=$((SECONDS + ${DURATION:-5}))
touch "$TMP/attached" "$TMP/unloaded"

# twice FILE: it has two lines
twice() { [ "$(wc -l <"$1")" -ge 2 ]; }

# until the end; a minute longer if the module could not go twice, or was never there long enough
lasts() {
	[ "$SECONDS" -lt "$end" ] && return
	[ "$SECONDS" -lt $((end + 60)) ] && ! { twice "$TMP/attached" && twice "$TMP/unloaded"; }
}

# attacher N: a disk that is attached must be readable, so the module is there
attacher() {
	while lasts; do
		timeout -k 5 60 nbd-attach --no-reconnect "$URI" "/dev/nbd$1" >/dev/null 2>&1 ||
			continue
		dd if="/dev/nbd$1" of=/dev/null bs=4k count=1 iflag=direct status=none ||
			echo "read $1"
		timeout -k 5 60 nbd-detach "/dev/nbd$1" >/dev/null 2>&1 ||
			nbd-detach --force "/dev/nbd$1"
		echo . >>"$TMP/attached"
		# so that there are times when none is attached
		rnd 0 1000
		nap_ms "$N"
	done >>"$TMP/bad" 2>&1
}

loader() {
	while lasts; do
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
wait_until $((end - SECONDS + 260)) all_ended
[ ! -s "$TMP/bad" ] || fail "$(cat "$TMP/bad")"
settle
modprobe nbd
wait_until 60 rmmod nbd
modprobe nbd
attached=$(wc -l <"$TMP/attached") unloaded=$(wc -l <"$TMP/unloaded")
if ! twice "$TMP/attached" || ! twice "$TMP/unloaded"; then
	fail "$attached attaches, $unloaded unloads prove nothing"
fi
attach --no-reconnect
fails rmmod nbd
soaked "$attached attaches, $unloaded unloads"
