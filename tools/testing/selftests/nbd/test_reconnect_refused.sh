#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A server comes back with a smaller export, a read-only one, without structured replies, and
# without FLUSH: each is refused, with a line in the kernel's log and DISC, and what was asked for
# waits until the right export is there.

. "$(dirname "$0")/lib/keeper.sh"

serve evil-nbd --port @PORT@
attach -C 1 --dead-timeout forever
stop_server
background read read_at 100
wait_until 20 is_state waiting

# a further attempt comes to the same end, but is not complained of again
not_twice() {
	now
	wait_until 20 sh -c "[ \$(grep -c '^DISC' '$TMP/log') -ge 2 ]"
	same "$(klog | grep -c "nbd-attach: $DISK: .*smaller")" 1 "complaints of one cause"
}

# refused REASON ARGS...: the server that ARGS make
refused() {
	local reason=$1
	shift

	again evil-nbd --port @PORT@ --log "$TMP/log" "$@"
	now
	wait_klog 20 "nbd-attach: $DISK: .*$reason"
	wait_until 20 grep -q '^DISC' "$TMP/log"
	wait_klog 20 "$DISK: .*refused.*$reason"
	[ "$reason" != smaller ] || not_twice
	same "$(state)" waiting "state after: $reason"
	stop_server
}
refused "smaller" --size 32M
refused "read-only" --flags read-only
refused "header-mode" --flags no-structured
refused "relies on" --flags no-flush
[ ! -e "$TMP/read.rc" ] || fail "the read ended: $(<"$TMP/read")"

again evil-nbd --port @PORT@
now
ends read 0
python3 -c 'import struct,sys
for o in range(100 << 16, 101 << 16, 8): sys.stdout.buffer.write(struct.pack(">Q", o + 1))' |
	cmp - "$TMP/back"
detach
