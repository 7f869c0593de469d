#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# nbd-server, which has structured replies since 3.26, on TCP and Unix sockets, plain and with
# flush, FUA, trim and rotational in its configuration: data pass both ways, the disk has those
# features.

. "$(dirname "$0")/lib/lib.sh"

image=$TMP/image
dd if=/dev/urandom of="$TMP/data" bs=1M count=3 status=none

# as it is started here, it serves one connection
round() {
	attach -C 1
	dd if="$TMP/data" of="$DEV" bs=1M seek=1 conv=notrunc,fsync status=none
	blockdev --flushbufs "$DEV"
	same "$(dd if="$DEV" bs=1M skip=1 count=3 iflag=direct status=none | sha256sum)" \
		"$(sha256sum <"$TMP/data")" "read back"
	same "$(nbd-info --json "$DEV" | jq -c '[.structured, .contexts]')" "$replies" "replies"
	same "$(queue write_cache)/$(queue rotational)" "$1" "write cache and rotational"
	[ "$(queue discard_max_bytes)" = 0 ] ||
		same "$1" "write back/1" "discards are possible with"
	detach
	stop_server
	cmp -n 3145728 -i 1048576:0 "$image" "$TMP/data"
}

truncate -s 5M "$image"
serve_nbd_servers "$image"
replies=$(nbdinfo --json --no-content "$URI" |
	jq -c '[.structured, (.exports[0].contexts // [])]')
note "$("${NBD_SERVER[@]}" -V 2>&1 | head -n 1): $replies"
stop_server
serve_nbd_server "$image"
round "write through/0"
rm "$image"
truncate -s 5M "$image"
TRANSPORT=unix serve_nbd_server "$image" "flush = true" "fua = true" "trim = true" \
	"rotational = true"
round "write back/1"
