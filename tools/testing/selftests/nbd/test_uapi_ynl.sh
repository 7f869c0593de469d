#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The kernel's own YAML netlink tool, that knows nothing but the spec, controls a device: what it
# shows, hears, resizes and is refused is what the server and sysfs say.

. "$(dirname "$0")/lib/lib.sh"

requires_nbdctl
requires python3 jq evil-nbd
ynl=${YNL:-$HERE/../ynl/cli.py}
[ -r "$ynl" ] || skip "no kernel's ynl/cli.py"
spec=${SPECS:-$HERE/../netlink/specs}/nbdctl.yaml

cli() { python3 "$ynl" --spec "$spec" --no-schema --output-json "$@"; }

# show FILTER: of the device, by jq
show() { jq -r "$1" <<<"$OUTPUT"; }

serve evil-nbd --port @PORT@ --size 16M --context base:allocation --context test:a \
	--log "$TMP/evil.log"
# an event comes to who has subscribed; it is seen when the sleep is over
python3 "$ynl" --spec "$spec" --no-schema --output-json --subscribe events --sleep 8 \
	>"$TMP/events" &
listener=$!
wait_until 60 grep -q nanosleep "/proc/$listener/wchan"
attach
index=${DISK#nbd}
wait "$listener"
same "$(jq -r '.[] | .name + " " + (.msg.index | tostring)' "$TMP/events")" \
	"attached-event $index" "event"

# the spec keeps the kernel's schema
_run python3 "$ynl" --spec "$spec" --schema "${spec%/specs/*}/genetlink.yaml" --output-json \
	--do driver-get
same "$(show '.features | sort | join(" ")')" "block-status events resize slot-replace" features
same "$(show '."header-modes" | sort | join(" ")')" "simple structured" "header modes"
same "$(show '."max-slots"')" 128 "most slots"

_run cli --do device-get --json "{\"index\": $index}"
same "$(show .state)" live "state"
same "$(show .size)" "$(blockdev --getsize64 "$DEV")" "size"
same "$(show '."header-mode"')" structured "header mode"
same "$(show '.slot[0].state + " " + .slot[0].transport')" "up tcp" "slot"
matches "$(show '.display')" "$PORT" "what to show people"
# names and ids, as the server gave them
for i in $(seq 0 $(($(show '.context | length') - 1))); do
	name=$(show ".context[$i].name")
	id=$(show ".slot[0].\"context-id\"[] | select(.context == $i) | .id")
	grep -qE "^CONTEXT $name id=(0x0*$(printf %x "$id")|$id) " "$TMP/evil.log" ||
		fail "the server knows no $name with id $id: $(grep CONTEXT "$TMP/evil.log")"
done
dumped=$(cli --dump device-get | jq -c ".[] | select(.index == $index) | .display")
same "$dumped" "$(show .display | jq -R -c .)" "display in the dump"

_run cli --do resize --json "{\"index\": $index, \"size\": 8388608}"
same "$(blockdev --getsize64 "$DEV")" 8388608 "size after the resize"

exits 1 cli --do resize --json "{\"index\": $index, \"size\": 100}"
matches "$OUTPUT" "size: less than one block" "refusal"
matches "$OUTPUT" "Invalid argument" "refusal"
matches "$OUTPUT" "bad-attr.*[.]size" "the attribute that is to blame"
exits 1 cli --do attach --json '{"index": 3}'
matches "$OUTPUT" "slot: required" "refusal"

settle
_run cli --do detach --json "{\"index\": $index}"
attached "$DEV" && fail "$DEV is still attached"
grep -q '^DISC' "$TMP/evil.log"
