#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A server is killed while data are written, and started again on the same file, twice: nobody sees
# an error, what was written is in the file, and the keeper is gone with the disk.
# tags: kernel

. "$(dirname "$0")/lib/keeper.sh"

requires fio nbdkit
start() { again nbdkit -f -i 127.0.0.1 -p @PORT@ file "$TMP/image"; }

truncate -s 16M "$TMP/image"
_place
start
attach -C 2
pid=$(keeper)
same "$(cat "/proc/$pid/comm")" nbd-attach "the process in the background"
# which systemd spares at a change of the root and at shutdown
same "$(head -c 1 "/proc/$pid/cmdline")" @ "its mark"

background fio fio --name=w --filename="$DEV" --direct=1 --ioengine=libaio --iodepth=8 \
	--rw=randwrite --bs=32k --size=16M --rate_iops=100 --verify=crc32c \
	--verify_fatal=1 --do_verify=1
for _ in 1 2; do
	sleep 1.5
	stop_server
	wait_until 20 is_state waiting
	start
done
[ ! -e "$TMP/fio.rc" ] || fail "fio was done before the server was back"
ends fio 0
same "$(keeper)" "$pid" "the keeper"
cmp "$DEV" "$TMP/image"
detach
wait_until 20 test ! -e "/proc/$pid"
