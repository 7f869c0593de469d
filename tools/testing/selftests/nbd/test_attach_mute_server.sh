#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A server that takes the connection and then says nothing, at several points of the handshake, is
# given up after --connect-timeout with exit status 9, and the connection is closed.

. "$(dirname "$0")/lib/lib.sh"

dev=$(free_device)
for phase in greeting after-greeting go; do
	serve evil-nbd --port @PORT@ --log "$TMP/log" --evil "stall-$phase"
	start=$(date +%s%N)
	exits 9 within 20 nbd-attach --connect-timeout 2 "$URI" "$dev"
	took=$((($(date +%s%N) - start) / 1000000))
	[ "$took" -ge 1900 ] || fail "$phase: given up after $took ms already"
	[ "$took" -le 15000 ] || fail "$phase: given up after $took ms only"
	attached "$dev" && fail "$phase: $dev is attached"
	same "$(ss -Htn state established "dport = :$PORT")" "" "$phase: connections left"
	stop_server
done
