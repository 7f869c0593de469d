#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A server that takes whole blocks of 4096 bytes only never gets anything else: buffered and direct
# I/O, partition scan and file system; a direct request of a sector fails before the wire.

. "$(dirname "$0")/lib.sh"

image=$TMP/image
truncate -s 33555000 "$image"
serve_nbdkit --filter=blocksize-policy --filter=log file "$image" blocksize-minimum=4096 \
	blocksize-preferred=4096 blocksize-maximum=1M blocksize-error-policy=error logfile="$TMP/log"
attach
same "$(queue logical_block_size)" 4096 "logical block size"
same "$(blockdev --getsize64 "$DEV")" 33554432 "size of the disk"
mke2fs -q -t ext4 -F "$DEV"
mkdir "$TMP/mnt"
mount "$DEV" "$TMP/mnt"
defer eval "umount -q '$TMP/mnt' || true"
cp /bin/bash "$TMP/mnt/"
umount "$TMP/mnt"
printf abc | within 20 dd of="$DEV" bs=1 seek=33554427 conv=notrunc,fsync status=none
fails within 20 dd if="$DEV" of=/dev/null bs=512 count=1 iflag=direct
detach
same "$(tail -c +33554428 "$image" | head -c 3)" abc "last bytes of the disk"
odd=$(grep -oE 'offset=0x[0-9a-f]+ count=0x[0-9a-f]+' "$TMP/log" |
	grep -vE 'offset=0x([0-9a-f]*000|0) count=0x[0-9a-f]*000$' || true)
same "$odd" "" "requests that are not whole blocks"
matches "$(grep -c 'Write ' "$TMP/log")" "^[1-9]" "writes in the log"
e2fsck -fn "$image" >"$TMP/fsck" 2>&1 || fail "$(<"$TMP/fsck")"
