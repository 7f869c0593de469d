#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# One of four connections dies under load: the others carry it, the slot gets a new connection, and
# those three are the ones they were.

. "$(dirname "$0")/lib/keeper.sh"

requires fio
log=$TMP/log
serve evil-nbd --port @PORT@ --log "$log" --evil read-eof-payload --on READ --after 200
attach -C 4
before=$(ss -Htn state established "dport = :$PORT" | awk '{ print $3 }' | sort)
background fio fio --name=r --filename="$DEV" --direct=1 --ioengine=libaio --iodepth=16 \
	--rw=randread --bs=16k --offset=8M --size=16M --rate_iops=200 --time_based --runtime=5
wait_until 20 grep -q '^EVIL' "$log"
wait_until 20 are_established 4
ends fio 0
after=$(ss -Htn state established "dport = :$PORT" | awk '{ print $3 }' | sort)
same "$(comm -12 <(echo "$before") <(echo "$after") | wc -l)" 3 "connections that stayed"
same "$(nbd-info --json "$DEV" | jq -c '[.connections[].state]')" '["up","up","up","up"]' "slots"
detach
same "$(grep -c VIOLATION "$log" || true)" 0 "violations"
