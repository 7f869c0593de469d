#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Urgent data ends a TCP connection: TCP gives out nothing that comes behind it, so requests would
# wait for ever.
# tags: kernel

. "$(dirname "$0")/lib/lib.sh"

requires nbdkit python3
head -c 4M /dev/urandom >"$TMP/image"
serve_nbdkit file "$TMP/image"
serve "$HERE/lib/urgent" @PORT@ "$PORT" 1000000
attach -C 1 --no-reconnect --dead-timeout off
settle
rc=0
within 20 dd if="$DEV" of="$TMP/copy" bs=64k iflag=direct status=none 2>"$TMP/why" || rc=$?
[ "$rc" -ne 0 ] || fail "all was read"
wait_until 20 grep -q "said so" "$SERVER_LOG"
wait_klog 20 "protocol violation: urgent data"
cmp -n "$(stat -c %s "$TMP/copy")" "$TMP/copy" "$TMP/image" || fail "wrong data"
