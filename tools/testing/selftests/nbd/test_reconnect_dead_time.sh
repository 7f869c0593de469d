#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Without a server requests wait as long as --dead-timeout says and then fail; off fails them at
# once. In both cases the disk works again when the server is back. (forever:
# test_reconnect_refused)

. "$(dirname "$0")/lib/keeper.sh"

allow_klog "I/O error"
in_flight() { ! grep -qx ' *0 *0' "/sys/block/$DISK/inflight"; }
ms() { echo $((${EPOCHREALTIME/./} / 1000)); }
is_read_error() { matches "$1" "Input/output error" "the read"; }

# held MIN MAX: a read that is in flight when the server goes fails so many ms later
held() {
	local start took

	pause_server
	background read read_at 9
	wait_until 20 in_flight
	start=$(ms)
	stop_server
	ends read 1
	took=$(($(ms) - start))
	is_read_error "$(<"$TMP/read")"
	[ "$took" -ge "$1" ] || fail "failed after $took ms already"
	[ "$took" -le "$2" ] || fail "failed after $took ms only"
}
# at_once: a read fails, and does not wait for it
at_once() {
	local start took

	start=$(ms)
	fails read_at 9
	took=$(($(ms) - start))
	is_read_error "$OUTPUT"
	[ "$took" -le 8000 ] || fail "failed after $took ms only"
}
revived() {
	again evil-nbd --port @PORT@
	now
	wait_until 20 is_state live
	read_at 9
	detach
}

serve evil-nbd --port @PORT@
attach -C 1 --dead-timeout 10
held 10000 40000
at_once
wait_klog 20 "$DISK: dead-connection timeout expired"
revived

attach -C 1 --dead-timeout off
stop_server
wait_until 20 is_state waiting
at_once
revived
