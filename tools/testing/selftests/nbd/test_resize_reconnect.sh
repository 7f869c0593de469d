#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A server comes back with a larger export: the disk grows as soon as all connections are to the
# larger one, with an event for udev, and its new end is the file's. What a connection that is no
# more had said of the size does not count for the one after it, on another server.

. "$(dirname "$0")/lib/keeper.sh"

requires nbdkit ss
truncate -s 8M "$TMP/image"
_place
again nbdkit -f -i 127.0.0.1 -p @PORT@ file "$TMP/image"
attach -C 2
same "$(blockdev --getsize64 "$DEV")" 8388608 "size"
stop_server
truncate -s 12M "$TMP/image"
again nbdkit -f -i 127.0.0.1 -p @PORT@ file "$TMP/image"
wait_until 20 sh -c "[ \$(cat /sys/block/$DISK/size) = 24576 ]"
head -c 65536 /dev/urandom >"$TMP/data"
dd if="$TMP/data" of="$DEV" bs=64k seek=191 oflag=direct conv=notrunc,fsync status=none
cmp -n 65536 -i 0:12517376 "$TMP/data" "$TMP/image"

# received SLOT: bytes, by the driver; sockets: "port bytes", by the network
received() { nbd-info --json "$DEV" | jq ".connections[$1].bytes_received"; }
sockets() {
	ss -Htin state established "dport = :$PORT" |
		sed -n 'N; s/^[^:]*:\([0-9]*\) .*bytes_received:\([0-9]*\).*/\1 \2/p'
}

# port_of SLOT: it is the slot's that receives what the slot does
port_of() {
	local before all found

	# nobody else reads
	udevadm settle
	while :; do
		before=$(received "$1") all=$(sockets)
		read_at 0
		[ "$(received "$1")" -eq "$before" ] || break
	done
	found=$(comm -13 <(sort <<<"$all") <(sockets | sort) | cut -d' ' -f1)
	matches "$found" '^[0-9]+$' "the socket of slot $1"
	echo "$found"
}

reconnects() { nbd-info --json "$DEV" | jq ".connections[$1].reconnects"; }
has_reconnected() { [ "$(reconnects "$1")" -gt "$2" ] && are_established 2; }

# cut SLOT: its connection, which is made again
cut_slot() {
	local count

	count=$(reconnects "$1")
	cut_off "$(port_of "$1")"
	wait_until 20 has_reconnected "$1" "$count"
}

# the first slot knows a large export, which is left for one that is smaller
truncate -s 24M "$TMP/image"
cut_slot 0
same "$(blockdev --getsize64 "$DEV")" 12582912 "size with one of two connections"
truncate -s 12M "$TMP/other"
serve nbdkit -f -i 127.0.0.1 -p @PORT@ file "$TMP/other"
exits 0 nbd-attach --adopt "$URI" "$DEV"
truncate -s 32M "$TMP/other"
cut_slot 1
sleep 1
same "$(blockdev --getsize64 "$DEV")" 12582912 "size with one of two connections, after a move"
cut_slot 0
wait_until 20 sh -c "[ \$(cat /sys/block/$DISK/size) = 65536 ]"
detach
