#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# By default there are as many connections as CPUs, at most four; -C 1 makes one; where the
# server is unresponsive on the second, auto continues with one, and a number is an error.
# tags: smp

. "$(dirname "$0")/lib/lib.sh"

log=$TMP/log
want=$(nproc)
[ "$want" -le 4 ] || want=4
serve evil-nbd --port @PORT@ --log "$log"
attach
same "$(grep -c '^GO ' "$log")" "$want" "connections by default"
same "$(ss -Htn state established "dport = :$PORT" | wc -l)" "$want" "sockets"
detach
attach -C 1
same "$(grep -c '^GO ' "$log")" $((want + 1)) "connections in all"
detach
stop_server

[ "$want" -gt 1 ] || exit 0
serve evil-nbd --port @PORT@ --log "$log" --evil second-mute
dev=$(free_device)
exits 9 within 30 nbd-attach --connect-timeout 2 -C 2 "$URI" "$dev"
attached "$dev" && fail "$dev is attached"
stop_server
serve evil-nbd --port @PORT@ --log "$log" --evil second-mute
attach --connect-timeout 2
same "$(cat "/sys/block/$DISK/size")" 131072 "sectors"
same "$(nbd-info --json "$DEV" | jq -c '.connections | map(.state)')" '["up"]' "connections"
