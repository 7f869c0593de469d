#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A server that is being shut down refuses requests: whatever leads to it is closed in order, so
# that it ends, and what it refused is carried out when it is back. A server that refuses for ever
# fails that request after the dead-connection timeout, and nothing else.

. "$(dirname "$0")/lib/keeper.sh"

requires nbdkit
allow_klog "I/O error"
gone() { ! kill -0 "$SERVER_PID" 2>/dev/null; }
start() { again nbdkit -f -i 127.0.0.1 -p @PORT@ memory 8M; }
reads() {
	until [ -e "$TMP/enough" ]; do
		dd if="$DEV" of=/dev/null bs=4k count=100 iflag=direct status=none || return
	done
}
violations() { grep -c VIOLATION "$TMP/log" || true; }

_place
start
attach -C 16
settle
background reads reads
for _ in 1 2; do
	sleep 0.5
	kill -TERM "$SERVER_PID"
	wait_until 30 gone
	start
	wait_until 30 is_state live
done
touch "$TMP/enough"
ends reads 0
same "$(klog | grep -c 'without a flush' || true)" 0 "flushes that a leaving server was asked for"
detach
stop_server

# each of eight connections, and each new one, for six seconds
serve evil-nbd --port @PORT@ --log "$TMP/log" --evil read-eshutdown --at 6553600 --every
attach -C 8 --dead-timeout forever
settle
background read read_at 100
wait_until 20 grep -q '^EVIL' "$TMP/log"
sleep 6
[ ! -e "$TMP/read.rc" ] || fail "the read has ended: $(<"$TMP/read")"
stop_server
same "$(violations)" 0 "what the server did not like"
again evil-nbd --port @PORT@
ends read 0
detach
stop_server

serve evil-nbd --port @PORT@ --log "$TMP/log" --evil read-eshutdown --at 6553600 --every
# longer than the keeper's longest pause, so that the time of the request ends first
attach -C 2 --dead-timeout 20
settle
start=$SECONDS
fails read_at 100
matches "$OUTPUT" "Input/output error" "a read that is always refused"
[ $((SECONDS - start)) -ge 19 ] || fail "it was refused for $((SECONDS - start)) s only"
wait_klog 1 "READ 6553600\+65536 failed: no server replied to it in time"
wait_until 20 is_state live
read_at 5
detach
same "$(violations)" 0 "what the server did not like"
