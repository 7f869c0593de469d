#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Servers that disconnect, in the handshake or right after it, are tried again, but less and less
# often, and the keeper needs next to no CPU time for it.

. "$(dirname "$0")/lib/keeper.sh"

# tries: how often the server was connected to in 3 s; the first attempts are 0.1 s apart
tries() {
	local n

	sleep 3
	n=$(grep -c '^CONNECT' "$TMP/log")
	[ "$n" -ge 3 ] || fail "$1: only $n attempts"
	[ "$n" -le 7 ] || fail "$1: $n attempts"
}

serve evil-nbd --port @PORT@
began=$SECONDS
attach -C 1
for evil in close-greeting close-opened; do
	stop_server
	wait_until 20 is_state waiting
	rm -f "$TMP/log"
	again evil-nbd --port @PORT@ --log "$TMP/log" --evil "$evil"
	now
	tries "$evil"
done
stat=$(</proc/"$(keeper)"/stat)
read -r -a stat <<<"${stat##*) }"
# a hundred ticks are a second: a tenth of the time, however slow the kernel is
ticks=$((stat[11] + stat[12])) took=$((SECONDS - began))
[ "$ticks" -lt $((took * 10)) ] || fail "the keeper took $ticks ticks in $took seconds"
stop_server
again evil-nbd --port @PORT@
now
read_at 1
detach
