#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A disk by a vsock: what is written is read back and is at the server, its map is the server's, and
# the end of the server ends the connection and what waits for it.
# tags: kernel

. "$(dirname "$0")/lib/lib.sh"

requires nbdkit fio
modprobe vsock_loopback 2>/dev/null || skip "no vsock_loopback in this kernel"
truncate -s 16M "$TMP/image"
# the port, not the socket: there is no list of those who listen to vsocks in iproute2 of Debian 12
nbdkit -f --vsock -p 10999 -P "$TMP/pid" file "$TMP/image" </dev/null >"$TMP/log" 2>&1 &
defer _kill $!
server=$!
wait_until "$PATIENCE" test -s "$TMP/pid"

_pick_device
_tool nbd-attach --no-reconnect --vsock 1:10999 "$DEV"
same "$(nbd-info --json "$DEV" | jq -r '.connections[0].transport')" vsock "transport"
within 120 fio --name=w --filename="$DEV" --direct=1 --ioengine=libaio --iodepth=16 --rw=randrw \
	--bsrange=4k-256k --size=8M --verify=crc32c --verify_fatal=1 --do_verify=1 >"$TMP/fio" ||
	fail "$(tail -n 3 "$TMP/fio")"
sync "$DEV"
cmp "$DEV" "$TMP/image" || fail "wrong data"
nbd-map "$DEV" >"$TMP/map"
same "$(awk '{ n += $2 } END { print n }' "$TMP/map")" 16777216 "bytes in the map"

stop_server "$server"
wait_klog 20 "conn 0: lost"
fails within 20 dd if="$DEV" of=/dev/null bs=4k count=1 iflag=direct status=none
detach
