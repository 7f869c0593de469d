#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# NBD_CMD_DISCONNECT while a detach waits for a server that does not reply to its flush, and about
# when that is called off: either way the disk gets detached.

. "$(dirname "$0")/lib/compat.sh"

requires_nbd
requires nbd-client

# disconnect_after SECONDS: detach for one second, and disconnect meanwhile; sets RC to the status
# of nbd-detach
disconnect_after() {
	serve evil-nbd --port @PORT@ --size 16M --evil reply-none --on FLUSH
	attach -C 1 --timeout 60
	settle
	nbd-detach --timeout 1 "$DEV" &
	sleep "$1"
	within 30 nbd-client -d "$DEV" || fail "nbd-client -d: exit status $?"
	RC=0
	wait $! || RC=$?
	wait_until 30 is_idle "$DEV"
}

disconnect_after 0.5
[ "$RC" -eq 0 ] || fail "nbd-detach: exit status $RC"
wait_klog 5 "disconnected without a flush"
for after in 0.9 0.98 1 1.02; do
	disconnect_after "$after"
	[ "$RC" -eq 0 ] || [ "$RC" -eq 9 ] || fail "nbd-detach: exit status $RC"
done
