#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# To go back in the content of a READ costs more than it takes a server to say so. One that does it
# 4095 times, in chunks of a byte, is read right; one that does it without end loses its connection.

. "$(dirname "$0")/lib/lib.sh"

requires evil-nbd
log=$TMP/log
# back SIZE: read so much, from its last byte to its first
back()
{
	within 60 dd if="$DEV" of="$TMP/back" bs="$1" count=1 skip=16M iflag=direct,skip_bytes \
		status=none
}

serve evil-nbd --port @PORT@ --log "$log" --evil read-backwards --on READ --at 16777216 --every
attach -C 1 --no-reconnect
settle
back 4k
same "$(od -An -td8 --endian=big -v "$TMP/back" | awk '
	{ for (i = 1; i <= NF; i++) if ($i != 16777217 + 8 * n++) bad++ }
	END { print n, bad + 0 }')" "512 0" "numbers read, and wrong ones"
same "$(grep -c EVIL "$log")" 1 "replies of that kind"
allow_klog "I/O error|reply to a READ in too many chunks|lost, error|without a reply"
fails back 64k
wait_klog 20 "protocol violation: reply to a READ in too many chunks \(READ 16777216\+65536\)"
detach
same "$(grep -c VIOLATION "$log" || true)" 0 "violations"
