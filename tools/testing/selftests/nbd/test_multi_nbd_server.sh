#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# nbd-server has a process for each connection. One of four is killed while data are written: nobody
# sees an error, the disk is live with three, and the image has all of it.

. "$(dirname "$0")/lib.sh"

image=$TMP/image
truncate -s 24M "$image"
dd if=/dev/urandom of="$TMP/data" bs=1M count=12 status=none

PORT=$(_free_port)
SOCKET=
URI=nbd://127.0.0.1:$PORT/disk
printf '%s\n' "[generic]" "listenaddr = 127.0.0.1" "port = $PORT" "[disk]" "exportname = $image" \
	"flush = true" >"$TMP/conf"
# as a daemon: in the foreground it has no children
nbd-server -C "$TMP/conf" -p "$TMP/pid" </dev/null >"$TMP/log" 2>&1
wait_until 10 test -s "$TMP/pid"
defer eval "kill \$(<'$TMP/pid')"
wait_until 10 _listening

attach -C 4 --no-reconnect
same "$(pgrep -P "$(<"$TMP/pid")" | wc -l)" 4 "processes of the server"
dd if="$TMP/data" of="$DEV" bs=512k seek=8 oflag=direct conv=notrunc,fsync status=none &
writer=$!
wait_until 20 grep -qE '^ +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+ +[1-9]' "/sys/block/$DISK/stat"
kill -9 "$(pgrep -P "$(<"$TMP/pid")" | head -n 1)"
wait "$writer"
same "$(nbd-info --json "$DEV" | jq -c '[.state, (.connections[] | select(.state == "up") | 1)]')" \
	'["live",1,1,1]' "state and connections"
detach
cmp -n 12582912 -i 4194304:0 "$image" "$TMP/data"
