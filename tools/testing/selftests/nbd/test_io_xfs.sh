#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# xfs on the disk: a tree is written, found again after another attach, and the file system on the
# server's image is sound.
# tags: kernel

. "$(dirname "$0")/lib/lib.sh"

requires mkfs.xfs
modprobe -q xfs || grep -qw xfs /proc/filesystems || skip "this kernel has no xfs"
image=$TMP/image
truncate -s 300M "$image"
mkdir "$TMP/mnt"

serve_nbdkit file "$image"
attach -C 4
defer eval "umount -q '$TMP/mnt' || true"
mkfs.xfs -q "$DEV"
mount "$DEV" "$TMP/mnt"
cp -a /etc /bin/bash "$TMP/mnt/"
dd if=/dev/urandom of="$TMP/mnt/random" bs=1M count=3 conv=fsync status=none
(cd "$TMP/mnt" && find . -type f -exec sha256sum {} +) >"$TMP/sums"
umount "$TMP/mnt"
detach

within 60 xfs_repair -n -f "$image" >"$TMP/fsck" 2>&1 || fail "$(<"$TMP/fsck")"

attach -C 1
mount "$DEV" "$TMP/mnt"
(cd "$TMP/mnt" && within 60 sha256sum --quiet -c "$TMP/sums")
umount "$TMP/mnt"
detach
