#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A disk that is moved away from a server that does not flush, or stands still with a write in hand,
# waits for it, says so, and moves on with --force, or when its requests have a time-out. When such
# a server continues, its write comes before those that waited.

. "$(dirname "$0")/lib/keeper.sh"

requires nbdkit
left() { klog | grep -c "$1" || true; }
block() { head -c 64k /dev/zero | tr '\0' "$1"; }
write_at()
{
	block "$2" | dd of="$DEV" bs=64k count=1 seek="$1" iflag=fullblock oflag=direct status=none
}
held() { [ ! -e "$TMP/$1.rc" ] || fail "$1 has ended: $(<"$TMP/$1")"; }

truncate -s 8M "$TMP/image"
serve evil-nbd --port @PORT@ --size 8M --log "$TMP/log" --evil reply-none --on FLUSH --every
attach -C 4
settle
serve_nbdkit file "$TMP/image"
background adopt nbd-attach --adopt "$URI" "$DEV"
wait_until 20 are_established 4
background read read_at 5
sleep 20
held read
held adopt
matches "$(<"$TMP/adopt")" "waiting for replies and a flush.* on 4 connections" "message"
same "$(left 'waiting for a flush of the old server')" 4 "flushes that are waited for"
exits 0 nbd-attach --adopt --force "$URI" "$DEV"
ends read 0
ends adopt 0
cmp "$TMP/back" -n 65536 /dev/zero
same "$(grep -c ^FLUSH "$TMP/log")" 4 "flushes that were asked for"
same "$(left 'torn down without a flush')" 4 "flushes that were given up"
detach

# both servers have the same file
serve evil-nbd --port @PORT@ --log "$TMP/log" --image "$TMP/image"
old=$SERVER_PID
attach -C 2
settle
pause_server
background first write_at 9 a
sleep 1
serve_nbdkit file "$TMP/image"
rm "$TMP"/adopt*
background adopt nbd-attach --adopt "$URI" "$DEV"
wait_until 20 are_established 2
background second write_at 10 b
sleep 20
held first
held second
held adopt
same "$(left 'waiting for replies of the old server')" 1 "connections that are waited for"
kill -CONT "$old"
ends first 0
ends second 0
ends adopt 0
same "$(left 'without a reply')" 0 "requests that went to two servers"
write_at 9 c
stop_server "$old"
cmp <(block c) <(dd if="$TMP/image" bs=64k skip=9 count=1 status=none)
detach

# move ATTACH-OPTION... -- ADOPT-OPTION...: a write goes to the other server, whatever the old one
# does
move() {
	local options=()

	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	rm -f "$TMP"/third*
	serve evil-nbd --port @PORT@ --log "$TMP/log" --image "$TMP/image"
	old=$SERVER_PID
	attach -C 1 "${options[@]}"
	settle
	pause_server
	background third write_at 9 d
	sleep 1
	serve_nbdkit file "$TMP/image"
	exits 0 nbd-attach --adopt "$@" "$URI" "$DEV"
	ends third 0
	wait_until 20 moved
	stop_server "$old"
	detach
}
moves=0
moved() { [ "$(left 'conn 0: resending 1 requests without a reply')" -eq $((moves + 1)) ]; }
move -- --force
moves=1
move --timeout 5 --
