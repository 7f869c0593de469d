#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# An attach does not depend on what its caller left behind: closed standard files, SIGCHLD ignored,
# a large locale archive, which must not be locked in memory. It ends when asked to, although the
# server does not answer the first read.

. "$(dirname "$0")/lib/lib.sh"

serve_nbdkit memory 4M
DEV=$(free_device)
defer _force_detach "$DEV"

nbd-attach -v "$URI" "$DEV" <&- >&- 2>&- || fail "without standard files: exit status $?"
same "$(blockdev --getsize64 "$DEV")" 4194304 "size of the disk"
detach "$DEV"

python3 -c 'import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execvp(sys.argv[1], sys.argv[1:])' nbd-attach "$URI" "$DEV" ||
	fail "SIGCHLD ignored: exit status $?"
detach "$DEV"

# glibc maps all of it, to look for a locale
archive=/usr/lib/locale/locale-archive
if [ ! -e "$archive" ]; then
	mkdir -p "${archive%/*}"
	defer rm -f "$archive"
	python3 -c 'import struct, sys
sys.stdout.buffer.write(struct.pack("<14I", 0xde020109, 0, 56, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0))
sys.stdout.buffer.write(bytes(36))' >"$archive"
	truncate -s 200M "$archive"
	LC_ALL=en_US.UTF-8 nbd-attach "$URI" "$DEV"
	locked=$(awk '/^VmLck:/ { print $2 }' "/proc/$(<"/run/nbd-attach/${DEV#/dev/}.pid")/status")
	[ "$locked" -gt 0 ] || fail "no memory is locked"
	[ "$locked" -lt 102400 ] || fail "$locked kB are locked in memory"
	detach "$DEV"
fi
stop_server

serve_nbdkit --filter=delay memory 4M rdelay=300
nbd-attach --connect-timeout 200 "$URI" "$DEV" &
pid=$!
wait_until 30 attached "$DEV"
sleep 1
kill -TERM "$pid"
wait_until 30 eval "! kill -0 $pid 2>/dev/null"
status=0
wait "$pid" || status=$?
same "$status" 143 "exit status"
attached "$DEV" && fail "$DEV is attached"
exit 0
