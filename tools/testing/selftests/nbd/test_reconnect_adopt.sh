#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A keeper is killed: the disk works on, and waits when the server is gone too. A new keeper, of
# which there can be one only, brings it back.

. "$(dirname "$0")/lib/keeper.sh"

serve evil-nbd --port @PORT@
attach -C 2
first=$(keeper)
exits 7 nbd-attach --adopt "$DEV"
matches "$OUTPUT" "$DEV.*process $first" "message"
kill -9 "$first"
read_at 1
stop_server
background read read_at 2
wait_until 20 is_state waiting
again evil-nbd --port @PORT@
sleep 1
same "$(state)" waiting "state without a keeper"

exits 0 nbd-attach --adopt "$DEV"
ends read 0
wait_until 20 are_established 2
[ "$(keeper)" != "$first" ] || fail "the keeper is the old one"
exits 7 nbd-attach --adopt "${DEV#/dev/}"
pid=$(keeper)
kill -TERM "$pid"
wait_until 20 test ! -e "/proc/$pid"
read_at 3
[ ! -e "/run/nbd-attach/$DISK.pid" ] || fail "the file of the keeper is left"
detach
exits 1 nbd-attach --adopt "$DEV"
