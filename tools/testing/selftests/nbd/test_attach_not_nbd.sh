#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What answers is no NBD server: exit status 12, nothing attached, and the bytes of the peer never
# reach the terminal as they are.

. "$(dirname "$0")/lib/lib.sh"

dev=$(free_device)
for greeting in http magic magic2; do
	serve evil-nbd --port @PORT@ --log "$TMP/log" --evil "greeting-$greeting"
	exits 12 within 20 nbd-attach "$URI" "$dev"
	matches "$OUTPUT" "not an NBD server|oldstyle|unknown style" "$greeting: message"
	attached "$dev" && fail "$greeting: $dev is attached"
	stop_server
done
serve evil-nbd --port @PORT@ --log "$TMP/log" --evil close-greeting
exits 6 within 20 nbd-attach "$URI" "$dev"
attached "$dev" && fail "$dev is attached"
exit 0
