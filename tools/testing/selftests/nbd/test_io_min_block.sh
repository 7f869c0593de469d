#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A server that takes whole blocks only, of 4096 bytes or of 64 KiB, never gets anything else:
# buffered and direct I/O, partition scan and file system; a smaller direct request fails before the
# wire. A kernel without blocks larger than a page refuses those of 64 KiB.
# tags: kernel

. "$(dirname "$0")/lib/lib.sh"

image=$TMP/image

# serve_blocks SIZE
serve_blocks() {
	rm -f "$image" "$TMP/log"
	truncate -s 33555000 "$image"
	serve_nbdkit --filter=blocksize-policy --filter=log file "$image" blocksize-minimum="$1" \
		blocksize-preferred="$1" blocksize-maximum=1M blocksize-error-policy=error \
		logfile="$TMP/log"
}

file_system() {
	mke2fs -q -t ext4 -F "$DEV"
	mkdir "$TMP/mnt"
	mount "$DEV" "$TMP/mnt"
	defer eval "umount -q '$TMP/mnt' || true"
	cp /bin/bash "$TMP/mnt/"
	umount "$TMP/mnt"
}

# Kernels with that file and huge pages have large blocks
large_blocks() {
	[ -e /sys/block/nbd0/queue/write_zeroes_unmap_max_bytes ] &&
		[ -e /sys/kernel/mm/transparent_hugepage ]
}

# whole_blocks SIZE [COMMAND]
whole_blocks() {
	serve_blocks "$1"
	attach
	same "$(queue logical_block_size)" "$1" "logical block size"
	same "$(blockdev --getsize64 "$DEV")" 33554432 "size of the disk"
	[ -z "${2-}" ] || "$2"
	printf abc | within 20 dd of="$DEV" bs=1 seek=33554427 conv=notrunc,fsync status=none
	within 20 dd if="$DEV" of=/dev/null bs=128k count=4 iflag=direct status=none
	fails within 20 dd if="$DEV" of=/dev/null bs=$(($1 / 8)) count=1 iflag=direct
	detach
	same "$(tail -c +33554428 "$image" | head -c 3)" abc "last bytes of the disk"
	# the log has hexadecimal numbers, and a block so many zeroes
	zeroes=$([ "$1" -eq 4096 ] && echo 000 || echo 0000)
	odd=$(grep -oE 'offset=0x[0-9a-f]+ count=0x[0-9a-f]+' "$TMP/log" |
		grep -vE "offset=0x([0-9a-f]*$zeroes|0) count=0x[0-9a-f]*$zeroes$" || true)
	same "$odd" "" "requests that are not whole blocks of $1"
	matches "$(grep -c 'Write ' "$TMP/log")" "^[1-9]" "writes in the log"
	stop_server
}

whole_blocks 4096 file_system
e2fsck -fn "$image" >"$TMP/fsck" 2>&1 || fail "$(<"$TMP/fsck")"
if large_blocks; then
	whole_blocks 65536
	# A task that has the disk open continues with pages of 4096 bytes
	serve_blocks 65536
	exec 9<"$DEV"
	fails nbd-attach "$URI" "$DEV"
	matches "$OUTPUT" "larger than a page, and the device is open" "message"
	exec 9<&-
	attach
	detach
else
	serve_blocks 65536
	fails nbd-attach "$URI" "$(free_device)"
	matches "$OUTPUT" "minimum block has 65536 bytes, this kernel takes 4096" "message"
fi
