#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# --read-only makes a read-only disk of a writable export: nobody can write, trim or mount it for
# writing, and no such command reaches the server.

. "$(dirname "$0")/lib/lib.sh"

log=$TMP/log image=$TMP/image
truncate -s 64M "$image"
mke2fs -q -F -t ext4 -O ^has_journal "$image"
sum=$(sha256sum <"$image")
mkdir "$TMP/mnt"
serve evil-nbd --port @PORT@ --log "$log" --image "$image" 
attach --read-only
same "$(blockdev --getro "$DEV")" 1 "read-only"
same "$(cat "/sys/block/$DISK/ro")" 1 "read-only in sysfs"
fails within 20 dd if=/dev/zero of="$DEV" bs=4k count=1 oflag=direct conv=notrunc
fails blkdiscard -f "$DEV"
fails blkdiscard -f -z "$DEV"
defer eval "umount -q '$TMP/mnt' || true"
fails mount -w "$DEV" "$TMP/mnt"
mount -o ro "$DEV" "$TMP/mnt"
ls "$TMP/mnt/lost+found"
umount "$TMP/mnt"
detach
same "$(grep -cE '^(WRITE|TRIM)|VIOLATION' "$log" || true)" 0 "writes and violations"
same "$(sha256sum <"$image")" "$sum" "the server's image"
