#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The server dies just before the machine sleeps, and is back a moment after it woke: requests wait,
# none fails, and the time asleep does not count for the dead-connection timeout.

. "$(dirname "$0")/lib/suspend.sh"

requires nbdkit
start() { _launch nbdkit -f -i 127.0.0.1 -p "$PORT" file "$TMP/image"; }

truncate -s 64M "$TMP/image"
_place
start
attach -C 2 --dead-timeout 15
busy
stop_server
sleep_for 20
start
still_busy
klog | grep -q "$DISK: waiting" || fail "nobody noticed that the server was gone"
detach
