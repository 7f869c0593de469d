#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Without a server requests wait as long as --dead-timeout says and then fail; off fails them at once.
# In both cases the disk works again when the server is back. (forever: test_reconnect_refused)

. "$(dirname "$0")/keeper.sh"

allow_klog "I/O error"
# failed MIN MAX: a read fails after so many ms
failed() {
	local start=${EPOCHREALTIME/./} took

	fails read_at 9
	matches "$OUTPUT" "Input/output error" "the read"
	took=$(((${EPOCHREALTIME/./} - start) / 1000))
	[ "$took" -ge "$1" ] || fail "failed after $took ms already"
	[ "$took" -le "$2" ] || fail "failed after $took ms only"
}
revived() {
	again evil-nbd --port @PORT@
	now
	wait_until 10 is_state live
	read_at 9
	detach
}

serve evil-nbd --port @PORT@
attach -C 1 --dead-timeout 3
stop_server
wait_until 2 is_state waiting
failed 500 6000
failed 0 2000
wait_klog 5 "$DISK: no longer waits"
revived

attach -C 1 --dead-timeout off
stop_server
wait_until 10 is_state waiting
failed 0 2000
revived
