#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The attributes in sysfs are there while a disk is attached, those of statistics for everybody, and
# are what the server, the kernel log and the block layer say, across a reconnect, too.
# tags: kernel

. "$(dirname "$0")/lib/keeper.sh"

log=$TMP/log
stats=
value() { echo "$(<"$stats/$1")"; }
is() { [ "$(value "$1")" = "$2" ]; }
is_old() { [ "$(value oldest_ms)" -ge 1000 ]; }
served() { cat "$log"* | grep -cE '^[A-Z_]+ [0-9]+ [0-9]+ .*conn='; }

_place
again evil-nbd --port @PORT@ --log "$log.1" --size 16M
attach -C 2
stats=/sys/block/$DISK/nbd
within 20 dd if="$DEV" of=/dev/null bs=64k count=32 iflag=direct status=none
settle
same "$(value state) $(value connections) $(value connections_up)" "live 2 2" "state"
same "$(value reconnects) $(value last_error) $(value errors)" "0 0 0" "troubles"
same "$(value requests) $(value replies)" "$(served) $(served)" "requests and replies"
same "$(value bytes_sent)" $((28 * $(served))) "bytes sent"
[ "$(value bytes_received)" -gt $((32 * 65536)) ] || fail "received $(value bytes_received) bytes"
same "$(value display)" "$URI" "display"
same "$(stat -c %a "$stats/display")" 400 "mode of display"
same "$(stat -c %a "$stats"/[!d]* | sort -u)" 444 "modes"
same "$(setpriv --reuid nobody --regid nogroup --clear-groups -- cat "$stats/state")" live \
	"for nobody"

pause_server
background read read_at 99
wait_until 20 is_old
stop_server
wait_until 20 is state waiting
same "$(value connections) $(value connections_up)" "2 0" "connections without a server"
again evil-nbd --port @PORT@ --log "$log.2" --size 16M
ends read 0
wait_until 20 is connections_up 2
settle
wait_until 20 is oldest_ms 0
same "$(value reconnects) $(value state)" "2 live" "after the reconnect"
# what died with the first server, usually one request, is in the log of the second only
resent=$(klog | sed -n 's/.*resending \([0-9]*\) requests.*/\1/p' | paste -sd+)
[ $((resent)) -ge 1 ] || fail "nothing was resent"
same "$(value requests) $(value replies)" "$(($(served) + resent)) $(served)" "of both servers"
same "$(value last_error)" "$(klog | sed -n 's/.*conn [01]: lost, error -//p' | tail -n 1)" \
	"last error"

# with the disk they go, and the next one begins at 0
detach
[ ! -e "/sys/block/$DISK/pid" ] || fail "pid is there"
same "$(ls "$stats" 2>/dev/null)" "" "statistics of what is not attached"
attach
stats=/sys/block/$DISK/nbd
settle
same "$(value reconnects) $(value last_error)" "0 0" "the next disk"
