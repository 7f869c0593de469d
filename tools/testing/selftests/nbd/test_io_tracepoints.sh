#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Each tracepoint fires for one read, with the numbers that the server has seen, and for the states;
# the one for a request's payload for a write.

. "$(dirname "$0")/lib/lib.sh"

requires evil-nbd
log=$TMP/log
tracefs=/sys/kernel/tracing
[ -w "$tracefs/events/nbd/enable" ] || skip "no tracefs"

serve evil-nbd --port @PORT@ --log "$log"
attach -C 1
: >"$tracefs/trace"
echo 1 >"$tracefs/events/nbd/enable"
defer sh -c "echo 0 >$tracefs/events/nbd/enable"
within 20 dd if="$DEV" of=/dev/null bs=64k count=1 skip=128 iflag=direct status=none
within 20 dd if=/dev/zero of="$DEV" bs=4k count=1 seek=3 oflag=direct conv=nocreat,notrunc \
	status=none
minor=$(cut -d: -f2 "/sys/block/$DISK/dev")
detach
trace=$(grep -v '^#' "$tracefs/trace")

grep -q '^READ 8388608 65536 conn=1' "$log" || fail "the server saw no such read"
sent=$(grep 'nbd_send:.* READ 8388608+65536 flags 0x0 ' <<<"$trace") || fail "nbd_send: $trace"
cookie=${sent##*cookie }
grep -q "nbd_reply: .* type 0x1 flags 0x1 error 0 payload 65544 cookie $cookie" <<<"$trace" ||
	fail "nbd_reply: $trace"
grep -q "nbd_chunk: .* content 8388608+65536 cookie $cookie" <<<"$trace" ||
	fail "nbd_chunk: $trace"
grep -q "nbd_done: 43,$minor: cookie $cookie error 0 status 0" <<<"$trace" ||
	fail "nbd_done: $trace"
# those of the kernel's own driver, with the handle of the same request
hex=$(printf '0x%016x' "$cookie")
for event in header_sent header_received payload_received; do
	grep -q "nbd_$event: .* handle $hex" <<<"$trace" || fail "nbd_$event: $trace"
done
sent=$(grep 'nbd_send:.* WRITE 12288+4096 ' <<<"$trace") || fail "nbd_send of the write: $trace"
hex=$(printf '0x%016x' "${sent##*cookie }")
grep -q "nbd_payload_sent: .* handle $hex" <<<"$trace" || fail "nbd_payload_sent: $trace"
grep -q "nbd_send_request: $DISK: request" <<<"$trace" || fail "nbd_send_request: $trace"
# live 2, draining 4, dead 5: enum nbdctl_state
same "$(grep -o 'state [0-9] -> [0-9]' <<<"$trace" | paste -sd,)" "state 2 -> 4,state 4 -> 5" \
	"nbd_state"
