#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A server on a Unix socket that writes and closes at once is seen to end, not only to write: it has
# a CPU for as long as it likes, so that the receiver, on the same one, runs once for both.
# tags: kernel

. "$(dirname "$0")/lib/lib.sh"

requires evil-nbd chrt
for evil in reply-eof-header15 read-eof-payload eof-idle; do
	TRANSPORT=unix serve chrt --fifo 50 taskset -c 0 evil-nbd --unix @SOCKET@ \
		--evil $evil --on READ --at 5M --log "$TMP/log"
	attach -C 1 --no-reconnect --timeout 10
	settle
	dd if="$DEV" of=/dev/null bs=4k count=1 skip=1280 iflag=direct status=none \
		2>/dev/null || true
	wait_klog 20 "$DISK: conn 0: lost, error"
	grep -q "^EVIL $evil" "$TMP/log" || fail "$evil did not happen"
	klog | grep "no reply to" && fail "the end was not seen"
	detach
	stop_server
done
