#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A name has two addresses, with two servers whose exports differ in nothing but content: all
# connections of a disk are to one of them. While one of those works, a lost one is not made to the
# other server either; when none does, it may be.

. "$(dirname "$0")/lib/names.sh"

requires cmp setpriv
truncate -s 8M "$TMP/left" "$TMP/right"
serve_at 10.9.0.1 file "$TMP/left"
serve_at 10.9.0.2 file "$TMP/right"
name_host 10.9.0.1 10.9.0.2

# which NAME has what was written to the disk, if any
holds() { cmp -s -n 8388608 "$TMP/$1" "$DEV"; }

# with --adopt, which negotiates like an attach, too
attach -C 4
dd if=/dev/urandom of="$DEV" bs=64k count=128 oflag=direct conv=fsync status=none
for _ in 1 2 3; do
	first=$(peers)
	matches "$first" "^10\.9\.0\.[12]:$PORT$" "the servers of all connections"
	same "$(nbd-info --json "$DEV" | jq -r '[.connections[].peer] | unique | .[]')" "$first" \
		"what the driver tells"
	[ "$first" != "10.9.0.1:$PORT" ] || holds left || fail "the disk is not what the server has"
	[ "$first" != "10.9.0.2:$PORT" ] || holds right ||
		fail "the disk is not what the server has"
	cat "$DEV" >"$TMP/all"
	dd if="$TMP/all" of="$TMP/left" conv=notrunc status=none
	dd if="$TMP/all" of="$TMP/right" conv=notrunc status=none
	exits 0 nbd-attach --adopt "$URI" "$DEV"
	# those to the old server end by themselves
	wait_until 20 are_established 4
done

same "$(setpriv --reuid 65534 --regid 65534 --clear-groups nbd-info --json "$DEV" |
	jq -r '[.connections[].peer] | unique | .[]')" null "what the driver tells nobody"

# one connection after the other is cut, and made again where the others are
first=$(peers)
for _ in 1 2 3 4; do
	cut_off "$(ports | head -n 1)"
	wait_until 20 are_established 4
	same "$(peers)" "$first" "the servers of all connections"
done

# the server is gone for good: the other one is taken, by all
other=10.9.0.1:$PORT
[ "$first" != "$other" ] || other=10.9.0.2:$PORT
stop_at "${first%:*}"
wait_until 30 are_established 4
same "$(peers)" "$other" "the servers of all connections"
detach
