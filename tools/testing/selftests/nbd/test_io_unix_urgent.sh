#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A server that says something out of band on a Unix socket hurts its own connection at most: what is
# read is right or fails, and the kernel is none the worse.

. "$(dirname "$0")/lib.sh"

requires nbdkit python3
head -c 4M /dev/urandom >"$TMP/image"
for after in 300000 1200000 3000000; do
	TRANSPORT=unix serve_nbdkit file "$TMP/image"
	TRANSPORT=unix serve "$HERE/urgent.py" @SOCKET@ "$SOCKET" $after
	attach -C 1 --no-reconnect --timeout 4
	settle
	: >"$TMP/copy"
	dd if="$DEV" of="$TMP/copy" bs=64k count=64 iflag=direct status=none 2>"$TMP/why" ||
		note "after $after: $(tail -n 1 "$TMP/why")"
	grep -q "said so" "$SERVER_LOG" || fail "nothing was said out of band"
	cmp -n "$(stat -c %s "$TMP/copy")" "$TMP/copy" "$TMP/image" || fail "wrong data"
	detach
done
