#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Sizes from one sector to 8 TiB, and one that is no multiple of a sector: the disk has the whole
# sectors, and the last of them is the one of the image.

. "$(dirname "$0")/lib/lib.sh"

image=$TMP/image
for size in 512 1000001 $((8 << 40)); do
	last=$((size / 512 - 1))
	rm -f "$image"
	truncate -s "$size" "$image"
	head -c 512 /dev/urandom >"$TMP/sector"
	dd if="$TMP/sector" of="$image" bs=512 seek="$last" conv=notrunc status=none
	serve_nbdkit file "$image"
	attach
	same "$(blockdev --getsize64 "$DEV")" $((size / 512 * 512)) "size of the disk"
	within 20 dd if="$DEV" of="$TMP/back" bs=512 skip="$last" iflag=direct status=none
	cmp "$TMP/back" "$TMP/sector"

	head -c 512 /dev/urandom >"$TMP/sector"
	within 20 dd if="$TMP/sector" of="$DEV" bs=512 seek="$last" oflag=direct \
		conv=notrunc,fsync \
		status=none
	detach
	cmp -n 512 -i "$((last * 512)):0" "$image" "$TMP/sector"
	same "$(stat -c %s "$image")" "$size" "size of the image"
	stop_server
done
