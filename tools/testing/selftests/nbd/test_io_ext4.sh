#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# ext4 on the disk: a tree is written, found again after another attach, and the file system on the
# server's image is sound.
# tags: kernel

. "$(dirname "$0")/lib/lib.sh"

requires mke2fs
modprobe -q ext4 || grep -qw ext4 /proc/filesystems || skip "this kernel has no ext4"
image=$TMP/image
truncate -s 48M "$image"
mkdir "$TMP/mnt"

serve_nbdkit file "$image"
attach -C 4
defer eval "umount -q '$TMP/mnt' || true"
mke2fs -q -t ext4 "$DEV"
mount "$DEV" "$TMP/mnt"
cp -a /etc /bin/bash "$TMP/mnt/"
dd if=/dev/urandom of="$TMP/mnt/random" bs=1M count=3 conv=fsync status=none
(cd "$TMP/mnt" && find . -type f -exec sha256sum {} +) >"$TMP/sums"
umount "$TMP/mnt"
detach

within 60 e2fsck -fn "$image" >"$TMP/fsck" 2>&1 || fail "$(<"$TMP/fsck")"

attach -C 1
mount "$DEV" "$TMP/mnt"
(cd "$TMP/mnt" && within 60 sha256sum --quiet -c "$TMP/sums")
umount "$TMP/mnt"
detach
