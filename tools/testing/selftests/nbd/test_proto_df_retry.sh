#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A READ that kills each connection it is sent on is sent five times, then fails, and nothing else
# does; after the first time with DF, as it was alone, if the server has that. A server that refuses
# DF, of any READ or of long ones, gets it again without, and no other one on that connection.

. "$(dirname "$0")/lib/keeper.sh"

allow_klog "I/O error"
log=$TMP/log
good()
{
	dd if="$DEV" of="$TMP/good$1" bs=64k count=1 skip="$((300 + $1))" iflag=direct status=none
}
# runs: each line once, after how often it came, as one word
runs() { uniq -c | sed 's/^ *//' | paste -sd,; }

# bad SERVER-OPTION...: what a server that disconnects on one sector gets to see of it
bad() {
	serve evil-nbd --port @PORT@ --log "$log" "$@" \
		--evil read-eof-payload --on READ --at 16777216 --every
	attach -C 1
	settle
	fails dd if="$DEV" of=/dev/null bs=64k count=1 skip=256 iflag=direct status=none
	matches "$OUTPUT" "Input/output error" "the bad sector"
	wait_klog 1 "READ 16777216\+65536 failed: each connection that carried it was lost"
	within 20 dd if="$DEV" of=/dev/null bs=64k count=1 skip=300 iflag=direct status=none
	detach
	stop_server
	grep '^READ 16777216 65536' "$log" | sed 's/ conn=.*//' | runs
}

same "$(bad)" "1 READ 16777216 65536,4 READ 16777216 65536 df" "with DF"
same "$(bad --flags no-df)" "5 READ 16777216 65536" "without DF"

# refused EINVAL|EOVERFLOW TIMES: connections die of a read of 256 KiB, now and then
refused() {
	serve evil-nbd --port @PORT@ --log "$log" --df "$1" \
		--evil read-eof-payload --on READ --at 16777216 --times "$2"
	attach -C 2
	settle
	for ((i = 0; i < $2; i++)); do
		wait_until 20 are_established 2
		dd if="$DEV" of="$TMP/back" bs=256k count=1 skip=64 iflag=direct status=none
		cmp "$TMP/pattern" "$TMP/back"
	done
	detach
	stop_server
	same "$(sed -n 's/^READ 16777216 262144 df conn=//p' "$log" | sort | uniq -d)" "" \
		"connections that were asked again"
	matches "$(<"$log")" "READ 16777216 262144 df" "requests"
}
python3 -c 'import array, sys
words = array.array("Q", range((16 << 20) + 1, (16 << 20) + (256 << 10), 8))
words.byteswap()
words.tofile(sys.stdout.buffer)' >"$TMP/pattern"
refused einval 5
refused eoverflow 2
same "$(grep -c VIOLATION "$log" || true)" 0 "violations"

# Others that are in flight with it: they get their replies
serve evil-nbd --port @PORT@ --log "$log" --delay 100 \
	--evil read-eof-payload --on READ --at 16777216 --every
attach -C 2
settle
for i in {1..12}; do
	background "good$i" good "$i"
done
fails dd if="$DEV" of=/dev/null bs=64k count=1 skip=256 iflag=direct status=none
for i in {1..12}; do
	ends "good$i" 0
done
detach
same "$(grep -c VIOLATION "$log" || true)" 0 "violations"
