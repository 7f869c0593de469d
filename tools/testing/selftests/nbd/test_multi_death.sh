#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# One of four connections dies with requests in flight: nobody sees an error, all data are right,
# and the disk is live with three.

. "$(dirname "$0")/lib/lib.sh"

requires fio
log=$TMP/log
states() {
	nbd-info --json "$DEV" |
		jq -c '[.state, (.connections | map(select(.state == "up")) | length)]'
}

# the store of the server is a pattern: 8 bytes at each offset hold offset + 1
python3 -c 'import array, sys
words = array.array("Q", range((8 << 20) + 1, 12 << 20, 8))
words.byteswap()
words.tofile(sys.stdout.buffer)' >"$TMP/pattern"
for evil in read-eof-payload magic-wrong; do
	serve evil-nbd --port @PORT@ --log "$log" --evil "$evil" --after 50 --on READ
	attach -C 4 --no-reconnect
	same "$(states)" '["live",4]' "before"
	within 90 fio --name=read --filename="$DEV" --ioengine=libaio --direct=1 --iodepth=32 \
		--rw=randread --bs=64k --offset=8M --size=8M --output-format=terse \
		>"$TMP/fio" 2>&1 ||
		fail "$evil: $(tail -n 5 "$TMP/fio")"
	grep -q "^EVIL $evil" "$log" || fail "$evil did not happen"
	same "$(states)" '["live",3]' "after $evil"
	within 30 dd if="$DEV" of="$TMP/back" bs=1M skip=8 count=4 iflag=direct status=none
	cmp "$TMP/pattern" "$TMP/back"
	detach
	same "$(grep -c VIOLATION "$log" || true)" 0 "$evil: violations"
	stop_server
done
