#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A server is killed while data are written and read, and started again on the same file, three
# times: nobody sees an error, what was written is in the file, and the process that reconnects is
# gone with the disk.

. "$(dirname "$0")/lib.sh"

requires fio nbdkit
keeper() { cat "/run/nbd-attach/$DISK.pid"; }
start() {
	_launch nbdkit -f -i 127.0.0.1 -p "$PORT" file "$TMP/image"
}

truncate -s 64M "$TMP/image"
_place
start
attach -C 2
pid=$(keeper)
same "$(cat "/proc/$pid/comm")" nbd-attach "the process in the background"

fio --name=w --filename="$DEV" --direct=1 --ioengine=libaio --iodepth=16 --rw=randwrite --bs=16k \
	--size=64M --verify=crc32c --verify_fatal=1 --do_verify=1 --output="$TMP/fio" >/dev/null 2>&1 &
fio=$!
for _ in 1 2 3; do
	sleep 1
	stop_server
	sleep 0.2
	start
done
wait "$fio" || fail "fio: $(tail -n 5 "$TMP/fio")"
same "$(keeper)" "$pid" "the process in the background"
cmp "$DEV" "$TMP/image"
detach
[ ! -e "/proc/$pid" ] || fail "process $pid is there after the detach"
