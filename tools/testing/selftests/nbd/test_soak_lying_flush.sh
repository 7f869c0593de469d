#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What the crash test looks for can be found: a server that answers FLUSH without doing it does not
# pass it, and the same server that does, passes.

. "$(dirname "$0")/lib/soak.sh"

one_life() {
	rm -f "$TMP/image"
	truncate -s 64M "$TMP/image"
	soak_server "$1" "$TMP/image"
	server_up
	attach --no-reconnect
	start_ledger volatile
	sleep 0.3
	end_ledger
	server_down
	nbd-detach --force "$DEV"
}

one_life cache
check_image "$TMP/image" volatile
one_life lying
fails "$HERE/ledger_check" image "$LEDGER" "$TMP/image" volatile
matches "$OUTPUT" "may be" "the complaint"
soaked "a FLUSH that did nothing was found out: ${OUTPUT##*$'\n'}"
