#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Requests are counted in flight while a server stands still and while none is there, with the age
# of the oldest; what was sent is counted across connections, and the error of the lost one is kept.

. "$(dirname "$0")/lib/keeper.sh"

log=$TMP/log
served() { cat "$log"* | grep -cE '^[A-Z_]+ [0-9]+ [0-9]+ .*conn='; }
list() { nbd-list --raw -nb -o "$1" "$DEV"; }
microseconds() { echo "${EPOCHREALTIME/[.,]/}"; }
in_flight() { [ "$(list INFLIGHT)" = 1 ]; }
# What dies with a connection is sent again by the other, which may be lost as well
resent() { echo $(($(klog | sed -n 's/.*resending \([0-9]*\) requests.*/\1/p' | paste -sd+))); }
loaded() { [[ $(list INFLIGHT,OLDEST) =~ ^1\ $1$ ]]; }
idle() { [ "$(list INFLIGHT,OLDEST)" = "0 " ]; }

_place
again evil-nbd --port @PORT@ --log "$log.1" --size 16M
attach -C 2
within 20 dd if="$DEV" of=/dev/null bs=64k count=32 iflag=direct status=none
settle
wait_until 20 idle
same "$(list REQUESTS,REPLIES,ERRORS,RECONNECTS,LAST-ERROR)" "$(served) $(served) 0 0 " "counters"
same "$(list SENT)" $((28 * $(served))) "bytes sent"
before=$(list RECEIVED)
[ "$before" -gt $((32 * 65536)) ] || fail "received $before bytes"

pause_server
start=$(microseconds)
background read read_at 99
wait_until 20 in_flight
seen=$(microseconds)
sleep 2
least=$(($(microseconds) - seen))
oldest=$(nbd-list --json -o OLDEST "$DEV" | jq '.devices[0].oldest_request * 1000000 | round')
most=$(($(microseconds) - start))
# it is given in milliseconds
if [ "$oldest" -lt $((least - 1000)) ] || [ "$oldest" -gt "$most" ]; then
	fail "oldest: $oldest, not from $least to $most"
fi
stop_server
wait_until 20 is_state waiting
sleep 3
loaded "([5-9]|[1-9][0-9]+)(\.[0-9]+)?s" || fail "oldest, parked: $(list INFLIGHT,OLDEST)"
read -r requests replies <<<"$(list REQUESTS,REPLIES)"
[ "$(resent)" -ge 1 ] || fail "nothing is to be resent"
same "$((requests - replies))" "$(resent)" "requests without a reply"

again evil-nbd --port @PORT@ --log "$log.2" --size 16M
ends read 0
wait_until 20 is_state live
settle
wait_until 20 idle
same "$(list RECONNECTS)" 2 "reconnects"
[ "$(list RECEIVED)" -gt "$before" ] || fail "the bytes of lost connections are forgotten"
same "$(list REQUESTS)" $(($(served) + $(resent))) "requests"
same "$(list REPLIES)" "$(served)" "replies"
error=$(klog | sed -n 's/.*conn [01]: lost, error -//p' | tail -n 1)
same "$(nbd-info --json "$DEV" | jq .last_error)" "$error" "last error"
matches "$(nbd-info --json "$DEV" | jq .last_error_age)" '^[3-9]|^[1-9][0-9]' \
	"age of the last error"
