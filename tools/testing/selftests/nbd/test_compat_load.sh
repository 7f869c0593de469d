#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The module is loaded and unloaded while nbd-client connects and disconnects, for DURATION seconds:
# the module goes when no disk is attached, and nothing hangs. A program that asks for either
# netlink family has it loaded.
# tags: smp

. "$(dirname "$0")/lib/compat.sh"

requires_nbd
requires nbd-client
serve_nbdkit memory 8M
settle

# twice FILE: two lines or more
twice() { [ "$(wc -l <"$1")" -ge 2 ]; }

# until the end; a minute longer if either could not do it twice
lasts() {
	[ "$SECONDS" -lt "$end" ] || { [ "$SECONDS" -lt $((end + 60)) ] &&
		! { twice "$TMP/connected" && twice "$TMP/unloaded"; }; }
}

client() {
	while lasts; do
		timeout -k 5 60 nbd-client 127.0.0.1 "$PORT" /dev/nbd2 "$@" || continue
		echo . >>"$TMP/connected"
		timeout -k 5 60 nbd-client -d /dev/nbd2 || true
		# so that there are times when it is not attached
		_nap "0.$((RANDOM % 4))"
	done >"$TMP/client.log" 2>&1
}

loader() {
	while lasts; do
		rmmod nbd 2>/dev/null && echo . >>"$TMP/unloaded"
		modprobe nbd 2>/dev/null || true
		_nap 0.2
	done
}

have_ended() { ! kill -0 "$client" "$loader" 2>/dev/null; }

for options in "" "-L"; do
	end=$((SECONDS + ${DURATION:-6}))
	: >"$TMP/connected"
	: >"$TMP/unloaded"
	# shellcheck disable=SC2086 # none, or one
	client $options &
	client=$!
	loader &
	loader=$!
	wait_until $((end - SECONDS + 200)) have_ended
	timeout -k 5 60 nbd-client -d /dev/nbd2 >/dev/null 2>&1 || true
	wait_until 20 is_idle /dev/nbd2
	settle
	modprobe nbd
	wait_until 60 rmmod nbd
	modprobe nbd
	settle
	note "with '$options':" \
		"$(wc -l <"$TMP/connected") connects, $(wc -l <"$TMP/unloaded") unloads"
	if ! twice "$TMP/connected" || ! twice "$TMP/unloaded"; then
		fail "that proves nothing"
	fi
done

for family in nbd nbdctl; do
	wait_until 60 rmmod nbd
	fails test -e /sys/module/nbd
	genl ctrl get name "$family" >/dev/null
	[ -e /sys/module/nbd ] || fail "the module was not loaded for the family $family"
	settle
done
