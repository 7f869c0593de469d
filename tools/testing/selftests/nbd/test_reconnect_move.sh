#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A disk that is written and read is moved to another server of the same file, and back: nothing
# fails, what is in the file is right, the old server is left with DISC, the keeper continues with
# the new one. A server that is not fit, or disconnects on one of the connections, changes nothing.

. "$(dirname "$0")/lib/keeper.sh"

requires fio nbdkit
truncate -s 8M "$TMP/image"
serve evil-nbd --port @PORT@ --log "$TMP/blue" --image "$TMP/image"
attach -C 2
blue=$SERVER_PID blue_port=$PORT pid=$(keeper)
# 13 seconds each time, as often as the moves take
writes() {
	until [ -e "$TMP/enough" ]; do
		fio --name=w --filename="$DEV" --direct=1 --ioengine=libaio --iodepth=8 \
			--rw=randwrite --bs=32k --size=8M --rate_iops=20 --verify=crc32c \
			--verify_fatal=1 --do_verify=1 ||
			return
	done
}

background fio writes
wait_until 60 grep -q ^WRITE "$TMP/blue"

serve_nbdkit memory 4M
exits 11 nbd-attach --adopt "$URI" "$DEV"
matches "$OUTPUT" "smaller" "message"
# one that disconnects on the second connection; not after its last word, which may be too late
serve evil-nbd --port @PORT@ --log "$TMP/none" --size 8M --evil close-info --after 1
fails nbd-attach --adopt "$URI" "$DEV"
same "$(ss -Htn state established "dport = :$blue_port" | wc -l)" 2 "connections to the old server"
matches "$(nbd-info --json "$DEV" | jq -r .uri)" ":$blue_port/" "the server that the driver names"
stop_server
serve_nbdkit --filter=log file "$TMP/image" logfile="$TMP/green"
exits 0 nbd-attach --adopt "$URI" "$DEV"
same "$(established)" 2 "connections to the new server"
same "$(nbd-info --json "$DEV" | jq -r .uri)" "$URI" "the server that the driver names"
wait_until 20 sh -c "[ \$(grep -c ^DISC '$TMP/blue') = 2 ]"
same "$(grep -cE 'VIOLATION|^EOF' "$TMP/blue" || true)" 0 "what the old server did not like"
wait_until 20 grep -q ' Write ' "$TMP/green"
stop_server "$blue"

same "$(keeper)" "$pid" "the keeper"
stop_server
wait_until 20 is_state waiting
again nbdkit -f -i 127.0.0.1 -p @PORT@ file "$TMP/image"
wait_until 20 are_established 2
touch "$TMP/enough"
ends fio 0
cmp "$DEV" "$TMP/image"
detach
