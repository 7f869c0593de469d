#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# With eight and with sixteen connections, a READ that kills each one that it is sent on ends in EIO
# after a bounded number of them, it alone: others that continue meanwhile, and lose their
# connections with it each time, are carried out.

. "$(dirname "$0")/lib/keeper.sh"

allow_klog "I/O error"
log=$TMP/log

# others N: a slow server has one of them at nearly any time
others() {
	until [ -e "$TMP/enough" ]; do
		dd if="$DEV" of="$TMP/other$1" bs=64k count=10 skip=$((300 + 10 * $1)) \
			iflag=direct \
			status=none || return
	done
	cmp "$TMP/other$1" <(tail -c "+$((1 + 655360 * $1))" "$TMP/pattern" | head -c 655360)
}

# the store of the server: 8 bytes at each offset hold offset + 1
python3 -c 'import array, sys
words = array.array("Q", range((300 << 16) + 1, 340 << 16, 8))
words.byteswap()
words.tofile(sys.stdout.buffer)' >"$TMP/pattern"
for number in 8 16; do
	rm -f "$TMP"/other* "$TMP/enough"
	serve evil-nbd --port @PORT@ --log "$log" --delay 40 \
		--evil read-eof-payload --on READ --at 16777216 --every
	attach -C "$number" --dead-timeout forever
	settle
	for i in 0 1 2 3; do
		background "others$i" others "$i"
	done
	fails within 60 dd if="$DEV" of=/dev/null bs=64k count=1 skip=256 iflag=direct status=none
	matches "$OUTPUT" "Input/output error" "the bad sector"
	[ ! -e "$TMP/others0.rc" ] || fail "others have ended: $(<"$TMP/others0")"
	touch "$TMP/enough"
	for i in 0 1 2 3; do
		ends "others$i" 0
	done
	times=$(grep -c '^READ 16777216 65536' "$log")
	note "$number connections: sent $times times"
	# five that count; none does that was made before the last one died
	[[ $times -ge 5 && $times -le $((5 * number)) ]] || fail "it was sent $times times"
	wait_until 30 are_established "$number"
	detach
	same "$(grep -c VIOLATION "$log" || true)" 0 "violations"
	stop_server
done
same "$(klog | grep -c "READ .* failed:")" 2 "requests that failed"
same "$(klog | grep -c "READ 16777216+65536 failed: each connection that carried it was lost")" 2 \
	"the bad one's"
