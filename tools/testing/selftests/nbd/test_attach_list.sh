#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# nbd-list shows each disk as it was attached, and nothing that is not attached.

. "$(dirname "$0")/lib/lib.sh"

same "$(nbd-list)" "" "list when nothing is attached"
serve evil-nbd --port @PORT@ --log "$TMP/log1" --size 24M --block-size 512:65536:1048576
attach -C 3 -i "first one" -t 7.5 -T 90 -Q 32
one=$DEV first=$URI
serve_nbdkit -r memory 8M
attach --no-contexts
two=$DEV

list() { nbd-list --json --output "$1" | jq -c ".devices[] | select(.device == \"$2\")"; }

same "$(nbd-list --json | jq '.devices | length')" 2 "number of disks"
same "$(nbd-list --json | jq .version)" 1 "version of the names"
json=$(list NAME,SIZE,RO,CONN,STATE,IDENTIFIER,URI,TIMEOUT,DEAD-TIMEOUT "$one")
same "$json" "{\"device\":\"$one\",\"state\":\"live\",\"uri\":\"$first\",$(:
	)\"identifier\":\"first one\",\"size\":25165824,\"read_only\":false,$(:
	)\"request_timeout\":7.5,\"dead_timeout\":90,$(:
	)\"connections_total\":3,\"connections_up\":3}" "first disk"
json=$(list NAME,SIZE,RO,CONN,CONTEXTS,TIMEOUT "$two")
matches "$json" '"size":8388608,"read_only":true,"contexts":\[\],"request_timeout":null' \
	"second disk"
# all programs call a thing by the same name
all=$(nbd-list -o none 2>&1 | sed -n 's/^hint: //p' | tr ' ' ,)
moves='.openers, .in_flight, .oldest_request, .requests, .replies, .bytes_sent, .bytes_received'
list "$all" "$one" | jq -S "del($moves)" >"$TMP/list"
nbd-info --json "$one" |
	jq -S "del(.version, $moves, .connections, .gave_up, .structured)" >"$TMP/info"
diff "$TMP/list" "$TMP/info" || fail "nbd-list and nbd-info do not agree"
same "$(nbd-list -n -o BS-MIN,BS-PREF,BS-MAX,QDEPTH,CONTEXTS -b | grep 65536 | xargs)" \
	"512 65536 1048576 32 base:allocation" "block sizes"
matches "$(nbd-list -n -o NAME,TIMEOUT,DEAD-TIMEOUT)" "${one#/dev/} +7\.5.* 90" "times"
matches "$(nbd-list -n -o NAME,SIZE)" "${one#/dev/} +24M" "human-readable size"
line=$(nbd-list --raw -n -o +INDEX,CONTEXTS "$one")
same "$line" "${one#/dev/} 24M 0 3/3 live first\x20one $first ${one#/dev/nbd} base:allocation" \
	"raw line of one disk"
same "$(nbd-list -rnb -o name,size "$two" "$one")" \
	"${two#/dev/} 8388608"$'\n'"${one#/dev/} 25165824" "disks in the order of the command line"
same "$(nbd-list -J -o NAME "$two" | jq -c .devices)" "[{\"device\":\"$two\"}]" "JSON of one disk"
# all about one: like nbd-info, with a line for each connection
nbd-list -v "$one" >"$TMP/words"
nbd-info "$one" >"$TMP/info"
diff "$TMP/words" "$TMP/info" || fail "nbd-list -v and nbd-info do not agree"
peer=${first#nbd://} peer=${peer%/}
same "$(grep -cE "^ +[012] up +tcp +$peer( +[0-9]+){3}( +[0-9.]+[BKM]){2} +0 *$" "$TMP/words")" 3 \
	"connections"
matches "$(<"$TMP/words")" \
	"contexts:.*base:allocation.*in flight: [0-9]+.*since the attach: requests" \
	"all about a disk"
matches "$(nbd-list -vb "$one")" ' [0-9]{5,} ' "bytes"
same "$(nbd-list -v | grep -c '^nbd[0-9]*:$')" 2 "disks in words"
same "$(nbd-list -vJ "$one" | jq -c '.devices[].connections | map(.index)')" "[0,1,2]" "all members"
idle=$(free_device)
exits 1 nbd-list "$one" "$idle"
same "$OUTPUT" "nbd-list: $idle: not attached" "a list with a disk that is not attached"

# everybody may look, but not see what it is
shown=$(setpriv --reuid nobody --regid nogroup --clear-groups -- nbd-list)
matches "$shown" "${one#/dev/}" "list for nobody"
[[ $shown != *first* && $shown != *"$first"* ]] || fail "secrets for nobody: $shown"
