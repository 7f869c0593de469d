#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A server that offers no flush, FUA, trim or zeroes sees none of them, whatever is asked of the
# disk; what is read afterwards is right all the same.

. "$(dirname "$0")/lib/lib.sh"

log=$TMP/log image=$TMP/image
truncate -s 64M "$image"
serve evil-nbd --port @PORT@ --log "$log" --image "$image" \
	--flags no-flush,no-fua,no-trim,no-zeroes,no-multi-conn,no-df,no-cache
attach
same "$(queue write_cache)" "write through" "write cache"
same "$(queue discard_max_bytes)" 0 "largest discard"
same "$(queue write_zeroes_max_bytes)" 0 "largest write of zeroes"

tr '\0' x </dev/zero | within 20 dd of="$DEV" bs=1M count=4 seek=16 iflag=fullblock \
	oflag=direct,dsync conv=notrunc,fsync status=none
fails blkdiscard -o 16M -l 64k "$DEV"
within 20 blkdiscard -z -o 17M -l 1M "$DEV"
within 20 fallocate -z -o 18M -l 1M "$DEV"
# a hole is promised to read as zeroes, which needs WRITE_ZEROES
fallocate -p -o 19M -l 1M "$DEV" 2>/dev/null && hole=0 || hole=x
detach

same "$(grep -c VIOLATION "$log" || true)" 0 "violations"
same "$(grep -cE '^(FLUSH|TRIM|WRITE_ZEROES|CACHE)| fua' "$log" || true)" 0 "commands not offered"
at() { dd if="$image" bs=1M skip="$1" count=1 status=none | tr '\0' 0 | fold -w 4096 | sort -u |
	cut -c 1; }
same "$(at 16)$(at 17)$(at 18)$(at 19)" "x00$hole" "content of the image"
