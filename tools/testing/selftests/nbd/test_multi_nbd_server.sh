#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# nbd-server has a process for each connection. One of four is killed while data are written: nobody
# sees an error, the disk is live with three, and the image has all of it.

. "$(dirname "$0")/lib/lib.sh"

image=$TMP/image
truncate -s 24M "$image"
dd if=/dev/urandom of="$TMP/data" bs=1M count=12 status=none

serve_nbd_servers "$image" "flush = true"
attach -C 4 --no-reconnect
same "$(pgrep -P "$SERVER_PID" | wc -l)" 4 "processes of the server"
dd if="$TMP/data" of="$DEV" bs=512k seek=8 oflag=direct conv=notrunc,fsync status=none &
writer=$!
wait_until 20 grep -qE '^ +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+ +[1-9]' "/sys/block/$DISK/stat"
kill -9 "$(pgrep -P "$SERVER_PID" | head -n 1)"
wait "$writer"
same "$(nbd-info --json "$DEV" | jq -c '[.state, (.connections[] | select(.state == "up") | 1)]')" \
	'["live",1,1,1]' "state and connections"
detach
cmp -n 12582912 -i 4194304:0 "$image" "$TMP/data"
