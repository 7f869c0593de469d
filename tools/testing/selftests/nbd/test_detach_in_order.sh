#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The last that a server reads from a connection is the end of the stream, behind DISC. So it
# closes, and no connection has to be reset, though sixteen threads of nbdkit read from each. None
# is lost.

. "$(dirname "$0")/lib/lib.sh"

resets() { awk '$1 == "Tcp:" && $2 ~ /^[0-9]/ { print $15 }' /proc/net/snmp; }

serve_nbdkit -v memory 4M
attach -C 4
dd if="$DEV" of="$TMP/out" bs=64k count=16 iflag=direct status=none
before=$(resets)
detach
same "$(grep -c 'client sent NBD_CMD_DISC' "$SERVER_LOG")" 4 "connections that were ended"
same "$(($(resets) - before))" 0 "connections that were reset"
for _ in 1 2 3; do
	attach -C 4
	detach
done
same "$(klog | grep -c 'lost, error' || true)" 0 "connections that the log calls lost"
