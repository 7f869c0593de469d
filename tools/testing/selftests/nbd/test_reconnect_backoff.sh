#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Servers that hang up, in the handshake or right after it, are tried again, but less and less often,
# and the keeper needs next to no processor time for it.

. "$(dirname "$0")/keeper.sh"

# tries: how often the server was connected to in 3 s; the first attempts are 0.1 s apart
tries() {
	local n

	sleep 3
	n=$(grep -c '^CONNECT' "$TMP/log")
	[ "$n" -ge 3 ] || fail "$1: only $n attempts"
	[ "$n" -le 7 ] || fail "$1: $n attempts"
}

serve evil-nbd --port @PORT@
attach -C 1
for evil in close-greeting close-opened; do
	stop_server
	wait_until 10 is_state waiting
	rm -f "$TMP/log"
	again evil-nbd --port @PORT@ --log "$TMP/log" --evil "$evil"
	now
	tries "$evil"
done
stat=$(</proc/"$(keeper)"/stat)
read -r -a stat <<<"${stat##*) }"
[ $((stat[11] + stat[12])) -lt 100 ] || fail "the keeper took $((stat[11] + stat[12])) ticks"
stop_server
again evil-nbd --port @PORT@
now
read_at 1
detach
