#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# An export that the server does not have: exit status 11, its name in the message, no device, no
# connection left. The right one of the same server can be attached.

. "$(dirname "$0")/lib/lib.sh"

dev=$(free_device)
truncate -s 1M "$TMP/image"

refused() {
	exits 11 within 20 nbd-attach "nbd://127.0.0.1:$PORT/$1" "$dev"
	matches "$OUTPUT" "$1" "message"
	attached "$dev" && fail "$dev is attached"
	same "$(ss -Htn state established "dport = :$PORT")" "" "connections left"
}

serve_nbd_server "$TMP/image"
refused nonesuch
EXPORT=right serve_qemu "$TMP/image" -f raw
refused wrong
nbd-attach "nbd://127.0.0.1:$PORT/right" "$dev" >"$TMP/out" 2>&1 || fail "$(<"$TMP/out")"
nbd-detach "$dev"
