#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A READ that was alone in flight when its connection died is sent again with DF, at most twice,
# and without DF where the server does not offer it; in the end that READ fails and the disk goes on.

. "$(dirname "$0")/lib.sh"

requires evil-nbd
log=$TMP/log

# reads [FLAGS...]: what a server that hangs up on one sector gets to see of it
reads() {
	serve evil-nbd --port @PORT@ --log "$log" "$@" \
		--evil read-eof-payload --on READ --at 16777216 --every
	attach -C 8 --no-reconnect
	fails dd if="$DEV" of=/dev/null bs=64k count=1 skip=256 iflag=direct status=none
	matches "$OUTPUT" "Input/output error" "the bad sector"
	within 20 dd if="$DEV" of=/dev/null bs=64k count=1 skip=300 iflag=direct status=none
	detach
	stop_server
	same "$(grep -c VIOLATION "$log" || true)" 0 "violations"
	grep '^READ 16777216 65536' "$log" | sed 's/ conn=.*//' | uniq -c | sed 's/^ *//' | paste -sd,
}

same "$(reads)" "1 READ 16777216 65536,2 READ 16777216 65536 df" "with DF"
same "$(reads --flags no-df)" "6 READ 16777216 65536" "without DF"
