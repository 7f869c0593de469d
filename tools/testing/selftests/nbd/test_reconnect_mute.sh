#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A server comes back, takes a connection, and says nothing: the keeper gives it up after
# --connect-timeout and tries again.

. "$(dirname "$0")/lib/keeper.sh"

serve evil-nbd --port @PORT@
attach -C 1 --connect-timeout 3
stop_server
background read read_at 7
again evil-nbd --port @PORT@ --log "$TMP/log" --evil stall-go --times 1
wait_klog 20 "nbd-attach: $DISK: .*too long"
ends read 0
same "$(grep -c ^STALL "$TMP/log")" 1 "how often the server was unresponsive"
detach
