#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What a server says out of band on a Unix socket is dropped: what was said before and behind it is
# read, and nothing waits for more.
# tags: kernel

. "$(dirname "$0")/lib/lib.sh"

requires nbdkit python3
python3 -c 'import socket; a, b = socket.socketpair(); a.send(b"!", socket.MSG_OOB)' 2>/dev/null ||
	skip "this kernel has no out-of-band data on Unix sockets (CONFIG_AF_UNIX_OOB)"
head -c 4M /dev/urandom >"$TMP/image"
TRANSPORT=unix serve_nbdkit file "$TMP/image"
TRANSPORT=unix serve "$HERE/lib/urgent" @SOCKET@ "$SOCKET" 300000 1000
attach -C 1 --no-reconnect --timeout 20
settle
dd if="$DEV" of="$TMP/copy" bs=64k iflag=direct status=none || fail "a read failed"
said=$(grep -c "said so" "$SERVER_LOG")
[ "$said" -gt 20 ] || fail "out of band was said $said times only"
cmp "$TMP/copy" "$TMP/image" || fail "wrong data"
detach
