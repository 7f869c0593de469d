#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A server, or a network, that stands still for a while costs each connection its life, one after
# the other, and no request: what was moved from one to the next is executed when it continues. A
# server that never answers one request fails it after the dead-connection timeout. No READ asks for
# DF for that.

. "$(dirname "$0")/lib/keeper.sh"

requires tc
allow_klog "I/O error"
log=$TMP/log

# held SECONDS CONNECTIONS COMMAND...: is in flight while the server is stopped for so long
held() {
	local seconds=$1 connections=$2
	shift 2

	attach -C "$connections" --timeout 3 --dead-timeout forever
	settle
	pause_server
	background io "$@"
	sleep "$seconds"
	[ ! -e "$TMP/io.rc" ] || fail "$* has ended: $(<"$TMP/io")"
	resume_server
	ends io 0
	detach
}
write_at() { dd if=/dev/zero of="$DEV" bs=64k count=1 seek="$1" oflag=direct status=none; }
readers() {
	local i pids=()

	for i in 1 2 3 4; do
		dd if="$DEV" of=/dev/null bs=64k count=1 skip="$i" iflag=direct status=none &
		pids+=($!)
		sleep 0.6
	done
	wait "${pids[0]}" && wait "${pids[1]}" && wait "${pids[2]}" && wait "${pids[3]}"
}

serve evil-nbd --port @PORT@ --log "$log"
held 15 4 read_at 100
rm "$TMP"/io*
held 25 8 write_at 100

rm "$TMP"/io*
attach -C 4 --peer-timeout 4 --dead-timeout forever
settle
tc qdisc add dev lo root netem loss 100% || skip "no netem"
defer eval "tc qdisc del dev lo root 2>/dev/null || true"
background io readers
sleep 12
tc qdisc del dev lo root
ends io 0
detach
stop_server
same "$(grep -cE 'VIOLATION|^READ.* df' "$log" || true)" 0 "what the server did not like"

serve evil-nbd --port @PORT@ --log "$log" --evil reply-none --on READ --at 6553600 --every
attach -C 4 --timeout 2 --dead-timeout 9
settle
start=$SECONDS
fails read_at 100
matches "$OUTPUT" "Input/output error" "a read that is never answered"
[ $((SECONDS - start)) -ge 10 ] || fail "it was tried for $((SECONDS - start)) s only"
wait_klog 1 "READ 6553600\+65536 failed: no server replied to it in time"
wait_until 20 is_state live
read_at 99
detach
same "$(grep -cE 'VIOLATION|^READ.* df' "$log" || true)" 0 "what the server did not like"
