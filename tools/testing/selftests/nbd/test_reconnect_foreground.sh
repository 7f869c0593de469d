#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# nbd-attach --foreground tells a service manager when the disk is usable, and how it is; SIGTERM
# ends it and not the disk; started again it finds the disk; it ends in good order with the disk.

. "$(dirname "$0")/lib/keeper.sh"

python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True: print(s.recv(4096).decode(), flush=True)' "$TMP/notify" >"$TMP/said" &
defer _kill $!
wait_until 20 test -S "$TMP/notify"
serve evil-nbd --port @PORT@ --log "$TMP/log"
_pick_device
export NOTIFY_SOCKET=$TMP/notify
background first nbd-attach --foreground -C 2 "$URI" "$DEV"
wait_until 30 grep -q READY=1 "$TMP/said"
same "$(blockdev --getsize64 "$DEV")" 67108864 "size of the disk that is ready"
read_at 2
grep -q 'STATUS=live, 2 of 2 connections' "$TMP/said" || fail "said: $(<"$TMP/said")"
pid=$(keeper)
same "$(sed -n 's/^MAINPID=//p' "$TMP/said")" "$pid" "the process that is the service"
kill -TERM "$pid"
ends first 0
grep -q STOPPING=1 "$TMP/said" || fail "said: $(<"$TMP/said")"
read_at 3
same "$(grep -c '^GO' "$TMP/log")" 2 "connections"

: >"$TMP/said"
background second nbd-attach --foreground "$URI" "$DEV"
wait_until 30 grep -q READY=1 "$TMP/said"
same "$(grep -c '^GO' "$TMP/log")" 2 "connections"
stop_server
wait_until 20 grep -q 'STATUS=waiting, 0 of 2 connections' "$TMP/said"
again evil-nbd --port @PORT@
read_at 4
unset NOTIFY_SOCKET
exits 7 nbd-attach --foreground "$URI" "$DEV"
matches "$OUTPUT" "process $(keeper)" "message"
detach
ends second 0
